"""Putting messages into the outbox, and taking them out unsent."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from email.utils import parseaddr
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, models, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Now
from django.utils.translation import get_language

from saas_kit.core.addresses import normalize_email
from saas_kit.core.encryption import encrypt
from saas_kit.core.exceptions import Conflict
from saas_kit.core.ids import uuid7
from saas_kit.core.tasks import hand_over, is_done_at_once
from saas_kit.email.exceptions import NothingLeftToSend
from saas_kit.email.messages import Message, secret_fields, to_json
from saas_kit.email.models import OutboxMessage, State, Suppression

SECRETS_PURPOSE = "saas_kit.email.outbox"

_DELIVER = "saas_kit.email.tasks.deliver"
_DELIVER_THESE = "saas_kit.email.tasks.deliver_these"


def send(
    message: Message, *, to: str, organization: models.Model | None = None, cause: str = ""
) -> UUID | None:
    """
    Write a message to one address into the outbox, in the present transaction; after its commit it is delivered.

    After a rollback nothing is sent. It is rendered when it is delivered, in the language that is active now.

    Args:
        organization: The one that it is about; where that is deleted before the message is sent, it is not.
        cause: Names what makes it necessary; for one cause an address gets one message of a kind.

    Returns:
        The id of the ``OutboxMessage``; None where one was written for the cause before, and where there is no address,
        as of a user who has none.
    """
    recipient = normalize_email(to)
    if not recipient:
        return None
    shown, secrets = to_json(message)
    key = uuid7()
    row = OutboxMessage(
        id=key,
        kind=message.kind,
        recipient=recipient,
        organization_id=None if organization is None else organization.pk,
        cause=cause,
        context=shown,
        secrets=encrypt(json.dumps(secrets), purpose=SECRETS_PURPOSE) if secrets else "",
        language=get_language() or settings.LANGUAGE_CODE,
        message_id=f"<{key.hex}@{_domain()}>",
    )
    if not cause:
        row.save(force_insert=True)
    elif not _saved_once(row):
        return None
    _wake(key)
    return key


@transaction.atomic
def cancel_messages(*organizations: models.Model) -> int:
    """Let no message about an organization, or about several, be sent any more; return how many were waiting."""
    keys = [each.pk for each in organizations]
    waiting = OutboxMessage.objects.open().filter(organization_id__in=keys)
    return waiting.update(state=State.CANCELLED, secrets="", updated_at=Now())


@transaction.atomic
def cancel_message(key: UUID) -> bool:
    """Let a message not be sent any more, if it still was to be; return whether it was."""
    waiting = OutboxMessage.objects.open().filter(pk=key)
    return bool(waiting.update(state=State.CANCELLED, secrets="", updated_at=Now()))


@transaction.atomic
def requeue(message: OutboxMessage) -> None:
    """
    Send a message again that was sent, or given up; it has the same ``Message-ID``.

    Raises:
        Conflict: It is still to be sent.
        NothingLeftToSend: It had a secret, which was removed once it was sent.
    """
    message = OutboxMessage.objects.select_for_update().get(pk=message.pk)
    if message.is_open:
        raise Conflict
    if secret_fields(message.kind) and not message.secrets:
        raise NothingLeftToSend
    OutboxMessage.objects.filter(pk=message.pk).update(
        state=State.QUEUED, attempts=0, due_at=Now(), lease=None, last_error=""
    )
    _wake(message.pk)


def forget_recipient(address: str) -> None:
    """Remove every message to an address, sent or not, and that it is suppressed, for somebody who is erased."""
    recipient = normalize_email(address)
    if recipient:  # who has no address has got nothing
        OutboxMessage.objects.filter(recipient=recipient).delete()
        Suppression.objects.filter(email=recipient).delete()


def forget_messages(address: str, *, app_label: str) -> None:
    """Remove the messages of one app to an address, where it is not known whose that is."""
    own = OutboxMessage.objects.filter(kind__startswith=f"{app_label}.")
    own.filter(recipient=normalize_email(address)).delete()


def forget_organization(organization_id: UUID) -> None:
    """Remove every message about an organization, sent or not, as it is purged."""
    OutboxMessage.objects.filter(organization_id=organization_id).delete()


def _saved_once(row: OutboxMessage) -> bool:
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        same = OutboxMessage.objects.filter(kind=row.kind, recipient=row.recipient, cause=row.cause)
        if same.exists():
            return False
        raise
    return True


def _domain() -> str:
    return parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"


@dataclass
class _Wake:
    """What one commit hands over: the messages that were written in its transaction, or some that it rolled back."""

    keys: list[UUID] = field(default_factory=list)
    is_over: bool = False


@dataclass(frozen=True)
class _Call:
    """
    What is due for one message at its commit.

    Each has its own, as the savepoint that it was written in may be rolled back; the first that is called hands all of
    them over.
    """

    wake: _Wake
    key: UUID

    def __call__(self) -> None:
        if self.wake.is_over:
            return
        if not is_done_at_once():
            self.wake.is_over = True
            hand_over(_DELIVER, len(self.wake.keys))
        elif _connection().in_atomic_block:  # Django's TestCase calls some of the hooks, and commits nothing
            hand_over(_DELIVER_THESE, str(self.key))
        else:
            self.wake.is_over = True
            hand_over(_DELIVER_THESE, *map(str, self.wake.keys))


def _wake(key: UUID) -> None:
    connection = _connection()
    # none is left of a transaction that was rolled back, or is over
    left = (hook.wake for _, hook, *_ in reversed(connection.run_on_commit) if isinstance(hook, _Call))
    wake = next((each for each in left if not each.is_over), None) or _Wake()
    wake.keys.append(key)
    transaction.on_commit(_Call(wake, key), using=connection.alias)


def _connection() -> BaseDatabaseWrapper:
    connection: BaseDatabaseWrapper = transaction.get_connection(router.db_for_write(OutboxMessage))
    return connection
