"""Settings of e-mail."""

from __future__ import annotations

from datetime import timedelta

from saas_kit.core.conf import AppSettings


class EmailSettings(AppSettings):
    prefix = "SAAS_KIT_EMAIL_"

    FRONTEND_URL: str = ""
    """
    Where the front end is, such as ``https://app.example.com``; the links in messages begin with it, whatever host a
    request names. Left empty, messages have no links, and show the token that a link would carry.
    """

    PRODUCT_NAME: str = "saas_kit"
    """What messages call the service."""

    MESSAGES: dict[str, str] = {}
    """
    Dotted paths of classes that take the place of the kit's messages, by the name of the message, as in
    ``{"saas_kit_auth.verify_email": "accounts.messages.VerifyEmail"}``; derive them from the class that they replace.
    """

    LEASE: timedelta = timedelta(minutes=2)
    """
    For how long a message is whoever's who is delivering it; then it is delivered by somebody else. It has to be longer
    than the server that mail is given to can take for one message, which is about ten times the timeout: that bounds
    one step, such as connecting or one answer.
    """

    MAX_ATTEMPTS: int = 18
    """
    How often a message is tried that could not be delivered. The time between two attempts doubles from half a minute
    to six hours, so that the 18th is about two days after the first.
    """

    RETENTION: timedelta = timedelta(days=90)
    """For how long ``saas_kit_purge_mail`` leaves messages that were sent or given up, from when they were written."""

    PUBLIC_URL: str = ""
    """
    Where people and providers reach this server, such as ``https://api.example.com``; the links by which people
    unsubscribe begin with it. Left empty, messages have none.
    """

    PROVIDERS: tuple[str, ...] = ()
    """
    The providers whose webhooks are answered, by the names that django-anymail's URLs have for them: ``sendgrid``,
    ``amazon_ses``. Left empty, it is the one that mail is sent by.
    """

    RATE_LIMITS: dict[str, str | None] = {}
    """
    Rates that take the place of the kit's, by the name of the limit: ``{"address": "50/h"}``; None lifts one. What is
    over a limit waits. ``saas_kit/email/limits.py`` lists them.
    """
