"""Every write of sign-in: people get accounts, sessions are opened, refreshed and ended."""

from __future__ import annotations

from saas_kit.auth.services.addresses import (
    ask_for_verification,
    confirm_email_change,
    is_proof_due,
    mark_verified,
    may_mail,
    request_email_change,
    resend_verification,
    verify_email,
)
from saas_kit.auth.services.claiming import claim_unverified
from saas_kit.auth.services.erasure import (
    cancel_erasure,
    erase_user,
    register_erasure_step,
    request_erasure,
    require_recent_sign_in,
)
from saas_kit.auth.services.export import export_user, register_export_section
from saas_kit.auth.services.one_time_tokens import end_tokens, find_token, issue_token, use_token
from saas_kit.auth.services.passwords import (
    ask_to_set_password,
    change_password,
    request_password_reset,
    require_password,
    reset_password,
)
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
from saas_kit.auth.services.registration import register_again
from saas_kit.auth.services.sessions import Tokens, open_session, revoke_session, revoke_sessions, rotate
from saas_kit.auth.services.sign_in import check_credentials

__all__ = [
    "PASSWORD_MAX_LENGTH",
    "PASSWORD_MIN_LENGTH",
    "Tokens",
    "ask_for_verification",
    "ask_to_set_password",
    "cancel_erasure",
    "change_email",
    "change_password",
    "change_user",
    "check_credentials",
    "claim_unverified",
    "confirm_email_change",
    "create_user",
    "deactivate_user",
    "end_tokens",
    "erase_user",
    "export_user",
    "find_token",
    "is_proof_due",
    "issue_token",
    "mark_verified",
    "may_mail",
    "open_session",
    "record_changes",
    "register_again",
    "register_erasure_step",
    "register_export_section",
    "request_email_change",
    "request_erasure",
    "request_password_reset",
    "require_password",
    "require_recent_sign_in",
    "resend_verification",
    "reset_password",
    "revoke_session",
    "revoke_sessions",
    "rotate",
    "use_token",
    "validate_password",
    "verify_email",
]
