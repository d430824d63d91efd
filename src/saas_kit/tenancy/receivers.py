"""What tenancy does around ``migrate``, and when an organization is gone for good."""

from __future__ import annotations

from typing import Any

from django.db import connections

from saas_kit.email.services import forget_organization
from saas_kit.tenancy import policies, row_security


def see_all_rows(*, using: str, **kwargs: Any) -> None:
    """
    Let migrations see the rows of every organization, until the end of ``migrate``.

    Their models are not guarded, and a data migration that silently found nothing would be worse than an error.
    """
    connection = connections[using]
    connection.ensure_connection()
    execution = row_security.execution_of(connection)
    if execution is not None:
        execution.migrating = True


def sync_row_security(*, using: str, verbosity: int = 1, **kwargs: Any) -> None:
    """Give every tenant-owned table its policies, so that no migration can forget them."""
    connection = connections[using]
    execution = row_security.execution_of(connection)
    if execution is not None:
        execution.migrating = False
    if not row_security.is_supported(connection):
        return
    changed = policies.sync_policies(connection)
    if changed and verbosity >= 1:
        print(f"  Row-level security was set on: {', '.join(sorted(changed))}")  # noqa: T201 - as migrate does


def stop_seeing_all_rows(**kwargs: Any) -> None:
    """End what a failed ``migrate`` in this process may have left, before a request is answered."""
    for connection in connections.all(initialized_only=True):
        execution = row_security.execution_of(connection)
        if execution is not None:
            execution.migrating = False


def forget_messages(*, instance: Any, **kwargs: Any) -> None:
    """Let no message about an organization outlive it, whichever way it is purged."""
    forget_organization(instance.pk)
