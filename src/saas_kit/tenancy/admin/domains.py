"""The pages of domains."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet

from saas_kit.tenancy import services
from saas_kit.tenancy.admin.rows import OrganizationOwnedAdmin
from saas_kit.tenancy.models import EmailDomain


@admin.register(EmailDomain)
class EmailDomainAdmin(OrganizationOwnedAdmin):
    """Domains: to be looked at, and taken from an organization that is not to have them any more."""

    list_display = ("domain", "organization", "enrollment", "role", "verified_at", "created_at")
    list_filter = ("enrollment", ("verified_at", admin.EmptyFieldListFilter))
    list_select_related = ("organization",)
    search_fields = ("domain", "=id")
    fields = (
        "id",
        "organization",
        "domain",
        "enrollment",
        "role",
        "verified_at",
        "created_at",
        "updated_at",
    )
    readonly_fields = fields

    def has_add_permission(self, request: Any) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def delete_model(self, request: Any, obj: EmailDomain) -> None:
        services.delete_domain(obj, actor=request.user)

    def delete_queryset(self, request: Any, queryset: QuerySet[EmailDomain]) -> None:
        for each in queryset.select_related("organization"):
            services.delete_domain(each, actor=request.user)
