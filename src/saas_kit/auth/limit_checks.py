"""System checks of the limits of guessing."""

from __future__ import annotations

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.limits import TABLE


def check_rate_limits(**kwargs: object) -> list[CheckMessage]:
    """E010: a limit that cannot be read would fail at the first attempt."""
    return [
        Error(
            f"SAAS_KIT_AUTH_RATE_LIMITS cannot be read: {fault}.",
            hint='Write it as in SAAS_KIT_AUTH_RATE_LIMITS = {"login": "5/5m"}; None lifts a limit.',
            id="saas_kit_auth.E010",
        )
        for fault in TABLE.faults()
    ]


def check_lifted_limits(**kwargs: object) -> list[CheckMessage]:
    """W010: what is not limited can be guessed."""
    lifted = [name for name, rate in AuthSettings.RATE_LIMITS.items() if rate is None]
    if not lifted:
        return []
    return [
        CheckWarning(
            f"SAAS_KIT_AUTH_RATE_LIMITS lifts {', '.join(sorted(lifted))}.",
            hint="Give each of them a rate, such as '100/h', or remove them from the setting.",
            id="saas_kit_auth.W010",
        )
    ]


def check_shared_counts(**kwargs: object) -> list[CheckMessage]:
    """W011: counts that each process keeps for itself allow as many times more."""
    backend = str(settings.CACHES.get("default", {}).get("BACKEND", ""))
    if not backend.endswith(("LocMemCache", "DummyCache")):
        return []
    return [
        CheckWarning(
            "The default cache is not shared between processes, so that each counts attempts to sign in for itself.",
            hint='Set CACHES = {"default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", '
            '"LOCATION": "redis://..."}}.',
            id="saas_kit_auth.W011",
        )
    ]


ALL = (check_rate_limits,)
DEPLOY = (check_lifted_limits, check_shared_counts)
