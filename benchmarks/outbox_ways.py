"""What is compared: the same messages through the outbox, and given to the server without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from django.core.mail import EmailMultiAlternatives, get_connection
from django.db import connection, transaction

from saas_kit.auth.messages import VerifyEmail
from saas_kit.email.messages import Message
from saas_kit.email.models import OutboxMessage
from saas_kit.email.services import deliver_due, send

BASE = "`EmailMessage.send()`, one by one"


@dataclass(frozen=True)
class Way:
    """
    One way of sending a number of messages.

    Attributes:
        prepare: Called with the number before; not measured.
        send: Called with the number.
    """

    prepare: Callable[[int], object]
    send: Callable[[int], object]


@dataclass(frozen=True, kw_only=True)
class Plain(VerifyEmail):
    """A short text without templates and without HTML."""

    kind: ClassVar = "benchmarks.plain"

    def render_text(self, **extra: Any) -> str:
        return f"Confirm your address: {self.link}\n"

    def render_html(self, **extra: Any) -> str:
        return ""


def ways() -> dict[str, dict[str, Way]]:
    """Return the ways of sending each message, by its name and theirs."""
    return {"text": _ways_of(Plain.samples()[0]), "text and HTML": _ways_of(VerifyEmail.samples()[0])}


def _ways_of(message: Message) -> dict[str, Way]:
    return {
        "outbox, `deliver_due()`": Way(partial(_fill, message), _deliver),
        BASE: Way(_empty, partial(_send_each, message)),
        "`send_messages()`, one connection": Way(_empty, partial(_send_all, message)),
    }


def _fill(message: Message, number: int) -> None:
    _empty(number)
    with transaction.atomic():
        for index in range(number):
            send(message, to=f"person{index}@example.com")
        connection.run_on_commit.clear()  # nobody else is to deliver them


def _empty(number: int) -> None:
    OutboxMessage.objects.all().delete()


def _deliver(number: int) -> None:
    if deliver_due(number) != number:
        raise RuntimeError("Some messages were not due.")


def _send_each(message: Message, number: int) -> None:
    for index in range(number):
        _mail(message, index).send()


def _send_all(message: Message, number: int) -> None:
    with get_connection() as opened:
        opened.send_messages([_mail(message, index) for index in range(number)])


def _mail(message: Message, index: int) -> EmailMultiAlternatives:
    mail = EmailMultiAlternatives(
        message.render_subject(), message.render_text(), to=[f"person{index}@example.com"]
    )
    if html := message.render_html():
        mail.attach_alternative(html, "text/html")
    return mail
