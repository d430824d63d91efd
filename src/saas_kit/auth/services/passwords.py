"""Changing, resetting and asking for passwords."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from saas_kit.audit.services import record
from saas_kit.auth import limits, messages, signals
from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.exceptions import SessionEnded, TokenGone, UnknownToken, WrongPassword
from saas_kit.auth.identity import email_field, has_verified_email, users_with_email
from saas_kit.auth.links import token_link
from saas_kit.auth.models import Purpose, Session, password_fingerprint
from saas_kit.auth.services.addresses import mark_verified
from saas_kit.auth.services.claiming import claim_unverified
from saas_kit.auth.services.notices import welcome
from saas_kit.auth.services.one_time_tokens import (
    end_tokens,
    find_token,
    is_about_present_address,
    issue_token,
)
from saas_kit.auth.services.people import hold_user, validate_password
from saas_kit.auth.services.sessions import revoke_sessions
from saas_kit.core.events import send_on_commit
from saas_kit.email.services import send


@sensitive_variables("password")
def require_password(user: AbstractBaseUser, password: str) -> None:
    """
    Make sure that whoever has somebody's session also knows their password, the one that is stored now.

    Raises:
        WrongPassword: It is another.
        RateLimited: It was asked for too often.
    """
    limits.count("password", str(user.pk))
    stored: Any = type(user)._default_manager.get(pk=user.pk)
    if not stored.check_password(password):
        raise WrongPassword
    user.password = stored.password
    limits.take_back("password", str(user.pk))


@sensitive_variables("password", "args", "kwds")
@transaction.atomic
def change_password(
    user: AbstractBaseUser, password: str, *, actor: AbstractBaseUser | None, keep: Session | None = None
) -> None:
    """
    Give somebody another password, which ends their sessions.

    Args:
        user: As they were read when it was decided that the change may be made.
        keep: The session that goes on, as it is the one that the change was made in.

    Raises:
        WeakPassword: The password breaks a rule.
        SessionEnded: The person has another password since, as somebody else changed it at the same moment.
    """
    stored = hold_user(user)
    if stored.password != user.password:
        raise SessionEnded
    validate_password(password, stored, field="new_password")
    _set(stored, password)
    user.password = stored.password
    if keep is not None:
        fingerprint = password_fingerprint(stored)
        Session.objects.filter(pk=keep.pk).update(password_fingerprint=fingerprint)
        keep.password_fingerprint = fingerprint
    revoke_sessions(stored, actor=actor, except_session=keep)
    _tell(stored, actor)


def request_password_reset(email: str) -> None:
    """Send a link to set another password to whoever has an address; nothing where nobody has it."""
    user = users_with_email(email).filter(is_active=True).first()
    if user is None:
        return
    with transaction.atomic():
        token = issue_token(
            Purpose.RESET_PASSWORD,
            user,
            lifetime=AuthSettings.RESET_PASSWORD_LIFETIME,
            email=getattr(user, email_field()),
            dies_with_password=True,
        )
        record("password.reset_requested", target=user, actor=None)
        message = messages.ResetPassword(token=token, link=token_link("reset_password", token))
        send(message, to=getattr(user, email_field()))


@transaction.atomic
def ask_to_set_password(user: AbstractBaseUser) -> None:
    """Send somebody who was given an account a link to set their first password."""
    email = getattr(user, email_field())
    token = issue_token(
        Purpose.RESET_PASSWORD,
        user,
        lifetime=AuthSettings.SET_PASSWORD_LIFETIME,
        email=email,
        dies_with_password=True,
    )
    send(messages.SetPassword(token=token, link=token_link("set_password", token)), to=email)


@sensitive_variables("secret", "password", "args", "kwds")
@transaction.atomic
def reset_password(secret: str, password: str) -> None:
    """
    Give the person whom a link was sent to another password, which ends all their sessions.

    The link proves the address too. What somebody else may have done with an account whose address nobody had proved
    before is undone. A second factor of a proved account stays.

    Raises:
        UnknownToken: The token is of no use: unknown, used, replaced, expired, or the person signed in since.
        WeakPassword: The password breaks a rule; the token stays good.
    """
    try:
        token = find_token(Purpose.RESET_PASSWORD, secret)
    except TokenGone as error:
        raise UnknownToken from error
    user: Any = token.user
    signed_in_since = user.last_login is not None and user.last_login > token.created_at
    if signed_in_since or not is_about_present_address(token):
        raise UnknownToken
    validate_password(password, user, field="new_password")
    if not has_verified_email(user):
        claim_unverified(user)
        mark_verified(user)
        welcome(user)
    _set(user, password)
    end_tokens(user)
    revoke_sessions(user, actor=user)
    _tell(user, user)


def _set(user: Any, password: str) -> None:
    user.set_password(password)
    user.save(update_fields=["password"])


def _tell(user: AbstractBaseUser, actor: AbstractBaseUser | None) -> None:
    record("password.changed", target=user, actor=actor)
    send_on_commit(signals.password_changed, sender=type(user), user=user, actor=actor)
    send(messages.PasswordChanged(), to=getattr(user, email_field()))
