"""System checks of users."""

from __future__ import annotations

from django.apps import apps
from django.core.checks import CheckMessage, Error


def check_apps_below(**kwargs: object) -> list[CheckMessage]:
    """E002: users brings sign-in and tenancy together, so both must be there."""
    return [
        Error(
            f"saas_kit.users needs {name}.",
            hint=f'Add "{name}" to INSTALLED_APPS, or remove "saas_kit.users".',
            id="saas_kit_users.E002",
        )
        for name in ("saas_kit.auth", "saas_kit.tenancy")
        if not apps.is_installed(name)
    ]


ALL = (check_apps_below,)
