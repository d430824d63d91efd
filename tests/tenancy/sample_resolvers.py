"""Resolvers of a host's own, good and bad."""

from __future__ import annotations

from typing import Any

NOT_A_RESOLVER = "acme"


def from_cookie(request: Any) -> str | None:
    """Return what a cookie says."""
    value: str | None = request.COOKIES.get("workspace")
    return value


def number(request: Any) -> int:
    """Return something that is neither an id nor a slug."""
    return 1
