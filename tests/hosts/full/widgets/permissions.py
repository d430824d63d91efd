"""What may be done with widgets."""

from __future__ import annotations

from django.db import models

from saas_kit.core.permissions import Level, register


class WidgetPermission(models.TextChoices):
    """Permissions on widgets."""

    VIEW = "widgets.view_widget", "View widgets"
    CREATE = "widgets.create_widget", "Create widgets"
    CHANGE = "widgets.change_widget", "Change widgets"
    DELETE = "widgets.delete_widget", "Delete and restore widgets"


register(
    Level.ORGANIZATION,
    {
        WidgetPermission.VIEW: "viewer",
        WidgetPermission.CREATE: "member",
        WidgetPermission.CHANGE: "member",
        WidgetPermission.DELETE: "admin",
    },
)
