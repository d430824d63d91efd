"""The database as a value: what is in it, and undoing what a request did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.db import transaction

# the audit log tells of refusals too; the rest is not written through the API
_LEFT_OUT = {"saas_kit_audit", "contenttypes", "sessions", "admin"}


def rows() -> dict[str, dict[Any, dict[str, Any]]]:
    """Return every row of every table but the audit log's, by the table's label and the row's key."""
    models = apps.get_models(include_auto_created=True)
    return {
        model._meta.label: {row[model._meta.pk.attname]: row for row in model._base_manager.values()}
        for model in models
        if model._meta.app_label not in _LEFT_OUT and model._meta.label != "auth.Permission"
    }


@contextmanager
def rolled_back() -> Iterator[None]:
    """Undo what the block does to the database."""
    with transaction.atomic():
        try:
            yield
        finally:
            transaction.set_rollback(True)


def reference(row: Any) -> Any:
    """Return a row's key as a body names it: a number where it is one, else text."""
    return row.pk if isinstance(row.pk, int) else str(row.pk)
