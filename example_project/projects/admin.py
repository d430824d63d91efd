from __future__ import annotations

from typing import Any

from django.contrib import admin

from projects import services
from projects.models import Project, Task
from saas_kit.tenancy.admin import OrganizationOwnedAdmin, SoftDeletableAdmin


@admin.register(Project)
class ProjectAdmin(OrganizationOwnedAdmin, SoftDeletableAdmin):
    """Projects."""

    list_display = ("name", "organization", "created_at", "deleted_at")
    list_filter = (("deleted_at", admin.EmptyFieldListFilter),)
    list_select_related = ("organization",)
    search_fields = ("name", "=id", "=organization__id", "organization__name")
    fields = ("id", "organization", "name", "description", "created_at", "updated_at", "deleted_at")
    readonly_fields = ("id", "organization", "created_at", "updated_at", "deleted_at")
    actions = ("restore",)

    def has_add_permission(self, request: Any) -> bool:
        return False

    def save_model(self, request: Any, obj: Project, form: Any, change: bool) -> None:
        services.change_project(obj, actor=request.user, **form.cleaned_data)

    def delete_one(self, obj: Project, request: Any) -> None:
        services.delete_project(obj, actor=request.user)

    def restore_one(self, obj: Project, request: Any) -> None:
        services.restore_project(obj, actor=request.user)


@admin.register(Task)
class TaskAdmin(OrganizationOwnedAdmin, SoftDeletableAdmin):
    """Tasks."""

    list_display = ("title", "project", "organization", "status", "created_at", "deleted_at")
    list_filter = ("status", ("deleted_at", admin.EmptyFieldListFilter))
    list_select_related = ("organization", "project")
    search_fields = ("title", "=id", "=organization__id", "project__name")
    fields = (
        *("id", "organization", "project", "title", "description", "status", "due_on", "assignee"),
        *("created_at", "updated_at", "deleted_at"),
    )
    readonly_fields = (
        *("id", "organization", "project", "assignee"),
        *("created_at", "updated_at", "deleted_at"),
    )
    actions = ("restore",)

    def has_add_permission(self, request: Any) -> bool:
        return False

    def save_model(self, request: Any, obj: Task, form: Any, change: bool) -> None:
        services.change_task(obj, actor=request.user, **form.cleaned_data)

    def delete_one(self, obj: Task, request: Any) -> None:
        services.delete_task(obj, actor=request.user)

    def restore_one(self, obj: Task, request: Any) -> None:
        services.restore_task(obj, actor=request.user)
