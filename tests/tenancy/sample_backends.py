"""What a host may have as an authentication back end of its own."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend


class FaultyBackend(BaseBackend):
    """Fails where an organization's metadata says so."""

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        if getattr(obj, "metadata", {}).get("faulty"):
            raise RuntimeError("The directory of the company could not be asked.")
        return False
