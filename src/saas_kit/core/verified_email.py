"""
Who proved that their address is theirs: the app that signs people in says it here, and others ask without importing
that app.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

VerifiedEmail: TypeAlias = Callable[[Any], bool]
"""Takes a person, and tells whether they proved that their present address is theirs."""

_known: list[VerifiedEmail] = []


def register_verified_email(function: VerifiedEmail) -> None:
    """Let a function tell who proved their address, in the place of the one before it."""
    _known[:] = [function]


def has_verified_email(user: Any) -> bool:
    """Tell whether a person proved that their present address is theirs; where nothing tells it, nobody has."""
    return any(tell(user) for tell in _known)
