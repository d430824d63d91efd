"""The pages of invitations."""

from __future__ import annotations

from typing import Any

from django.contrib import admin

from saas_kit.tenancy import services
from saas_kit.tenancy.admin.rows import InspectedAdmin
from saas_kit.tenancy.models import Invitation


@admin.register(Invitation)
class InvitationAdmin(InspectedAdmin):
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

    def remove_one(self, obj: Invitation, request: Any) -> None:
        services.delete_invitation(obj, actor=request.user)
