"""Delivering in the background."""

from __future__ import annotations

from uuid import UUID

from saas_kit.core.locks import one_at_a_time
from saas_kit.core.tasks import background_task, hand_over, run_command
from saas_kit.email.models import OutboxMessage
from saas_kit.email.services import deliver_due, was_reachable

PIECE = 50
"""How many messages one task delivers: several workers share many, and one that is asked to stop soon can."""


@background_task
def deliver(count: int) -> None:
    """Deliver as many messages as are said to have become due; many of them in pieces, by several workers."""
    while count > PIECE:
        hand_over("saas_kit.email.tasks.deliver", PIECE)
        count -= PIECE
    deliver_due(count)


@background_task
def deliver_these(*keys: str) -> None:
    """Deliver some messages, where that is done by whoever caused them; not soon after no server could be reached."""
    if was_reachable():
        deliver_due(only=[UUID(key) for key in keys])


@background_task
@one_at_a_time
def sweep() -> None:
    """Deliver all that is due: what was postponed, and what a crash or a queue has lost."""
    deliver(OutboxMessage.objects.due().count())


@background_task
@one_at_a_time
def purge() -> None:
    """Remove what is old from the outbox."""
    run_command("saas_kit_purge_mail")
