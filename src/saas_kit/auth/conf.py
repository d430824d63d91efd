"""Settings of sign-in."""

from __future__ import annotations

from datetime import timedelta

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
