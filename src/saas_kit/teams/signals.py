"""
What happened to teams; each is sent after the commit, robustly.

All of them have ``actor`` (a user, or None for the system) beside the arguments that are listed.
"""

from __future__ import annotations

from django.dispatch import Signal

team_created = Signal()
"""Sender ``Team``; ``team``."""
team_changed = Signal()
"""Sender ``Team``; ``team``, ``changes`` (``{field: [before, after]}``)."""
team_deleted = Signal()
"""Sender ``Team``; ``team``."""
team_restored = Signal()
"""Sender ``Team``; ``team``."""
team_member_joined = Signal()
"""Sender ``TeamMembership``; ``team_membership``."""
team_member_removed = Signal()
"""Sender ``TeamMembership``; ``team_membership`` (no longer in the database)."""
team_role_changed = Signal()
"""Sender ``TeamMembership``; ``team_membership``, ``old_role``."""
