"""
Second factors: authenticator apps, recovery codes, and finishing a sign-in with one.

They are allauth's rows, which its own pages understand too. Nothing here can be called where ``allauth.mfa`` is not
installed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from saas_kit.audit.services import record
from saas_kit.auth import limits, messages, signals
from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.exceptions import (
    EmailUnverified,
    EnrollmentNotStarted,
    InvalidCode,
    MFAAlreadyEnabled,
    MFANotEnabled,
)
from saas_kit.auth.identity import SECOND_FACTORS, email_field, has_verified_email, mfa_methods
from saas_kit.auth.models import OneTimeToken, Purpose, has_fingerprint
from saas_kit.auth.services.one_time_tokens import find_token, issue_token, use_token
from saas_kit.auth.services.people import hold_user
from saas_kit.core import caller
from saas_kit.core.events import send_on_commit
from saas_kit.core.exceptions import InvalidInput
from saas_kit.email.services import send

if apps.is_installed("allauth.mfa"):
    from allauth.mfa.adapter import get_adapter
    from allauth.mfa.base.internal.flows import delete_dangling_recovery_codes
    from allauth.mfa.models import Authenticator
    from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
    from allauth.mfa.totp.internal.auth import generate_totp_secret
    from allauth.mfa.utils import decrypt, encrypt

    from saas_kit.auth.mfa import matching_counter, without_separators

MAX_ATTEMPTS = 5
"""Wrong codes after which a sign-in has to begin anew."""


@dataclass(frozen=True, slots=True)
class Challenge:
    """What is left to do of a sign-in: ``token`` stands for the first factor, ``methods`` are the kinds of second."""

    token: str = field(repr=False)
    methods: list[str]


@dataclass(frozen=True, slots=True)
class Enrollment:
    """What an authenticator app has to know, as text, as a link and as a picture of it."""

    secret: str = field(repr=False)
    otpauth_uri: str = field(repr=False)
    qr_svg: str = field(repr=False)


@transaction.atomic
def begin_second_factor(user: AbstractBaseUser) -> Challenge:
    """Return what somebody who proved a first factor finishes the sign-in with; an older one is over."""
    token = issue_token(
        Purpose.SECOND_FACTOR, user, lifetime=AuthSettings.MFA_TOKEN_LIFETIME, dies_with_password=True
    )
    return Challenge(token, mfa_methods(user))


@sensitive_variables("secret", "code")
def verify_second_factor(secret: str, code: str) -> AbstractBaseUser:
    """
    Return the person whose sign-in a code finishes; both the token and the code are used up.

    A failed attempt is committed although an error is raised, so this cannot be called inside a transaction.

    Args:
        secret: The token of ``begin_second_factor()``.
        code: Of the authenticator app, or a recovery code.

    Raises:
        UnknownToken: There is no such token.
        TokenGone: It was used or replaced, has expired, or there were too many wrong codes with it.
        InvalidCode: The code is not right, or was used before.
        RateLimited: There were too many attempts.
    """
    return finish_sign_in(secret, lambda _, user: _use_code(user, code), InvalidCode())


@sensitive_variables("secret")
def finish_sign_in(
    secret: str, proves: Callable[[OneTimeToken, Any], bool], refusal: InvalidInput
) -> AbstractBaseUser:
    """
    Return the person whose sign-in a proof finishes, of whatever kind it is; it was not right where that is raised.

    Args:
        secret: The token of ``begin_second_factor()``.
        proves: Gets the token and its person, tells whether the proof is right, and uses it up.
        refusal: What is raised where it is not.
    """
    # a wrong proof stays counted although an error is raised, so this ends before the session is opened
    with transaction.atomic(durable=True):
        token = find_token(Purpose.SECOND_FACTOR, secret)
        user: Any = token.user
        limits.count("mfa", str(user.pk))
        is_right = proves(token, user)
        if is_right:
            use_token(token)
        else:
            _count_failure(token, user)
    if not is_right:
        raise refusal
    limits.take_back("mfa", str(user.pk))
    return user  # type: ignore[no-any-return]


@sensitive_variables("code")
def check_code(user: AbstractBaseUser, code: str) -> None:
    """
    Make sure that somebody who proved a first factor elsewhere has the second one too; the code is used up.

    A failed attempt is recorded although an error is raised, unless the caller's own transaction is rolled back by it.

    Args:
        code: Of the authenticator app, or a recovery code.

    Raises:
        InvalidCode: The code is not right, or was used before.
        RateLimited: There were too many attempts.
        Unavailable: Attempts cannot be counted right now.
    """
    limits.count("mfa", str(user.pk))
    with transaction.atomic():
        is_right = _use_code(user, code)
        if not is_right:
            record("mfa.failed", target=user, actor=None)
    if not is_right:
        raise InvalidCode
    limits.take_back("mfa", str(user.pk))


@transaction.atomic
def begin_totp(user: AbstractBaseUser) -> Enrollment:
    """
    Return what an authenticator app has to know; it counts once ``confirm_totp()`` is called, and an older one is over.

    Raises:
        EmailUnverified: The person has not proved their address, and nobody else shall be locked out of it.
        MFAAlreadyEnabled: They have an authenticator app.
    """
    if AuthSettings.EMAIL_VERIFICATION != "off" and not has_verified_email(user):
        raise EmailUnverified
    if find_totp(hold_user(user)) is not None:
        raise MFAAlreadyEnabled
    secret = generate_totp_secret()
    issue_token(
        Purpose.ENROLL_TOTP,
        user,
        lifetime=AuthSettings.MFA_ENROLLMENT_LIFETIME,
        dies_with_password=True,
        data={"secret": encrypt(secret)},
    )
    adapter = get_adapter()
    uri = adapter.build_totp_url(user, secret)
    return Enrollment(secret, uri, adapter.build_totp_svg(uri))


@sensitive_variables("code", "args", "kwds")
@transaction.atomic
def confirm_totp(user: AbstractBaseUser, code: str) -> list[str]:
    """
    Ask somebody for the codes of their authenticator app from now on, and return new recovery codes.

    Their sessions go on, the other ones too.

    Raises:
        EnrollmentNotStarted: ``begin_totp()`` was not called, or too long ago.
        InvalidCode: The code is not right.
        MFAAlreadyEnabled: They have an authenticator app.
        RateLimited: There were too many attempts.
    """
    stored = hold_user(user)
    if find_totp(stored) is not None:
        raise MFAAlreadyEnabled
    token = _find_enrollment(stored)
    limits.count("mfa", str(user.pk))
    counter = matching_counter(decrypt(token.data["secret"]), code, after=-1)
    if counter is None:
        raise InvalidCode
    limits.take_back("mfa", str(user.pk))
    use_token(token)
    data = {"secret": token.data["secret"], "last_counter": counter}
    Authenticator.objects.create(user=stored, type=Authenticator.Type.TOTP, data=data)
    codes = give_recovery_codes(user)
    record("mfa.enabled", target=user, actor=user, changes={"method": "totp"})
    send_on_commit(signals.mfa_enabled, sender=type(user), user=user, method="totp", actor=user)
    send(messages.MFAEnabled(), to=getattr(user, email_field()))
    return codes


@transaction.atomic
def disable_totp(user: AbstractBaseUser, *, actor: AbstractBaseUser | None) -> None:
    """
    Ask somebody for the codes of their authenticator app no longer, and tell them.

    Their sessions go on. Recovery codes go with the last second factor.

    Raises:
        MFANotEnabled: They have no authenticator app.
    """
    totp = find_totp(hold_user(user))
    if totp is None:
        raise MFANotEnabled
    totp.delete()
    delete_dangling_recovery_codes(user)
    caller.forget_parts(user)
    record("mfa.disabled", target=user, actor=actor, changes={"method": "totp"})
    send_on_commit(signals.mfa_disabled, sender=type(user), user=user, method="totp", actor=actor)
    send(messages.MFADisabled(), to=getattr(user, email_field()))


@transaction.atomic
def renew_recovery_codes(user: AbstractBaseUser) -> list[str]:
    """
    Return new recovery codes, which take the place of the old ones.

    Raises:
        MFANotEnabled: They have no second factor that codes could stand in for.
    """
    if not _of(hold_user(user), *SECOND_FACTORS).exists():
        raise MFANotEnabled
    codes = give_recovery_codes(user)
    record("mfa.recovery_codes_renewed", target=user, actor=user)
    send_on_commit(signals.recovery_codes_renewed, sender=type(user), user=user, actor=user)
    send(messages.RecoveryCodesRenewed(), to=getattr(user, email_field()))
    return codes


def count_recovery_codes(user: AbstractBaseUser) -> int:
    """Return how many recovery codes somebody has left."""
    found = _of(user, "recovery_codes").first()
    return 0 if found is None else len(RecoveryCodes(found).get_unused_codes())


def find_totp(user: AbstractBaseUser) -> Any:
    """Return the row of somebody's authenticator app; None where they have none."""
    return _of(user, "totp").first()


def give_recovery_codes(user: AbstractBaseUser) -> list[str]:
    """Give somebody whose row is held new recovery codes instead of those that they may have."""
    _of(user, "recovery_codes").delete()
    codes: list[str] = RecoveryCodes.activate(user).generate_codes()
    caller.forget_parts(user)
    return codes


@transaction.atomic
def reencrypt_mfa_secrets() -> int:
    """
    Encrypt all second factors with the present ``SECRET_KEY``, so that those in its fallbacks can be dropped.

    Returns:
        How many rows there were.
    """
    rows = list(Authenticator.objects.select_for_update().exclude(type=Authenticator.Type.WEBAUTHN))
    for row in rows:
        for name, value in row.data.items():
            if name in ("secret", "seed"):
                row.data[name] = encrypt(decrypt(value))
            elif name == "migrated_codes":
                row.data[name] = [encrypt(decrypt(each)) for each in value]
        row.save(update_fields=["data"])
    return len(rows)


def _of(user: AbstractBaseUser, *types: str) -> Any:
    return Authenticator.objects.filter(user_id=user.pk, type__in=types)


def _find_enrollment(user: AbstractBaseUser) -> OneTimeToken:
    tokens = OneTimeToken.objects.filter(user_id=user.pk, purpose=Purpose.ENROLL_TOTP, ended_at=None)
    token = tokens.filter(expires_at__gt=timezone.now()).order_by("-id").first()
    if token is None or not has_fingerprint(user, token.password_fingerprint):
        raise EnrollmentNotStarted
    return token


@sensitive_variables("code")
def _use_code(user: AbstractBaseUser, code: str) -> bool:
    """Take a code if it is right, so that it is not accepted again."""
    rows = _of(user, "totp", "recovery_codes").select_for_update(no_key=True)
    by_type = {row.type: row for row in rows.order_by("pk")}
    totp = by_type.get("totp")
    if totp is not None and _use_totp(totp, code):
        return True
    codes = by_type.get("recovery_codes")
    return codes is not None and _use_recovery_code(user, codes, code)


@sensitive_variables("code")
def _use_totp(row: Any, code: str) -> bool:
    # The last step that was used is kept with the secret. allauth keeps used codes in the cache, which may be one of
    # each process, or lose them.
    counter = matching_counter(decrypt(row.data["secret"]), code, after=row.data.get("last_counter", -1))
    if counter is None:
        return False
    row.data["last_counter"] = counter
    row.last_used_at = timezone.now()
    row.save(update_fields=["data", "last_used_at"])
    return True


@sensitive_variables("code")
def _use_recovery_code(user: AbstractBaseUser, row: Any, code: str) -> bool:
    codes = RecoveryCodes(row)
    is_as_it_was_given = "migrated_codes" in row.data  # by what a host had before, in whatever form
    if not codes.validate_code(code if is_as_it_was_given else without_separators(code)):
        return False
    codes.instance.record_usage()
    remaining = len(codes.get_unused_codes())
    record("mfa.recovery_code_used", target=user, actor=user, changes={"remaining": remaining})
    send_on_commit(signals.recovery_code_used, sender=type(user), user=user, remaining=remaining, actor=user)
    return True


def _count_failure(token: OneTimeToken, user: AbstractBaseUser) -> None:
    """Remember a wrong code, which only somebody who knows the password could try."""
    token.attempts += 1
    token.save(update_fields=["attempts"])
    if token.attempts >= MAX_ATTEMPTS:
        use_token(token)
    record("mfa.failed", target=user, actor=None)
