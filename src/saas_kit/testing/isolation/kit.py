"""What the kit's own models and routes need, so that no host has to say it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.apps import apps
from django.utils import timezone

PASSWORD = "a long password of the prover 4817"  # noqa: S105 - of people who exist in a test database only


def kit_factories() -> Mapping[str, Callable[..., Any]]:
    """Return the factories of the kit's models whose texts are not free."""
    factories: dict[str, Callable[..., Any]] = {}
    if apps.is_installed("saas_kit.teams"):
        factories["saas_kit_teams.TeamMembership"] = _make_team_membership
    if apps.is_installed("saas_kit.auth"):
        factories["saas_kit_auth.Session"] = _make_session
    return factories


def kit_bodies() -> Mapping[str, Callable[[Any], Any]]:
    """Return the bodies of the kit's routes that need what nobody can guess, by the name of the URL pattern."""
    if not apps.is_installed("saas_kit.auth"):
        return {}
    return {"auth-login": _login_body, "auth-refresh": _refresh_body}


def _make_team_membership(organization: Any, *, team: Any, membership: Any, **related: Any) -> Any:
    from saas_kit.teams.services import add_team_member  # noqa: PLC0415 - only where the app is installed

    return add_team_member(team, membership.user, "member", actor=None)


def _make_session(organization: Any, *, user: Any, **related: Any) -> Any:
    from saas_kit.auth.models import Session  # noqa: PLC0415 - only where the app is installed
    from saas_kit.auth.services import open_session  # noqa: PLC0415 - only where the app is installed

    open_session(user, user_agent=f"prover {timezone.now():%f}")
    return Session.objects.filter(user=user).latest("pk")


def _login_body(side: Any) -> Any:
    user = side.owner
    return {"email": getattr(user, user.get_email_field_name()), "password": PASSWORD}


def _refresh_body(side: Any) -> Any:
    from saas_kit.auth.services import open_session  # noqa: PLC0415 - only where the app is installed

    return {"refresh": open_session(side.owner).refresh}
