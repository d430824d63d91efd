"""What may be done with teams."""

from __future__ import annotations

from django.db import models
from django.utils.translation import gettext_lazy as _

from saas_kit.core.permissions import Level, register


class TeamPermission(models.TextChoices):
    """Permissions on teams, held by roles in the organization; some also by the team's leads."""

    VIEW = "saas_kit_teams.view_team", _("View teams and their members")
    CREATE = "saas_kit_teams.create_team", _("Create teams")
    CHANGE = "saas_kit_teams.change_team", _("Change teams")
    DELETE = "saas_kit_teams.delete_team", _("Delete and restore teams")
    MANAGE_MEMBERS = "saas_kit_teams.manage_members", _("Add, change and remove team members")


register(
    Level.ORGANIZATION,
    {
        TeamPermission.VIEW: "viewer",
        TeamPermission.CREATE: "admin",
        TeamPermission.CHANGE: "admin",
        TeamPermission.DELETE: "admin",
        TeamPermission.MANAGE_MEMBERS: "admin",
    },
)
register(Level.TEAM, {TeamPermission.VIEW: "member", TeamPermission.MANAGE_MEMBERS: "lead"})
