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
from saas_kit.auth.services.mfa import (
    Challenge,
    Enrollment,
    begin_second_factor,
    begin_totp,
    confirm_totp,
    count_recovery_codes,
    disable_totp,
    find_totp,
    reencrypt_mfa_secrets,
    renew_recovery_codes,
    verify_second_factor,
)
from saas_kit.auth.services.one_time_tokens import end_tokens, find_token, issue_token, use_token
from saas_kit.auth.services.passkeys import NAME_MAX_LENGTH as PASSKEY_NAME_MAX_LENGTH
from saas_kit.auth.services.passkeys import (
    add_passkey,
    begin_passkey,
    begin_passkey_as_second_factor,
    begin_passkey_sign_in,
    check_passkey,
    find_passkey,
    passkeys_of,
    remove_passkey,
    verify_passkey,
)
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
    hold_user,
    record_changes,
    validate_password,
)
from saas_kit.auth.services.registration import register_again
from saas_kit.auth.services.sessions import Tokens, open_session, revoke_session, revoke_sessions, rotate
from saas_kit.auth.services.sign_in import check_credentials
from saas_kit.auth.services.social import link_identity, sign_in_with, unlink_identity

__all__ = [
    "PASSKEY_NAME_MAX_LENGTH",
    "PASSWORD_MAX_LENGTH",
    "PASSWORD_MIN_LENGTH",
    "Challenge",
    "Enrollment",
    "Tokens",
    "add_passkey",
    "ask_for_verification",
    "ask_to_set_password",
    "begin_passkey",
    "begin_passkey_as_second_factor",
    "begin_passkey_sign_in",
    "begin_second_factor",
    "begin_totp",
    "cancel_erasure",
    "change_email",
    "change_password",
    "change_user",
    "check_credentials",
    "check_passkey",
    "claim_unverified",
    "confirm_email_change",
    "confirm_totp",
    "count_recovery_codes",
    "create_user",
    "deactivate_user",
    "disable_totp",
    "end_tokens",
    "erase_user",
    "export_user",
    "find_passkey",
    "find_token",
    "find_totp",
    "hold_user",
    "is_proof_due",
    "issue_token",
    "link_identity",
    "mark_verified",
    "may_mail",
    "open_session",
    "passkeys_of",
    "record_changes",
    "reencrypt_mfa_secrets",
    "register_again",
    "register_erasure_step",
    "register_export_section",
    "remove_passkey",
    "renew_recovery_codes",
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
    "sign_in_with",
    "unlink_identity",
    "use_token",
    "validate_password",
    "verify_email",
    "verify_passkey",
    "verify_second_factor",
]
