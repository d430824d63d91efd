from __future__ import annotations

from django.contrib import admin

from saas_kit.tenancy.admin import OrganizationAdmin
from tests.hosts.custom_organization.companies.models import Company


@admin.register(Company)
class CompanyAdmin(OrganizationAdmin):
    """Companies."""

    fields = (
        *("id", "account", "name", "slug", "vat_id", "status", "require_mfa", "metadata"),
        *("created_at", "updated_at", "deleted_at"),
    )
