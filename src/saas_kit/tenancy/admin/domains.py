"""The pages of domains."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from saas_kit.tenancy import services
from saas_kit.tenancy.admin.rows import InspectedAdmin
from saas_kit.tenancy.models import EmailDomain


@admin.register(EmailDomain)
class EmailDomainAdmin(InspectedAdmin):
    """Domains: to be looked at, and taken from an organization that is not to have them any more."""

    list_display = ("domain", "organization", "enrollment", "role", "verified_at", "missing_since")
    list_filter = (
        "enrollment",
        ("verified_at", admin.EmptyFieldListFilter),
        ("missing_since", admin.EmptyFieldListFilter),
    )
    list_select_related = ("organization",)
    search_fields = ("domain", "=id")
    fields = (
        "id",
        "organization",
        "domain",
        "enrollment",
        "role",
        "verified_at",
        "checked_at",
        "missing_since",
        "created_at",
        "updated_at",
    )
    readonly_fields = fields

    def remove_one(self, obj: EmailDomain, request: Any) -> None:
        services.delete_domain(obj, actor=request.user)
