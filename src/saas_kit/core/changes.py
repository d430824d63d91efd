"""Writing some fields of a row and knowing which of them changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import models


def apply_changes(instance: models.Model, values: Mapping[str, Any]) -> dict[str, list[Any]]:
    """
    Set the fields that differ and save just those.

    Returns:
        ``{field: [before, after]}``; empty where nothing differed, and nothing was saved then.
    """
    changes = {
        name: [getattr(instance, name), value]
        for name, value in values.items()
        if getattr(instance, name) != value
    }
    if changes:
        for name, (_, value) in changes.items():
            setattr(instance, name, value)
        names = {field.name for field in instance._meta.concrete_fields}
        instance.save(update_fields=[*changes, *(names & {"updated_at"})])
    return changes
