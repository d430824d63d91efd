"""Adding, removing and signing in with passkeys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import QuerySet
from django.dispatch import Signal
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from saas_kit.audit.services import record
from saas_kit.auth import messages, signals
from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.exceptions import (
    EmailUnverified,
    InvalidCredentials,
    MFANotEnabled,
    TooManyPasskeys,
    UnknownToken,
)
from saas_kit.auth.identity import email_field, has_verified_email
from saas_kit.auth.models import OneTimeToken, Purpose
from saas_kit.auth.services.addresses import is_proof_due
from saas_kit.auth.services.mfa import finish_sign_in, give_recovery_codes
from saas_kit.auth.services.one_time_tokens import find_token, issue_token, use_token
from saas_kit.auth.services.people import hold_user
from saas_kit.core import caller
from saas_kit.core.events import send_on_commit
from saas_kit.core.exceptions import InvalidInput
from saas_kit.email.services import send

if apps.is_installed("allauth.mfa"):
    from allauth.mfa.base.internal.flows import delete_dangling_recovery_codes
    from allauth.mfa.models import Authenticator

    from saas_kit.auth import webauthn

MAX_PASSKEYS = 20  # each is read at every use of any
NAME_MAX_LENGTH = 64


def passkeys_of(user: AbstractBaseUser) -> QuerySet[Any]:
    """Return somebody's passkeys: rows of ``allauth.mfa``."""
    passkeys: QuerySet[Any] = Authenticator.objects.filter(user_id=user.pk, type="webauthn")
    return passkeys


def find_passkey(user: AbstractBaseUser, passkey_id: str) -> Any:
    """Return the passkey of somebody that browsers know by an id; None where they have none such."""
    # compared here, as a database takes not every text that may be in a path
    found = (each for each in passkeys_of(user) if webauthn.credential_id(each) == passkey_id)
    return next(found, None)


@transaction.atomic
def begin_passkey(user: AbstractBaseUser) -> tuple[str, dict[str, Any]]:
    """
    Begin to add a passkey.

    Returns:
        The token that ``add_passkey()`` takes, and the options that a browser makes the passkey by.

    Raises:
        EmailUnverified: The person has to prove their address first.
        TooManyPasskeys: The person has as many as one can have.
    """
    if AuthSettings.EMAIL_VERIFICATION != "off" and not has_verified_email(user):
        raise EmailUnverified
    ceremony = webauthn.begin_registration(user)
    if len(ceremony.options.get("excludeCredentials", ())) >= MAX_PASSKEYS:
        raise TooManyPasskeys
    token = issue_token(
        Purpose.ADD_PASSKEY,
        user,
        lifetime=AuthSettings.MFA_TOKEN_LIFETIME,
        dies_with_password=True,
        data=ceremony.state,
    )
    return token, ceremony.options


@sensitive_variables("secret", "args", "kwds")
@transaction.atomic
def add_passkey(
    user: AbstractBaseUser,
    secret: str,
    *,
    name: str,
    credential: Mapping[str, Any],
    actor: AbstractBaseUser | None,
) -> tuple[Any, list[str]]:
    """
    Give somebody the passkey that their browser made, and tell them.

    A passkey is a second factor: from now on the password alone does not sign them in.

    Args:
        credential: What the browser answered, a ``RegistrationResponseJSON``.

    Returns:
        The passkey, and recovery codes where the person had none.

    Raises:
        InvalidInput: The answer is malformed, was not made for this, or the person has this passkey already.
        UnknownToken: The token was not made for the person.
        TokenGone: It was used or replaced, has expired, or the password was changed since.
    """
    answer = webauthn.read_registration(credential)
    hold_user(user)
    token = find_token(Purpose.ADD_PASSKEY, secret)
    if token.user_id != user.pk:
        raise UnknownToken
    try:
        webauthn.complete_registration(token.data, answer)
    except webauthn.Refused as error:
        raise InvalidInput(field="credential") from error
    if find_passkey(user, answer["id"]) is not None:
        raise InvalidInput(field="credential")
    is_first = not passkeys_of(user).exists()
    use_token(token)
    passkey = webauthn.save(user, name, answer)
    caller.forget_parts(user)
    record("passkey.added", target=user, actor=actor, changes={"passkey": [None, name]})
    send_on_commit(signals.passkey_added, sender=type(passkey), user=user, passkey=passkey, actor=actor)
    if is_first:
        _tell_mfa(signals.mfa_enabled, user, actor)
    send(messages.PasskeyAdded(name=name), to=getattr(user, email_field()))
    return passkey, _first_recovery_codes(user)


@transaction.atomic
def remove_passkey(passkey: Any, *, actor: AbstractBaseUser | None) -> None:
    """Take a passkey from its person, and tell them; recovery codes go with the last second factor."""
    user = hold_user(passkey.user)
    name = passkey.data["name"]
    if not passkeys_of(user).filter(pk=passkey.pk).delete()[0]:
        return
    delete_dangling_recovery_codes(user)
    caller.forget_parts(user)
    record("passkey.removed", target=user, actor=actor, changes={"passkey": [name, None]})
    send_on_commit(signals.passkey_removed, sender=type(passkey), user=user, passkey=passkey, actor=actor)
    if not passkeys_of(user).exists():
        _tell_mfa(signals.mfa_disabled, user, actor)
    send(messages.PasskeyRemoved(name=name), to=getattr(user, email_field()))


def begin_passkey_sign_in() -> tuple[str, dict[str, Any]]:
    """
    Begin to sign somebody in who has not said who they are.

    Returns:
        The token that ``check_passkey()`` takes, and the options that a browser uses a passkey by.
    """
    ceremony = webauthn.begin_authentication(None)
    lifetime = AuthSettings.MFA_TOKEN_LIFETIME
    return issue_token(Purpose.USE_PASSKEY, None, lifetime=lifetime, data=ceremony.state), ceremony.options


def check_passkey(secret: str, credential: Mapping[str, Any]) -> AbstractBaseUser:
    """
    Return the person who used a passkey; that it was they who did was verified, so it is both factors.

    The token is used by this, whatever comes of it, and what a copied passkey gave away is recorded. Both is committed
    although an error is raised, so this cannot be called inside a transaction.

    Args:
        credential: What the browser answered, an ``AuthenticationResponseJSON``.

    Raises:
        InvalidInput: The answer is malformed; the token stays good.
        InvalidCredentials: Nobody can sign in with it.
        UnknownToken: There is no such token.
        TokenGone: It was used, or has expired.
    """
    answer = webauthn.read_authentication(credential)
    with transaction.atomic(durable=True):
        token = find_token(Purpose.USE_PASSKEY, secret)
        use_token(token)
        user = _user_of(token.data, answer)
    if user is None:
        raise InvalidCredentials
    return user


@sensitive_variables("secret", "args", "kwds")
@transaction.atomic
def begin_passkey_as_second_factor(secret: str) -> dict[str, Any]:
    """
    Return the options that a browser uses one of somebody's passkeys by, to finish their sign-in.

    Args:
        secret: The token of ``begin_second_factor()``.

    Raises:
        UnknownToken: There is no such token.
        TokenGone: It was used or replaced, has expired, or there were too many attempts with it.
        MFANotEnabled: The person has no passkey.
    """
    token = find_token(Purpose.SECOND_FACTOR, secret)
    user: Any = token.user
    ceremony = webauthn.begin_authentication(user)
    if not ceremony.options.get("allowCredentials"):
        raise MFANotEnabled
    token.data = ceremony.state
    token.save(update_fields=["data"])
    return ceremony.options


def verify_passkey(secret: str, credential: Mapping[str, Any]) -> AbstractBaseUser:
    """
    Return the person whose sign-in a passkey finishes; the token is used up, and the challenge in any case.

    A failed attempt is committed although an error is raised, so this cannot be called inside a transaction.

    Args:
        secret: The token of ``begin_second_factor()``, with which ``begin_passkey_as_second_factor()`` was called.
        credential: What the browser answered, an ``AuthenticationResponseJSON``.

    Raises:
        InvalidInput: The answer is malformed, or proves nothing.
        UnknownToken: There is no such token.
        TokenGone: It was used or replaced, has expired, or there were too many attempts with it.
        RateLimited: There were too many attempts.
    """
    answer = webauthn.read_authentication(credential)
    return finish_sign_in(
        secret, lambda token, user: _answers_challenge(token, user, answer), InvalidInput(field="credential")
    )


def uses_passkey(user: AbstractBaseUser, state: dict[str, Any], answer: dict[str, Any]) -> bool:
    """
    Tell whether an answer was signed by one of somebody's passkeys for a ceremony, and count that use.

    A passkey that counts its signatures and says that there were no more than before has a copy; it is refused, which
    is recorded (WebAuthn level 3, section 6.1.1). Run it in a transaction that is committed in any case.
    """
    try:
        passkey, count = webauthn.complete_authentication(user, state, answer)
    except webauthn.Refused:
        return False
    passkey = passkeys_of(user).select_for_update(no_key=True).filter(pk=passkey.pk).first()
    if passkey is None:  # it was removed meanwhile
        return False
    known = passkey.data.get("sign_count", webauthn.first_count(passkey))
    if (count or known) and count <= known:
        record("passkey.copied", target=user, actor=None, changes={"passkey": passkey.data["name"]})
        return False
    passkey.data["sign_count"] = count
    passkey.last_used_at = timezone.now()
    passkey.save(update_fields=["data", "last_used_at"])
    return True


def _answers_challenge(token: OneTimeToken, user: AbstractBaseUser, answer: dict[str, Any]) -> bool:
    state, token.data = token.data, {}
    token.save(update_fields=["data"])
    return bool(state) and uses_passkey(user, state, answer)


def _user_of(state: dict[str, Any], answer: dict[str, Any]) -> AbstractBaseUser | None:
    try:
        user: Any = webauthn.find_owner(answer)
    except webauthn.Refused:
        return None
    if not user.is_active or is_proof_due(user) or not uses_passkey(user, state, answer):
        return None
    return user  # type: ignore[no-any-return]


def _first_recovery_codes(user: AbstractBaseUser) -> list[str]:
    """Return new recovery codes where somebody has none yet, for when they lose what they sign in with."""
    has_codes = Authenticator.objects.filter(user_id=user.pk, type="recovery_codes").exists()
    return [] if has_codes else give_recovery_codes(user)


def _tell_mfa(signal: Signal, user: AbstractBaseUser, actor: AbstractBaseUser | None) -> None:
    send_on_commit(signal, sender=type(user), user=user, method="webauthn", actor=actor)
