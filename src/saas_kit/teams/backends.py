"""Answers ``user.has_perm(permission, team)`` for a team's own members."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend

from saas_kit.core.permissions import Level
from saas_kit.teams.models import Team, TeamMembership
from saas_kit.tenancy.access import get_access
from saas_kit.tenancy.roles import roles_granting


class TeamBackend(BaseBackend):
    """Grants what a person's role in a team grants there."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        if not isinstance(obj, Team) or not user_obj.is_authenticated or not user_obj.is_active:
            return False
        granting = roles_granting(perm, level=Level.TEAM)
        if not granting or get_access(user_obj).is_closed(obj.organization):
            return False
        return TeamMembership.objects.filter(team=obj, membership__user=user_obj, role__in=granting).exists()
