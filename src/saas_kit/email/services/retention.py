"""What of the outbox is of no use any more."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from datetime import timedelta
from typing import Any

from django.db.models import Q, TextField
from django.db.models.functions import Cast, Now

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


def forget_mentions(*texts: str, own_kinds: Collection[str] = ()) -> None:
    """
    Remove what messages to others say of somebody who is erased, where one of their values is the name or the address.

    The messages stay, with an empty value in its place. Those that are still to be sent are left as they are. It reads
    the values of the whole outbox, which nothing indexes.

    Args:
        own_kinds: Kinds of messages that name whom they go to; those are removed altogether.
    """
    wanted = {each.casefold() for each in texts if each.strip()}
    if not wanted:
        return
    found = Q()
    for text in wanted:
        # some databases store other letters than those of ASCII as escapes
        for as_json in {json.dumps(text), json.dumps(text, ensure_ascii=False)}:
            found |= Q(shown__icontains=as_json)
    rows = _closed().annotate(shown=Cast("context", TextField())).filter(found)
    for row in rows.select_for_update():
        context = {name: "" if _is_one_of(value, wanted) else value for name, value in row.context.items()}
        if context == row.context:
            continue
        if row.kind in own_kinds:
            row.delete()
        else:
            OutboxMessage.objects.filter(pk=row.pk).update(context=context)


def _is_one_of(value: Any, wanted: set[str]) -> bool:
    return isinstance(value, str) and value.casefold() in wanted


def _closed() -> OutboxQuerySet:
    return OutboxMessage.objects.exclude(state__in=OPEN_STATES)
