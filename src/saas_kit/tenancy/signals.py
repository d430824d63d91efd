"""
What happened in tenancy; each is sent after the commit, robustly.

All of them have ``actor`` (a user, or None for the system) beside the arguments that are listed.
"""

from __future__ import annotations

from django.dispatch import Signal

account_created = Signal()
"""Sender ``Account``; ``account``."""
account_changed = Signal()
"""Sender ``Account``; ``account``, ``changes`` (``{field: [before, after]}``)."""
account_deleted = Signal()
"""Sender ``Account``; ``account``."""
account_restored = Signal()
"""Sender ``Account``; ``account``."""
account_transferred = Signal()
"""Sender ``Account``; ``account``, ``new_owner`` and ``old_owner`` (users)."""
account_member_joined = Signal()
"""Sender ``AccountMembership``; ``membership``."""
account_member_removed = Signal()
"""Sender ``AccountMembership``; ``membership`` (no longer in the database)."""
account_role_changed = Signal()
"""Sender ``AccountMembership``; ``membership``, ``old_role``."""

organization_created = Signal()
"""Sender the organization model; ``organization``."""
organization_changed = Signal()
"""Sender the organization model; ``organization``, ``changes``."""
organization_deleted = Signal()
"""Sender the organization model; ``organization``."""
organization_restored = Signal()
"""Sender the organization model; ``organization``."""
member_joined = Signal()
"""Sender ``Membership``; ``membership``."""
member_removed = Signal()
"""Sender ``Membership``; ``membership`` (no longer in the database)."""
role_changed = Signal()
"""Sender ``Membership``; ``membership``, ``old_role``."""

invitation_created = Signal()
"""Sender ``Invitation``; ``invitation``."""
invitation_resent = Signal()
"""Sender ``Invitation``; ``invitation``. Its earlier link is of no use any more."""
invitation_revoked = Signal()
"""Sender ``Invitation``; ``invitation``."""
invitation_accepted = Signal()
"""Sender ``Invitation``; ``invitation``, ``membership``; ``member_joined`` is sent as well."""
invitation_declined = Signal()
"""Sender ``Invitation``; ``invitation``."""

domain_claimed = Signal()
"""Sender ``EmailDomain``; ``domain``. It is not proved yet."""
domain_changed = Signal()
"""Sender ``EmailDomain``; ``domain``, ``changes`` (``{field: [before, after]}``)."""
domain_verified = Signal()
"""Sender ``EmailDomain``; ``domain``."""
domain_lost = Signal()
"""Sender ``EmailDomain``; ``domain``. Its proof is gone, or another organization has the domain now."""
domain_deleted = Signal()
"""Sender ``EmailDomain``; ``domain`` (no longer in the database)."""
