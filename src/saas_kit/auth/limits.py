"""
How often people may try what can be guessed, and ask for what costs something.

The limits of sign-in follow OWASP's Authentication Cheat Sheet: they slow down guessing by address and by network,
and never lock the person out for good.
"""

from __future__ import annotations

from saas_kit.auth.conf import AuthSettings
from saas_kit.core import context
from saas_kit.ratelimit import Limit, forget, hit

DEFAULTS: dict[str, str | None] = {
    "login": "5/5m",  # for one account from one network
    "login_slow": "10/h",  # the same over a longer time, so that one network cannot use up what comes next
    "login_account": "20/h",  # for one account from everywhere
    "login_network": "100/h",  # for all accounts from one network
    "register": "20/h",  # from one network
    "refresh": "300/h",  # from one network with tokens that are no good
    "password": "5/m",  # the present password, asked for again, of one person
    "mail": "3/h",  # messages of one kind that anybody can cause, to one address
    "mail_network": "30/h",  # the same of all kinds to all addresses, from one network
    "mail_person": "10/h",  # messages to addresses that one person wants to have
    "token": "60/h",  # one-time tokens that are no good, from one network
    "mfa": "5/5m",  # second factors of one person
    "passkey_options": "300/h",  # sign-ins with a passkey that are begun and not finished, from one network
    "social": "60/h",  # sign-ins at a provider, from one network
    "export": "10/h",  # exports of one person
}


def limit_of(name: str) -> Limit | None:
    """
    Return one of the limits; None where the host has lifted it.

    Raises:
        ValueError: The host's setting is no rate.
    """
    rate = (DEFAULTS | AuthSettings.RATE_LIMITS)[name]
    return None if rate is None else Limit.parse(rate)


def count(name: str, *parts: str) -> None:
    """
    Count one attempt.

    Raises:
        RateLimited: It is one too many.
        Unavailable: The cache cannot be asked.
    """
    limit = limit_of(name)
    if limit is not None:
        hit(f"auth.{name}", limit, *parts)


def take_back(name: str, *parts: str) -> None:
    """Take back an attempt that was right after all."""
    limit = limit_of(name)
    if limit is not None:
        forget(f"auth.{name}", limit, *parts)


def network() -> str:
    """Return the address that the request came from; empty outside one."""
    return context.ip_address.get() or ""
