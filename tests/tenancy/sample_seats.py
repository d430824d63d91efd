"""What a host may name as the limit of seats."""

from __future__ import annotations

from typing import Any

NOT_A_FUNCTION = 3


def three(organization: Any) -> int:
    """Give every organization three seats."""
    return 3


def any_number(organization: Any) -> None:
    """Limit nobody."""


def as_agreed(organization: Any) -> int:
    """Give an organization as many as its metadata says."""
    return int(organization.metadata["seats"])
