"""System checks of teams."""

from __future__ import annotations

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

BACKEND = "saas_kit.teams.backends.TeamBackend"


def check_backend(**kwargs: object) -> list[CheckMessage]:
    """W002: without the back end a team's leads have no permission in it."""
    if BACKEND in settings.AUTHENTICATION_BACKENDS:
        return []
    return [
        checks.Warning(
            f"{BACKEND} is not in AUTHENTICATION_BACKENDS, so leading a team grants nothing.",
            hint=f'Add "{BACKEND}" to AUTHENTICATION_BACKENDS.',
            id="saas_kit_teams.W002",
        )
    ]


ALL = (check_backend,)
