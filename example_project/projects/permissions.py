"""What may be done with projects and tasks."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from saas_kit.core.permissions import Level, register


class ProjectPermission(models.TextChoices):
    """Permissions on projects, held by roles in the organization."""

    VIEW = "projects.view_project", _("View projects")
    CREATE = "projects.create_project", _("Create projects")
    CHANGE = "projects.change_project", _("Change projects")
    DELETE = "projects.delete_project", _("Delete and restore projects")


class TaskPermission(models.TextChoices):
    """Permissions on tasks, held by roles in the organization."""

    VIEW = "projects.view_task", _("View tasks")
    CREATE = "projects.create_task", _("Create tasks")
    CHANGE = "projects.change_task", _("Change tasks")
    DELETE = "projects.delete_task", _("Delete and restore tasks")


register(
    Level.ORGANIZATION,
    {
        ProjectPermission.VIEW: "viewer",
        ProjectPermission.CREATE: "member",
        ProjectPermission.CHANGE: "member",
        ProjectPermission.DELETE: "admin",
        TaskPermission.VIEW: "viewer",
        TaskPermission.CREATE: "member",
        TaskPermission.CHANGE: "member",
        TaskPermission.DELETE: "member",
    },
)
