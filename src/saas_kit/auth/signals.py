"""
What happened at sign-in; each is sent after the commit, robustly.

All of them have ``actor`` (a user, or None for the system) beside the arguments that are listed. Django's own
``user_logged_in`` and ``user_login_failed`` are sent as well, at the moment itself.
"""

from __future__ import annotations

from django.dispatch import Signal

user_registered = Signal()
"""Sender the user model; ``user``, who has an account now: made by themselves (no actor) or by somebody else."""
user_changed = Signal()
"""Sender the user model; ``user``, ``changes`` (``{field: [before, after]}``)."""
user_deactivated = Signal()
"""Sender the user model; ``user``, who can no longer sign in."""

signed_in = Signal()
"""Sender ``Session``; ``session``, which was opened for ``session.user``."""
signed_out = Signal()
"""Sender ``Session``; ``session``, which its own person ended."""
session_revoked = Signal()
"""Sender ``Session``; ``session``, which somebody else, or the system, ended."""
