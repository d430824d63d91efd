"""
How often people may try what can be guessed, and ask for what costs something.

The limits of sign-in follow OWASP's Authentication Cheat Sheet: they slow down guessing by address and by network,
and never lock the person out for good.
"""

from __future__ import annotations

from saas_kit.auth.conf import AuthSettings
from saas_kit.ratelimit import LimitTable, network

__all__ = ["DEFAULTS", "TABLE", "count", "limit_of", "network", "take_back"]

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

TABLE = LimitTable("auth", DEFAULTS, lambda: AuthSettings.RATE_LIMITS)

limit_of = TABLE.limit_of
count = TABLE.count
take_back = TABLE.take_back
