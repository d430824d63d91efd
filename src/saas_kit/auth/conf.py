"""Settings of sign-in."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from saas_kit.core.conf import AppSettings


class AuthSettings(AppSettings):
    prefix = "SAAS_KIT_AUTH_"

    SIGNING_KEY: str = ""
    """The secret that tokens are signed with, at least 32 bytes. Left empty, it is derived from SECRET_KEY."""

    ACCESS_TOKEN_LIFETIME: timedelta = timedelta(minutes=5)
    """How long an access token is good for, where its session is not ended before."""

    REFRESH_TOKEN_LIFETIME: timedelta = timedelta(days=14)
    """How long a session lasts from the sign-in; refreshing does not prolong it."""

    AUDIENCE: str = "saas_kit"
    """Who the tokens are for (their ``aud``). Services that share a signing key need different ones."""

    ISSUER: str = "saas_kit"
    """Who made the tokens (their ``iss``)."""

    LEEWAY: timedelta = timedelta(seconds=10)
    """By how much the clocks of two servers may differ."""

    REUSE_LEEWAY: timedelta = timedelta(seconds=10)
    """For how long a refresh token that was just replaced is refused without ending its session."""

    EMAIL_VERIFICATION: Literal["mandatory", "optional", "off"] = "mandatory"
    """
    Whether people prove that their address is theirs. ``mandatory``: they cannot sign in before, and nobody learns
    from ``register/`` who has an account. ``optional``: they are asked to, and signed in at once. ``off``: they are not
    asked.
    """

    VERIFY_EMAIL_LIFETIME: timedelta = timedelta(days=3)
    """How long the link in a message that asks for the proof of an address is good for."""

    CHANGE_EMAIL_LIFETIME: timedelta = timedelta(hours=24)
    """How long the link that confirms a new address is good for."""

    RESET_PASSWORD_LIFETIME: timedelta = timedelta(hours=1)
    """How long the link in a password reset is good for."""

    SET_PASSWORD_LIFETIME: timedelta = timedelta(days=7)
    """How long the link is good for with which somebody whom another person made sets their first password."""

    MFA_TOKEN_LIFETIME: timedelta = timedelta(minutes=5)
    """How long a second factor may take, from the first one on."""

    LINKS: dict[str, str] = {}
    """
    Paths of pages of the front end, with ``{token}`` in each; they replace those of the same name in
    ``saas_kit.auth.links.PATHS``: ``verify_email``, ``change_email``, ``reset_password``, ``set_password``.
    """

    RATE_LIMITS: dict[str, str | None] = {}
    """
    How often something may be tried, as in ``{"login": "10/m"}``; they replace those of the same name in
    ``saas_kit.auth.limits.DEFAULTS``, and None lifts one.
    """

    ERASURE_GRACE: timedelta = timedelta(days=14)
    """How long somebody who asked for the erasure of their account can still change their mind, by signing in."""
