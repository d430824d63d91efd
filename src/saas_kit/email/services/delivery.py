"""
Delivering what is in the outbox.

A message is taken by a lease that the database's clock ends, so that what a crash left is taken by somebody else. Each
attempt is counted before it is made, so that a message that ends its worker is given up some time. Between the server's
answer and the row that says so a process can die, and then the message is sent once more, with the same ``Message-ID``:
SMTP has nothing that could prevent it (RFC 1047).
"""

from __future__ import annotations

import json
import logging
import random
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

from django.db import transaction
from django.db.models import BooleanField, Case, Exists, F, OuterRef, Q, Value, When
from django.db.models.functions import Now
from django.utils import translation

from saas_kit.core.encryption import decrypt
from saas_kit.core.exceptions import RateLimited, Unavailable
from saas_kit.core.tasks import asks_to_end
from saas_kit.email import signals
from saas_kit.email.conf import EmailSettings
from saas_kit.email.limits import count_message
from saas_kit.email.links import unsubscribe_link
from saas_kit.email.mailer import Mail, Mailer, is_permanent
from saas_kit.email.messages import Message, from_json, message_class, message_kinds
from saas_kit.email.models import OutboxMessage, OutboxQuerySet, State, Suppression
from saas_kit.email.providers import Label
from saas_kit.email.services.outbox import SECRETS_PURPOSE
from saas_kit.email.services.suppressions import unsubscribe_token

logger = logging.getLogger("saas_kit.email")

PAUSE = 30.0
"""For how many seconds nobody waits for a server who only caused a message, after it could not be reached."""

_TAKEN_AT_ONCE = 10
_FIRST_PAUSE = timedelta(seconds=30)
_LONGEST_PAUSE = timedelta(hours=6)
_MOST_DOUBLINGS = 10  # the pause is the longest by then
_LONGEST_ERROR = 500

_unreachable_at: float | None = None


def deliver_due(limit: int | None = None, *, only: Sequence[UUID] | None = None) -> int:
    """
    Deliver messages that are due, and return how many were tried.

    Any number of processes may do it at once. It ends when nothing is due, and when the server cannot be reached: what
    it had taken is free again then.

    Args:
        limit: How many it tries at most; None tries all.
        only: The ids of those that it tries, if they are due; None tries any.
    """
    global _unreachable_at  # noqa: PLW0603 - all threads share the server
    with Mailer() as mailer:
        tried = _deliver_any(limit, mailer) if only is None else _deliver_some(only, mailer)
    if not mailer.is_reachable:
        _unreachable_at = time.monotonic()
    elif tried:
        _unreachable_at = None
    return tried


def was_reachable() -> bool:
    """Tell whether the server could be reached the last time that this process tried, or that is some time ago."""
    return _unreachable_at is None or time.monotonic() >= _unreachable_at + PAUSE


def _deliver_any(limit: int | None, mailer: Mailer) -> int:
    tried = 0
    while limit is None or tried < limit:
        wanted = _TAKEN_AT_ONCE if limit is None else min(_TAKEN_AT_ONCE, limit - tried)
        taken = _take(OutboxMessage.objects.due(), wanted)
        tried += _deliver(taken, mailer)
        if len(taken) < wanted or not mailer.is_reachable:
            break
    return tried


def _deliver_some(keys: Sequence[UUID], mailer: Mailer) -> int:
    tried = 0
    for start in range(0, len(keys), _TAKEN_AT_ONCE):
        piece = keys[start : start + _TAKEN_AT_ONCE]
        tried += _deliver(_take(OutboxMessage.objects.due().filter(pk__in=piece), len(piece)), mailer)
        if not mailer.is_reachable:
            break
    return tried


def _deliver(taken: Sequence[OutboxMessage], mailer: Mailer) -> int:
    """Try to deliver messages that were taken, up to the first that finds no server, and return how many were tried."""
    tried = 0
    for index, row in enumerate(taken):
        if row.state == State.SUPPRESSED or _is_over_limit(row):
            continue
        tried += _attempt(row, mailer)
        if not mailer.is_reachable:
            _release(taken[index + 1 :])
            break
    return tried


def _take(due: OutboxQuerySet, wanted: int) -> list[OutboxMessage]:
    """Take messages that are due, and return them; those to suppressed addresses are done with already."""
    lease = uuid4()
    stopped = Case(When(_is_suppressed(), then=True), default=False, output_field=BooleanField())
    free = due.annotate(is_stopped=stopped).order_by("due_at")
    with transaction.atomic():
        # read first, as PostgreSQL may evaluate a limit inside an UPDATE several times
        taken = list(free.select_for_update(skip_locked=True, of=("self",))[:wanted])
        for state, values in ((State.SENDING, {}), (State.SUPPRESSED, {"secrets": ""})):
            rows = [row for row in taken if row.is_stopped == (state == State.SUPPRESSED)]  # type: ignore[attr-defined]
            for row in rows:
                row.state, row.lease = state, lease
            if rows:
                OutboxMessage.objects.filter(pk__in=[row.pk for row in rows]).update(
                    state=state, lease=lease, due_at=Now() + EmailSettings.LEASE, updated_at=Now(), **values
                )
    return sorted(taken, key=lambda row: row.pk)


def _is_suppressed() -> Q:
    of_recipient = Suppression.objects.filter(email=OuterRef("recipient"))
    stopped = Q(Exists(of_recipient.filter(topic="")))
    for kind in message_kinds():
        if topic := _class_of(kind).topic:
            stopped |= Q(Exists(of_recipient.filter(topic=topic)), kind=kind)
    return stopped


def _is_over_limit(row: OutboxMessage) -> bool:
    """Count a message, and let it wait where its address or its organization has had as many as it may."""
    if row.attempts or not _class_of(row.kind).is_limited:  # one that is tried again was counted
        return False
    try:
        count_message(row.recipient, row.organization_id)
    except RateLimited as error:
        _postpone(row, timedelta(seconds=error.retry_after))
        return True
    except Unavailable:
        logger.warning("Message %s could not be counted, and is sent.", row.message_id)
    return False


def _class_of(kind: str) -> type[Message]:
    """Return the class of a kind; of one whose class is gone, which its attempt is to find out, any."""
    try:
        return message_class(kind)
    except (ImportError, LookupError):
        return Message


def _attempt(row: OutboxMessage, mailer: Mailer) -> int:
    """Try to deliver a message that was taken, and return how many attempts that was: none where the lease is lost."""
    own = OutboxMessage.objects.filter(pk=row.pk, lease=row.lease, state=State.SENDING)
    if not own.update(attempts=F("attempts") + 1, due_at=Now() + EmailSettings.LEASE):
        return 0
    if row.attempts >= EmailSettings.MAX_ATTEMPTS:  # each ended the process that made it
        _give_up(row, "No attempt came to an end.")
        return 1
    row.attempts += 1
    try:
        secrets = _secrets_of(row)
    except Exception as error:  # noqa: BLE001 - keys can be mended
        _fail(row, _in_words(error), for_good=False)
        return 1
    try:
        mail = _build(row, secrets)
    except Exception as error:
        if asks_to_end(error):
            raise
        # templates and classes can be mended; what they raise may show all the values that they were given
        _fail(row, type(error).__name__, for_good=False)
        return 1
    try:
        provider_id = mailer.send(mail, _label(row))
    except Exception as error:
        if asks_to_end(error):
            raise
        for_good = mailer.is_reachable and is_permanent(error)
        _fail(row, _in_words(error, hidden=_texts_in(secrets)), for_good=for_good)
    else:
        _succeed(row, provider_id)
    return 1


def _label(row: OutboxMessage) -> Label:
    # a message that somebody has sent once more must not be taken for one that the provider has already
    key = row.pk if row.sent_at is None else uuid5(row.pk, row.sent_at.isoformat())
    return Label(key=str(row.pk), kind=row.kind, idempotency_key=str(key))


def _build(row: OutboxMessage, secrets: Mapping[str, Any]) -> Mail:
    message = from_json(row.kind, {**row.context, **secrets})
    headers = {"Message-ID": row.message_id, "Auto-Submitted": "auto-generated"}  # RFC 3834
    values = {}
    if message.topic and (link := unsubscribe_link(unsubscribe_token(row.recipient, message.topic))):
        headers |= {
            "List-Unsubscribe": f"<{link}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        }  # RFC 8058
        values = {"unsubscribe_url": link}
    with translation.override(row.language):
        mail = Mail(
            message.render_subject(), message.render_text(**values), to=[row.recipient], headers=headers
        )
        if html := message.render_html(**values):
            mail.attach_alternative(html, "text/html")
    return mail


def read_message(row: OutboxMessage) -> Message:
    """
    Return the message that a row of the outbox was written from.

    Raises:
        LookupError: There is no such kind of message any more.
        TypeError: Its class has a field that the row has no value for, as a secret that was removed.
        ImproperlyConfigured: Its secrets were encrypted with a key that is gone.
    """
    return from_json(row.kind, {**row.context, **_secrets_of(row)})


def _secrets_of(row: OutboxMessage) -> Mapping[str, Any]:
    secrets: Mapping[str, Any] = (
        json.loads(decrypt(row.secrets, purpose=SECRETS_PURPOSE)) if row.secrets else {}
    )
    return secrets


def _texts_in(value: Any) -> list[str]:
    """Return the texts in what JSON can hold."""
    if isinstance(value, str):
        return [value] if value else []
    within = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return [text for each in within for text in _texts_in(each)]


def _in_words(error: Exception, *, hidden: Iterable[str] = ()) -> str:
    """Return what an error says, without the texts that are to be hidden, of which a server may repeat some."""
    words = f"{type(error).__name__}: {error}"
    for text in sorted(hidden, key=len, reverse=True):  # a link has its token in it
        words = words.replace(text, "…")
    return words


def _succeed(row: OutboxMessage, provider_id: str) -> None:
    # the provider may have said by now that it arrived, and somebody may have cancelled it too late
    state = Case(When(state__in=[State.SENDING, State.CANCELLED], then=Value(State.SENT)), default=F("state"))
    own = OutboxMessage.objects.filter(pk=row.pk, lease=row.lease)
    if own.update(
        state=state,
        sent_at=Now(),
        provider_id=provider_id,
        lease=None,
        last_error="",
        secrets="",
        updated_at=Now(),
    ):
        row.state = State.SENT
        signals.message_sent.send_robust(OutboxMessage, message=row)
    else:
        logger.warning("Message %s took longer than its lease, and may be sent twice.", row.message_id)


def _fail(row: OutboxMessage, reason: str, *, for_good: bool) -> None:
    for_good = for_good or row.attempts >= EmailSettings.MAX_ATTEMPTS
    row.last_error = reason[:_LONGEST_ERROR]
    logger.log(
        logging.ERROR if for_good else logging.WARNING,
        "Message %s (%s) could not be delivered at attempt %d: %s",
        *(row.message_id, row.kind, row.attempts, row.last_error),
    )
    if for_good:
        _give_up(row, row.last_error)
    else:
        _postpone(row, _pause(row.attempts), last_error=row.last_error)


def _give_up(row: OutboxMessage, reason: str) -> None:
    row.last_error = reason
    if _finish(row, State.DEAD, last_error=reason):
        signals.message_given_up.send_robust(OutboxMessage, message=row)


def _finish(row: OutboxMessage, state: State, **values: Any) -> bool:
    row.state = state
    own = OutboxMessage.objects.filter(pk=row.pk, lease=row.lease, state=State.SENDING)
    return bool(own.update(state=state, lease=None, updated_at=Now(), **values))


def _release(rows: Sequence[OutboxMessage]) -> None:
    own = OutboxMessage.objects.filter(pk__in=[row.pk for row in rows], state=State.SENDING)
    own.filter(lease__in={row.lease for row in rows}).update(
        state=State.QUEUED, lease=None, due_at=Now(), updated_at=Now()
    )


def _postpone(row: OutboxMessage, pause: timedelta, **values: Any) -> None:
    own = OutboxMessage.objects.filter(pk=row.pk, lease=row.lease, state=State.SENDING)
    own.update(state=State.QUEUED, lease=None, due_at=Now() + pause, updated_at=Now(), **values)


def _pause(attempts: int) -> timedelta:
    """Return how long to wait: twice as long each time, and by chance, so that what failed together is spread."""
    pause: timedelta = min(_FIRST_PAUSE * 2 ** min(attempts - 1, _MOST_DOUBLINGS), _LONGEST_PAUSE)
    return pause * random.uniform(0.75, 1.25)  # noqa: S311 - no secret
