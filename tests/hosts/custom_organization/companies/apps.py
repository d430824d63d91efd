from __future__ import annotations

from django.apps import AppConfig


class CompaniesConfig(AppConfig):
    name = "tests.hosts.custom_organization.companies"
    label = "companies"
    default_auto_field = "django.db.models.BigAutoField"
