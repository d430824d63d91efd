"""
What is particular to providers: those that django-anymail talks to, by the names that it has for them.

Anymail gives their APIs, and what they tell of messages later, one form. Here is what it leaves open: which errors are
the message's fault, which bounces are for good, how a provider knows a message that it was given before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from importlib.util import find_spec
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.mail import EmailMultiAlternatives
from django.urls import Resolver404, resolve

from saas_kit.email.conf import EmailSettings

API_ERRORS: tuple[type[Exception], ...] = ()
"""What is raised where a provider's API did not answer, or answered with an error."""
REFUSALS: tuple[type[Exception], ...] = ()
"""What is raised where a provider refused an address, or where there is no way to tell it what the message is."""
FORGERIES: tuple[type[Exception], ...] = ()
"""What is raised where a webhook has not the signature, or the password, that it should."""

if find_spec("anymail") is not None:  # an extra
    from anymail import exceptions

    API_ERRORS = (exceptions.AnymailAPIError,)
    REFUSALS = (exceptions.AnymailRecipientsRefused, exceptions.AnymailSerializationError)
    FORGERIES = (exceptions.AnymailWebhookValidationFailure,)

_NOT_STORED = re.compile("[\x00\ud800-\udfff]")
_METADATA_KEY = "outbox"
_BACKENDS = "anymail.backends."

_WITHOUT_METADATA = {"MailerSend", "Postal"}
# MailerSend takes headers from enterprises only, and Mailjet no Message-ID: both answer 4xx to the whole message.
_WITHOUT_HEADERS = {"MailerSend"}
_WITHOUT_MESSAGE_ID = {"Mailjet"}

_FAULTS_OF_MESSAGE = {
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    HTTPStatus.UNPROCESSABLE_ENTITY,
}
_WAIT = {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}
# Postmark answers 422 to whatever is wrong, the account too; these codes are of the message.
_POSTMARK_FAULTS_OF_MESSAGE = {300, 411}

# Amazon answers 400 to what is wrong with the account or the rate too, so that its words decide.
_AMAZON_FAULTS_OF_MESSAGE = {"BadRequestException", "MessageRejected"}
_AMAZON_THROTTLES = {"Throttling", "ThrottlingException"}
# It rejects whatever comes from a sender that nobody has verified, which may be mended.
_AMAZON_UNVERIFIED = "Email address is not verified"

# What a provider answers where it took a message with the same idempotency key before.
_TAKEN_BEFORE = {"Brevo": ("code", "duplicate_parameter"), "Resend": ("name", "invalid_idempotent_request")}

# Where a provider says whether a bounce is for good, and how; Anymail calls both "bounced".
_HARD_BOUNCES: dict[str, tuple[tuple[str, ...], tuple[Any, ...]]] = {
    "Amazon SES": (("bounce", "bounceType"), ("Permanent",)),
    "Brevo": (("event",), ("hard_bounce", "invalid_email")),
    "MailerSend": (("data", "type"), ("hard_bounced",)),
    "Mailjet": (("hard_bounce",), (True,)),
    "Mandrill": (("event",), ("hard_bounce",)),
    "Postmark": (("Type",), ("HardBounce",)),
    "Resend": (("data", "bounce", "type"), ("Permanent",)),
    "SendGrid": (("type",), ("bounce",)),
    "SparkPost": (("msys", "message_event", "bounce_class"), ("10", "30", "90")),
}
# Where a provider that gives a message a name of its own says the ``Message-ID`` that it had.
_MESSAGE_IDS: dict[str, tuple[str, ...]] = {"Amazon SES": ("mail", "commonHeaders", "messageId")}
# Why something bounced at the other providers, where that is for good.
_HARD_REASONS = {"bounced", "invalid"}


class Fact(StrEnum):
    """What a provider can tell of a message."""

    ACCEPTED = "accepted"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    OPENED = "opened"
    BOUNCED = "bounced"
    FAILED = "failed"
    COMPLAINED = "complained"
    UNSUBSCRIBED = "unsubscribed"


_FACTS = {
    "queued": Fact.ACCEPTED,
    "sent": Fact.ACCEPTED,
    "deferred": Fact.DEFERRED,
    "delivered": Fact.DELIVERED,
    "opened": Fact.OPENED,
    "clicked": Fact.OPENED,
    "bounced": Fact.BOUNCED,
    "rejected": Fact.BOUNCED,
    "failed": Fact.FAILED,
    "complained": Fact.COMPLAINED,
    "unsubscribed": Fact.UNSUBSCRIBED,
}
# A provider that refuses to send says why, which may be something that it was told of an earlier message.
_FACTS_OF_REJECTION = {"spam": Fact.COMPLAINED, "unsubscribed": Fact.UNSUBSCRIBED}


@dataclass(frozen=True, kw_only=True)
class Label:
    """
    What a provider is told so that it knows a message.

    Attributes:
        key: The id of the ``OutboxMessage``, which comes back with what is told of it later.
        kind: The kind of the message.
        idempotency_key: The same for every attempt, and another where it is to be sent once more.
    """

    key: str
    kind: str
    idempotency_key: str


@dataclass(frozen=True, kw_only=True)
class ProviderEvent:
    """
    What a provider tells of a message.

    Attributes:
        key: The id of the ``OutboxMessage``; None where the provider does not say it.
        provider_id: What the provider calls the message.
        message_id: What may be the ``Message-ID`` that the message had, with or without ``<>``.
        recipient: The address that it is about; empty where the provider does not say it.
        is_hard: Whether nothing will ever arrive there.
        detail: What the provider, or the receiver's server, said.
    """

    fact: Fact
    key: UUID | None
    provider_id: str
    message_id: str
    recipient: str
    is_hard: bool
    detail: str


class NotTaken(Exception):
    """The provider answered, and did not take the message."""


def label_message(message: EmailMultiAlternatives, backend: Any, label: Label) -> None:
    """Attach to a message what its provider is to know of it; nothing where it goes to no provider of Anymail's."""
    provider = getattr(backend, "esp_name", "")
    if not provider:
        return
    attributes: dict[str, Any] = {"tags": [label.kind]}
    if provider not in _WITHOUT_METADATA:
        attributes["metadata"] = {_METADATA_KEY: label.key}
    for name, value in attributes.items():
        setattr(message, name, value)
    if provider in _WITHOUT_HEADERS:
        message.extra_headers = {}
    if provider in _WITHOUT_MESSAGE_ID:
        message.extra_headers.pop("Message-ID", None)
    if provider == "Brevo":
        message.extra_headers["idempotencyKey"] = label.idempotency_key
    if provider == "Resend":
        backend.session.headers["Idempotency-Key"] = label.idempotency_key


def read_answer(message: EmailMultiAlternatives) -> str:
    """
    Return what the provider calls a message that it was given; empty where there is none, or where it does not say.

    Raises:
        NotTaken: It did not take the message.
    """
    answer = getattr(message, "anymail_status", None)
    if answer is None:
        return ""
    not_taken = {"failed"} if answer.message_id else {"failed", "unknown"}
    if not set(answer.status or ()) - not_taken:
        raise NotTaken(f"The provider answered {', '.join(answer.status or ()) or 'nothing'}.")
    return "" if answer.message_id is None else str(answer.message_id)


def was_taken_before(error: Exception) -> bool:
    """Tell whether a provider refused a message because it has it already."""
    if not isinstance(error, API_ERRORS):
        return False
    told: Any = error
    field, value = _TAKEN_BEFORE.get(told.esp_name, ("", ""))
    return bool(field) and _answer_of(told).get(field) == value


def is_fault_of_message(error: Any) -> bool:
    """Tell whether an API refused a message for what it is, rather than for the account, the rate or itself."""
    if error.esp_name == "Postmark":
        return _answer_of(error).get("ErrorCode") in _POSTMARK_FAULTS_OF_MESSAGE
    if error.esp_name == "Amazon SES":
        code, text = (_look_up(error.response, ("Error", name)) for name in ("Code", "Message"))
        return code in _AMAZON_FAULTS_OF_MESSAGE and not str(text).startswith(_AMAZON_UNVERIFIED)
    return error.status_code in _FAULTS_OF_MESSAGE


def has_to_wait(error: Any) -> bool:
    """Tell whether it is of no use to go on with other messages now: no answer, too many, or out of order."""
    if error.response is None:
        return True
    if error.esp_name == "Amazon SES":  # its answer is a mapping, as boto3 makes it
        status = _look_up(error.response, ("ResponseMetadata", "HTTPStatusCode"))
        return status in _WAIT or _look_up(error.response, ("Error", "Code")) in _AMAZON_THROTTLES
    return error.status_code in _WAIT


def read_event(event: Any, provider: str) -> ProviderEvent | None:
    """Return what an ``AnymailTrackingEvent`` tells; None where it is of no interest here."""
    fact = _FACTS.get(event.event_type)
    if event.event_type == "rejected":
        fact = _FACTS_OF_REJECTION.get(event.reject_reason, fact)
    if fact is None:
        return None
    return ProviderEvent(
        fact=fact,
        key=_key_in(event.metadata),
        provider_id=_text(event.message_id),
        message_id=_text(_look_up(event.esp_event, _MESSAGE_IDS.get(provider, ())) or event.message_id),
        recipient=_text(event.recipient),
        is_hard=_is_hard(event, provider),
        detail=" ".join(_text(event.mta_response or event.description or event.reject_reason).split()),
    )


def with_webhooks() -> set[str]:
    """Return the names of the providers whose webhooks are answered; see ``SAAS_KIT_EMAIL_PROVIDERS``."""
    named = EmailSettings.PROVIDERS or [
        backend.removeprefix(_BACKENDS).partition(".")[0]
        for backend in _backends()
        if backend.startswith(_BACKENDS)
    ]
    return {each for each in named if has_webhook(each)}


def has_webhook(provider: str) -> bool:
    """Tell whether Anymail is installed, and has a webhook for a provider."""
    return find_spec("anymail") is not None and _resolved(provider) is not None


def webhook_view(provider: str) -> Any:
    """
    Return a new instance of Anymail's view of a provider's webhook; None where there is no such webhook.

    Raises:
        ImproperlyConfigured: Whatever anybody posted would be taken, as nothing is configured to prove it by.
    """
    found = _resolved(provider)
    if found is None:
        return None
    view = found.view_class(**found.view_initkwargs)
    if view.warn_if_no_basic_auth and not view.basic_auth:
        raise ImproperlyConfigured(
            f"There is neither a signing key of {provider} nor a WEBHOOK_SECRET in ANYMAIL."
        )
    return view


def _backends() -> list[str]:
    mailers = getattr(settings, "MAILERS", None)  # Django 6.1
    return (
        [settings.EMAIL_BACKEND]
        if mailers is None
        else [each.get("BACKEND", "") for each in mailers.values()]
    )


def _resolved(provider: str) -> Any:
    try:
        return resolve(f"/{provider}/tracking/", urlconf="anymail.urls").func
    except Resolver404:
        return None


def _is_hard(event: Any, provider: str) -> bool:
    if event.event_type != "bounced" or provider not in _HARD_BOUNCES:
        return event.event_type in {"bounced", "rejected"} and event.reject_reason in _HARD_REASONS
    path, hard = _HARD_BOUNCES[provider]
    return _look_up(event.esp_event, path) in hard


def _look_up(value: Any, path: tuple[str, ...]) -> Any:
    """Return what is at a path of names; None where there is nothing, or the path is empty."""
    if not path:
        return None
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _text(value: Any) -> str:
    """Return a text that any database can store; empty for none."""
    return _NOT_STORED.sub("\N{REPLACEMENT CHARACTER}", str(value or ""))


def _key_in(metadata: Any) -> UUID | None:
    try:
        return UUID(metadata[_METADATA_KEY])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


def _answer_of(error: Any) -> Mapping[str, Any]:
    try:
        answer = error.response.json()
    except (AttributeError, json.JSONDecodeError):
        return {}
    return answer if isinstance(answer, Mapping) else {}
