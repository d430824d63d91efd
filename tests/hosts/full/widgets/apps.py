from __future__ import annotations

from django.apps import AppConfig


class WidgetsConfig(AppConfig):
    name = "tests.hosts.full.widgets"
    label = "widgets"
    default_auto_field = "django.db.models.BigAutoField"
