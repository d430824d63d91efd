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
password_changed = Signal()
"""Sender the user model; ``user``, whose password was changed or reset."""
email_verified = Signal()
"""Sender the user model; ``user``, who proved that their present address is theirs."""

signed_in = Signal()
"""Sender ``Session``; ``session``, which was opened for ``session.user``."""
signed_out = Signal()
"""Sender ``Session``; ``session``, which its own person ended."""
session_revoked = Signal()
"""Sender ``Session``; ``session``, which somebody else, or the system, ended."""

erasure_requested = Signal()
"""Sender ``Erasure``; ``user``, ``due_at``, when what is known of them will be erased."""
erasure_cancelled = Signal()
"""Sender ``Erasure``; ``user``, whose erasure was due and is not any more."""
user_erased = Signal()
"""Sender the user model; ``user``, of whom only the row is left; ``email``, the address that they had."""

mfa_enabled = Signal()
"""Sender the user model; ``user``, ``method`` (``totp`` or ``webauthn``), a second factor that they have now."""
mfa_disabled = Signal()
"""Sender the user model; ``user``, ``method``, a second factor that they have no longer."""
recovery_codes_renewed = Signal()
"""Sender the user model; ``user``, whose recovery codes are others now."""
recovery_code_used = Signal()
"""Sender the user model; ``user``, ``remaining``, how many are left; none of them is told."""
passkey_added = Signal()
"""Sender allauth's ``Authenticator``; ``user``, ``passkey``, with which they can sign in from now on."""
passkey_removed = Signal()
"""Sender allauth's ``Authenticator``; ``user``, ``passkey``, of which no row is left."""

social_account_linked = Signal()
"""Sender allauth's ``SocialAccount``; ``user``, who can sign in at ``provider`` from now on, where they are ``uid``."""
social_account_unlinked = Signal()
"""Sender allauth's ``SocialAccount``; ``user``, ``provider``, ``uid``, a way to sign in that they have no longer."""
