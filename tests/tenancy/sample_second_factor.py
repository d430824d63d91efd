"""What a host with a sign-in of its own says about second factors."""

from __future__ import annotations

from typing import Any


def has_key(user: Any) -> bool:
    """Tell whether somebody's address says that they have one."""
    return str(user.email).startswith("key-")


NOT_A_FUNCTION = "has_key"
