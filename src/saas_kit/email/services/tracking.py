"""
What becomes of messages after they were sent, as providers tell it.

They tell it in any order, more than once, and sometimes before they have answered. So a message goes on to a later
state only, and each thing is done once however often it is told.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now
from django.dispatch import Signal

from saas_kit.core.addresses import normalize_email
from saas_kit.core.events import send_on_commit
from saas_kit.email import signals
from saas_kit.email.models import OutboxMessage, State, SuppressionReason
from saas_kit.email.providers import Fact, ProviderEvent
from saas_kit.email.services.suppressions import suppress, topic_of, topics

_LONGEST_ERROR = 500
# Every other state gives way to what is told. A receiver's server may take a message and send it back later, and
# whoever complains has got it.
_RANKS = {State.DELIVERED: 1, State.BOUNCED: 2, State.COMPLAINED: 3}
_STATES = {
    Fact.DELIVERED: (State.DELIVERED, signals.message_delivered),
    Fact.OPENED: (State.DELIVERED, signals.message_delivered),
    Fact.BOUNCED: (State.BOUNCED, signals.message_bounced),
    Fact.COMPLAINED: (State.COMPLAINED, signals.message_complained),
}


@transaction.atomic
def record_event(event: ProviderEvent) -> None:
    """
    Write down what a provider tells of a message, and suppress its address where no more mail should go there.

    What is about a message that is not in the outbox, or about another address than the message's, is left alone.
    """
    row = _find(event)
    if row is None or (event.recipient and normalize_email(event.recipient) != row.recipient):
        return
    _follow(row, event)
    _stop_mail(row, event)


def _follow(row: OutboxMessage, event: ProviderEvent) -> None:
    detail = event.detail[:_LONGEST_ERROR]
    match event.fact:
        case Fact.ACCEPTED if row.is_open:
            _advance(row, State.SENT)
        case Fact.DEFERRED if row.state == State.SENT:
            _write(row, last_error=detail)
        case Fact.FAILED if row.is_open or row.state == State.SENT:
            _advance(row, State.DEAD, signals.message_given_up, last_error=detail)
        case Fact.BOUNCED:
            _advance(row, *_STATES[event.fact], last_error=detail)
        case Fact.DELIVERED | Fact.OPENED | Fact.COMPLAINED:
            _advance(row, *_STATES[event.fact])
    if event.fact == Fact.OPENED and row.opened_at is None:
        _write(row, opened_at=Now())
        send_on_commit(signals.message_opened, sender=OutboxMessage, message=row)


def _stop_mail(row: OutboxMessage, event: ProviderEvent) -> None:
    if event.fact == Fact.BOUNCED and event.is_hard:
        suppress(row.recipient, reason=SuppressionReason.BOUNCED, detail=event.detail)
    elif event.fact == Fact.COMPLAINED:
        suppress(row.recipient, reason=SuppressionReason.COMPLAINED, detail=event.detail)
    elif event.fact == Fact.UNSUBSCRIBED:
        for topic in _topics_of(row):
            suppress(row.recipient, reason=SuppressionReason.UNSUBSCRIBED, topic=topic)


def _find(event: ProviderEvent) -> OutboxMessage | None:
    rows = OutboxMessage.objects.select_for_update()
    found = rows.filter(pk=event.key).first() if event.key else None
    if found is None and event.provider_id:
        found = rows.filter(provider_id=event.provider_id).first()
    if found is None and (key := _key_of(event.message_id)):
        # where its SMTP server is used, a provider knows no more of a message than its headers
        message_id = f"<{event.message_id.strip('<>')}>"
        found = rows.filter(pk=key, message_id=message_id).first()
    return found


def _key_of(message_id: str) -> UUID | None:
    """Return the id of the row that a ``Message-ID`` begins with; None where it begins with none."""
    try:
        return UUID(message_id.lstrip("<").partition("@")[0])
    except ValueError:
        return None


def _advance(row: OutboxMessage, state: State, signal: Signal | None = None, **values: Any) -> None:
    """Let a message go on to a later state; the lease stays, so that whoever is sending it can write down the rest."""
    if row.is_open and row.sent_at is not None:
        return  # what is told of an earlier time must not keep it from being sent once more
    if not row.is_open and row.state != State.SENT and _rank(state) <= _rank(row.state):
        return
    if row.is_open:
        values |= {"sent_at": Now(), "secrets": ""}
    _write(row, state=state, **values)
    if signal is not None:
        send_on_commit(signal, sender=OutboxMessage, message=row)


def _write(row: OutboxMessage, **values: Any) -> None:
    OutboxMessage.objects.filter(pk=row.pk).update(updated_at=Now(), **values)
    row.refresh_from_db()


def _rank(state: str) -> int:
    return _RANKS.get(State(state), 0)


def _topics_of(row: OutboxMessage) -> list[str]:
    """Return what the receiver of a message does not want: messages like it; of what people need, all others."""
    topic = topic_of(row.kind)
    return [topic] if topic else topics()
