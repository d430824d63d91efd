"""System checks of e-mail."""

from __future__ import annotations

from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning

from saas_kit.email.conf import EmailSettings


def check_frontend_url(**kwargs: object) -> list[CheckMessage]:
    """W001: people need links that lead somewhere, and over HTTPS, as they carry secrets."""
    if EmailSettings.FRONTEND_URL.startswith("https://"):
        return []
    return [
        CheckWarning(
            "SAAS_KIT_EMAIL_FRONTEND_URL is no https:// URL, so that messages have no safe links.",
            hint='Set SAAS_KIT_EMAIL_FRONTEND_URL = "https://app.example.com", where your front end is.',
            id="saas_kit_email.W001",
        )
    ]


DEPLOY = (check_frontend_url,)
