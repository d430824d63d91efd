"""Every write of sign-in: people get accounts, sessions are opened, refreshed and ended."""

from __future__ import annotations

from saas_kit.auth.services.one_time_tokens import end_tokens, find_token, issue_token, use_token
from saas_kit.auth.services.people import (
    PASSWORD_MAX_LENGTH,
    PASSWORD_MIN_LENGTH,
    change_email,
    change_user,
    create_user,
    deactivate_user,
    record_changes,
    validate_password,
)
from saas_kit.auth.services.sessions import Tokens, open_session, revoke_session, revoke_sessions, rotate

__all__ = [
    "PASSWORD_MAX_LENGTH",
    "PASSWORD_MIN_LENGTH",
    "Tokens",
    "change_email",
    "change_user",
    "create_user",
    "deactivate_user",
    "end_tokens",
    "find_token",
    "issue_token",
    "open_session",
    "record_changes",
    "revoke_session",
    "revoke_sessions",
    "rotate",
    "use_token",
    "validate_password",
]
