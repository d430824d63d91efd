"""System checks of invitations, their limits and the seats that they hold."""

from __future__ import annotations

from datetime import timedelta

from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from saas_kit.tenancy.conf import TenancySettings
from saas_kit.tenancy.limits import TABLE


def check_rate_limits(**kwargs: object) -> list[CheckMessage]:
    """E024: a limit that cannot be read would fail at the first invitation."""
    rates: object = TenancySettings.RATE_LIMITS
    if not isinstance(rates, dict):  # E001 reports it
        return []
    return [
        Error(
            f"SAAS_KIT_TENANCY_RATE_LIMITS cannot be read: {fault}.",
            hint='Write it as in SAAS_KIT_TENANCY_RATE_LIMITS = {"invitations": "500/d"}; None lifts a limit.',
            id="saas_kit_tenancy.E024",
        )
        for fault in TABLE.faults()
    ]


def check_seat_limit(**kwargs: object) -> list[CheckMessage]:
    """E025: what tells how many seats there are can be called; nobody could be invited or added otherwise."""
    path = TenancySettings.SEAT_LIMIT
    if not path or not isinstance(path, str):  # E001 reports anything else
        return []
    hint = "It must be the dotted path to a function that takes an organization and returns a number or None."
    try:
        function = import_string(path)
    except (ImportError, AttributeError) as error:
        message = f"SAAS_KIT_TENANCY_SEAT_LIMIT cannot be imported: {error}"
        return [Error(message, hint=hint, id="saas_kit_tenancy.E025")]
    if callable(function):
        return []
    message = f"SAAS_KIT_TENANCY_SEAT_LIMIT names {path!r}, which cannot be called."
    return [Error(message, hint=hint, id="saas_kit_tenancy.E025")]


def check_answerable(**kwargs: object) -> list[CheckMessage]:
    """E026: the link in an invitation has its token, and there is time to follow it."""
    found: list[CheckMessage] = []
    link: object = TenancySettings.INVITATION_LINK
    if isinstance(link, str) and "{token}" not in link:
        found.append(
            Error(
                f"SAAS_KIT_TENANCY_INVITATION_LINK is {link!r}, which has no token.",
                hint='Write {token} where it belongs, as in "/invitation#token={token}".',
                id="saas_kit_tenancy.E026",
            )
        )
    usual: object = TenancySettings.INVITATION_LIFETIME
    longest: object = TenancySettings.INVITATION_MAX_LIFETIME
    if not isinstance(usual, timedelta) or not isinstance(longest, timedelta):
        return found  # E001 reports it
    if not timedelta(0) < usual <= longest:
        found.append(
            Error(
                "SAAS_KIT_TENANCY_INVITATION_LIFETIME is not between nothing and INVITATION_MAX_LIFETIME.",
                hint="Set SAAS_KIT_TENANCY_INVITATION_LIFETIME = timedelta(days=7), and not more than the other.",
                id="saas_kit_tenancy.E026",
            )
        )
    return found


ALL = (check_rate_limits, check_seat_limit, check_answerable)
