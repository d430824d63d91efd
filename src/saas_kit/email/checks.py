"""System checks of e-mail."""

from __future__ import annotations

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.urls import NoReverseMatch, reverse

from saas_kit.email.conf import EmailSettings
from saas_kit.email.limits import TABLE
from saas_kit.email.links import unsubscribe_link
from saas_kit.email.mailer import timeout_of_mailer
from saas_kit.email.providers import has_webhook, webhook_view, with_webhooks
from saas_kit.email.services import topics

_STEPS = 10
_MOST_ATTEMPTS = 32_767  # more cannot be counted in the outbox


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


def check_public_url(**kwargs: object) -> list[CheckMessage]:
    """W002: people who cannot unsubscribe report messages as spam, and mailbox providers then take none any more."""
    if not topics() or unsubscribe_link("token").startswith("https://"):
        return []
    return [
        CheckWarning(
            "Messages that people need not have, have no safe link to unsubscribe by (RFC 8058).",
            hint='Set SAAS_KIT_EMAIL_PUBLIC_URL = "https://api.example.com", where this server is, and add '
            'path("email/", include("saas_kit.email.urls")) to the URLs.',
            id="saas_kit_email.W002",
        )
    ]


def check_timeout(**kwargs: object) -> list[CheckMessage]:
    """
    W003: a server that is slow holds a worker up, and a message that outlasts its lease is sent twice.

    A timeout bounds one step, and a message over a new connection takes about ten: connecting, the greeting, EHLO,
    STARTTLS, EHLO once more, the credentials, the sender, the recipient, DATA and the content.
    """
    try:
        timeout = timeout_of_mailer()
    except (ImproperlyConfigured, ImportError):
        return []  # there is no mailer that could wait
    if timeout is not None and _STEPS * timeout <= EmailSettings.LEASE.total_seconds():
        return []
    return [
        CheckWarning(
            f"A mail server may take longer over a message than SAAS_KIT_EMAIL_LEASE, as each of about {_STEPS} steps "
            "may take as long as the timeout.",
            hint='Set EMAIL_TIMEOUT = 10, or "timeout": 10 in the OPTIONS of MAILERS["default"] (Django 6.1), '
            'or "REQUESTS_TIMEOUT": 10 in ANYMAIL.',
            id="saas_kit_email.W003",
        )
    ]


def check_webhooks(**kwargs: object) -> list[CheckMessage]:
    """W004: a webhook that nothing proves is refused, so that nothing is known of bounces and complaints."""
    if not _has_webhooks():
        return []
    messages: list[CheckMessage] = []
    for provider in sorted(with_webhooks()):
        try:
            webhook_view(provider)
        except ImproperlyConfigured as error:
            messages.append(
                CheckWarning(
                    f"Webhooks of {provider} are refused: {error}",
                    hint='Set ANYMAIL = {"WEBHOOK_SECRET": "user:password"}, and name both in the address that the '
                    "provider calls, or set the provider's signing key.",
                    id="saas_kit_email.W004",
                )
            )
    return messages


def check_providers(**kwargs: object) -> list[CheckMessage]:
    """E006: a provider that nobody knows has no webhook."""
    unknown = [name for name in EmailSettings.PROVIDERS if not has_webhook(name)]
    if not unknown:
        return []
    return [
        Error(
            f"SAAS_KIT_EMAIL_PROVIDERS names what has no webhook: {', '.join(unknown)}.",
            hint='Install "django-saas-kit[anymail]", and name providers as its URLs do: sendgrid, amazon_ses.',
            id="saas_kit_email.E006",
        )
    ]


def check_attempts(**kwargs: object) -> list[CheckMessage]:
    """E007: with no attempt every message would be given up unsent, and too many cannot be counted."""
    if 1 <= EmailSettings.MAX_ATTEMPTS <= _MOST_ATTEMPTS:
        return []
    return [
        Error(
            f"SAAS_KIT_EMAIL_MAX_ATTEMPTS is {EmailSettings.MAX_ATTEMPTS}.",
            hint=f"Set it to a number from 1 to {_MOST_ATTEMPTS}; 18 are two days.",
            id="saas_kit_email.E007",
        )
    ]


def check_rate_limits(**kwargs: object) -> list[CheckMessage]:
    """E005: a limit that cannot be read would fail at the first message."""
    return [
        Error(
            f"SAAS_KIT_EMAIL_RATE_LIMITS cannot be read: {fault}.",
            hint='Write it as in SAAS_KIT_EMAIL_RATE_LIMITS = {"address": "50/h"}; None lifts a limit.',
            id="saas_kit_email.E005",
        )
        for fault in TABLE.faults()
    ]


def _has_webhooks() -> bool:
    try:
        reverse("saas_kit_email:tracking", args=["provider"])
    except NoReverseMatch:
        return False
    return True


ALL = (check_attempts, check_providers, check_rate_limits)
DEPLOY = (check_frontend_url, check_public_url, check_timeout, check_webhooks)
