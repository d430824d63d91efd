"""What is done about organizations, invitations and domains on a schedule."""

from __future__ import annotations

from saas_kit.core.locks import one_at_a_time
from saas_kit.core.tasks import background_task, run_command
from saas_kit.tenancy import services


@background_task
@one_at_a_time
def remind_invited() -> None:
    """Remind people of invitations that end soon."""
    services.remind_invitations()


@background_task
@one_at_a_time
def check_domains() -> None:
    """Look up again what proves the domains that organizations have."""
    services.check_domains()


@background_task
@one_at_a_time
def purge() -> None:
    """Remove what was deleted long ago, and invitations that are long over."""
    run_command("saas_kit_purge")
