"""What is done about people on a schedule."""

from __future__ import annotations

from saas_kit.auth.services.reminders import remind_unverified
from saas_kit.core.locks import one_at_a_time
from saas_kit.core.tasks import background_task, run_command


@background_task
@one_at_a_time
def remind_people() -> None:
    """Remind people who did not prove their address."""
    remind_unverified()


@background_task
@one_at_a_time
def purge() -> None:
    """Erase people whose erasure is due, and remove sessions and links that are over."""
    run_command("saas_kit_purge_people")
