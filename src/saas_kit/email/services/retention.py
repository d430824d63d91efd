"""What of the outbox is of no use any more."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.db.models.functions import Now

from saas_kit.email.conf import EmailSettings
from saas_kit.email.models import OPEN_STATES, OutboxMessage, OutboxQuerySet

SECRETS_RETENTION = timedelta(days=7)
"""For how long a message that was not sent after all keeps its secrets, so that somebody can have it sent again."""


def old_messages() -> OutboxQuerySet:
    """Return the messages that were written longer ago than ``RETENTION`` and are not to be sent any more."""
    return _closed().filter(created_at__lt=Now() - EmailSettings.RETENTION)


def messages_with_old_secrets() -> OutboxQuerySet:
    """Return the messages that were given up more than a week ago and still have secrets."""
    return _closed().exclude(secrets="").filter(updated_at__lt=Now() - SECRETS_RETENTION)


def wipe_old_secrets(*, batch_size: int) -> Iterator[int]:
    """Remove secrets that are of no use any more, batch by batch; yields how many messages had some in each."""
    while keys := list(messages_with_old_secrets().order_by("pk").values_list("pk", flat=True)[:batch_size]):
        # the condition once more, as somebody may have had one of them sent again
        yield messages_with_old_secrets().filter(pk__in=keys).update(secrets="", updated_at=Now())


def _closed() -> OutboxQuerySet:
    return OutboxMessage.objects.exclude(state__in=OPEN_STATES)
