"""Addresses that no mail goes to: those that do not exist, and those whose owners want none."""

from __future__ import annotations

from django.core import signing

from saas_kit.core.addresses import normalize_email
from saas_kit.core.exceptions import NotFound
from saas_kit.email.messages import message_class, message_kinds
from saas_kit.email.models import Suppression, SuppressionReason

_LONGEST_DETAIL = 500
_SALT = "saas_kit.email.unsubscribe"


def suppress(email: str, *, reason: SuppressionReason, topic: str = "", detail: str = "") -> Suppression:
    """
    Let no more mail go to an address; nothing changes where none does already.

    Args:
        topic: The topic of the messages that are stopped; empty stops all, those that people need too.
        detail: What the provider said.
    """
    suppression, _ = Suppression.objects.get_or_create(
        email=normalize_email(email),
        topic=topic,
        defaults={"reason": reason, "detail": detail[:_LONGEST_DETAIL]},
    )
    return suppression


def lift_suppression(suppression: Suppression) -> None:
    """Let mail go to an address again; what was not sent meanwhile is not sent now."""
    suppression.delete()


def topics() -> list[str]:
    """Return the topics of all messages, which people can unsubscribe from."""
    return sorted({topic_of(kind) for kind in message_kinds()} - {""})


def topic_of(kind: str) -> str:
    """Return the topic of a kind of message; empty where it has none, or where its class is gone."""
    try:
        return message_class(kind).topic
    except (ImportError, LookupError):
        return ""


def unsubscribe_token(email: str, topic: str) -> str:
    """Return what proves that somebody had a message of a topic; it is always the same, and good for ever."""
    return signing.Signer(salt=_SALT).sign_object([email, topic])


def read_unsubscribe_token(token: str) -> tuple[str, str]:
    """
    Return the address and the topic of a token.

    Raises:
        NotFound: It is none of ours.
    """
    try:
        email, topic = signing.Signer(salt=_SALT).unsign_object(token)
    except (signing.BadSignature, ValueError) as error:
        raise NotFound from error
    return email, topic


def unsubscribe(token: str) -> tuple[str, str]:
    """
    Let no more messages of a topic go to an address, and return both; it may be done any number of times.

    Raises:
        NotFound: The token is none of ours.
    """
    email, topic = read_unsubscribe_token(token)
    suppress(email, reason=SuppressionReason.UNSUBSCRIBED, topic=topic)
    return email, topic
