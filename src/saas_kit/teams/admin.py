from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import ValidationError

from saas_kit.teams import services
from saas_kit.teams.exceptions import NameTaken
from saas_kit.teams.models import Team, TeamMembership
from saas_kit.tenancy.admin import OrganizationOwnedAdmin, SlugForm, SoftDeletableAdmin


class TeamForm(SlugForm):
    """A form that tells of a taken name too."""

    def clean_name(self) -> str:
        name: str = self.cleaned_data["name"]
        if self.others().filter(name__iexact=name).exists():
            raise ValidationError(NameTaken.message, NameTaken.code)
        return name

    def others(self) -> Any:
        return super().others().filter(organization=self.instance.organization_id)


class TeamMembershipInline(admin.TabularInline):
    model = TeamMembership
    fields = ("membership", "role", "created_at")
    readonly_fields = fields
    can_delete = False
    extra = 0

    def has_add_permission(self, request: Any, obj: Any = None) -> bool:
        return False


@admin.register(Team)
class TeamAdmin(OrganizationOwnedAdmin, SoftDeletableAdmin):
    """Teams."""

    form = TeamForm
    list_display = ("name", "organization", "created_at", "deleted_at")
    list_filter = (("deleted_at", admin.EmptyFieldListFilter),)
    list_select_related = ("organization",)
    search_fields = ("name", "slug", "=id", "=organization__id", "organization__name")
    fields = ("id", "organization", "name", "slug", "description", "created_at", "updated_at", "deleted_at")
    readonly_fields = ("id", "organization", "created_at", "updated_at", "deleted_at")
    actions = ("restore",)
    inlines = (TeamMembershipInline,)

    def has_add_permission(self, request: Any) -> bool:
        return False

    def save_model(self, request: Any, obj: Team, form: Any, change: bool) -> None:
        services.change_team(obj, actor=request.user, **form.cleaned_data)

    def delete_one(self, obj: Team, request: Any) -> None:
        services.delete_team(obj, actor=request.user)

    def restore_one(self, obj: Team, request: Any) -> None:
        services.restore_team(obj, actor=request.user)
