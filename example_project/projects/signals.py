"""
What happened to projects and tasks; each is sent after the commit, robustly.

All of them have ``actor`` (a user, or None for the system) beside the arguments that are listed.
"""

from __future__ import annotations

from django.dispatch import Signal

project_created = Signal()
"""Sender ``Project``; ``project``."""
project_changed = Signal()
"""Sender ``Project``; ``project``, ``changes`` (``{field: [before, after]}``)."""
project_deleted = Signal()
"""Sender ``Project``; ``project``."""
project_restored = Signal()
"""Sender ``Project``; ``project``."""

task_created = Signal()
"""Sender ``Task``; ``task``."""
task_changed = Signal()
"""Sender ``Task``; ``task``, ``changes``."""
task_deleted = Signal()
"""Sender ``Task``; ``task``."""
task_restored = Signal()
"""Sender ``Task``; ``task``."""
