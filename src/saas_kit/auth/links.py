"""Links to pages of the front end that take a one-time token."""

from __future__ import annotations

from saas_kit.auth.conf import AuthSettings
from saas_kit.email.links import frontend_link

PATHS = {
    "verify_email": "/verify-email#token={token}",
    "change_email": "/change-email#token={token}",
    "reset_password": "/reset-password#token={token}",
    "set_password": "/set-password#token={token}",
}


def token_link(name: str, token: str) -> str:
    """Return the link with a token; empty where no front end is configured."""
    return frontend_link((PATHS | AuthSettings.LINKS)[name], token=token)
