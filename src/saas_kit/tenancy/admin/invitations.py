"""The pages of invitations."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet

from saas_kit.tenancy import services
from saas_kit.tenancy.admin.rows import OrganizationOwnedAdmin
from saas_kit.tenancy.models import Invitation


@admin.register(Invitation)
class InvitationAdmin(OrganizationOwnedAdmin):
    """Invitations: to be looked at, and removed. Members of the organization are who invites."""

    list_display = ("email", "organization", "role", "status", "invited_by", "expires_at", "created_at")
    list_filter = ("status",)
    list_select_related = ("organization", "invited_by")
    search_fields = ("email", "=id")
    fields = (
        "id",
        "organization",
        "email",
        "role",
        "message",
        "team_ids",
        "status",
        "invited_by",
        "by_system",
        "sent_at",
        "expires_at",
        "reminded_at",
        "accepted_by",
        "answered_at",
        "created_at",
        "updated_at",
    )
    readonly_fields = fields

    def has_add_permission(self, request: Any) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def delete_model(self, request: Any, obj: Invitation) -> None:
        services.delete_invitation(obj, actor=request.user)

    def delete_queryset(self, request: Any, queryset: QuerySet[Invitation]) -> None:
        for each in queryset.select_related("organization"):
            services.delete_invitation(each, actor=request.user)
