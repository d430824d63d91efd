"""
Who has a second factor: the app that signs people in says it here, and others ask without importing that app.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

SecondFactor: TypeAlias = Callable[[Any], bool]
"""Takes a person, and tells whether they have a second factor."""

_known: list[SecondFactor] = []


def register_second_factor(function: SecondFactor) -> None:
    """Let a function tell who has a second factor, in the place of the one before it."""
    _known[:] = [function]


def registered_second_factor() -> SecondFactor | None:
    """Return what tells who has a second factor; None where no installed app knows."""
    return _known[0] if _known else None
