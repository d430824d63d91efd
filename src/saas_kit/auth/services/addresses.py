"""Proving that an e-mail address is somebody's, and changing it."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.validators import EmailValidator
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from saas_kit.audit.services import record
from saas_kit.auth import limits, messages, signals
from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.exceptions import TokenGone
from saas_kit.auth.identity import email_field, has_verified_email, users_with_email
from saas_kit.auth.links import token_link
from saas_kit.auth.models import Purpose, Session
from saas_kit.auth.services.notices import welcome
from saas_kit.auth.services.one_time_tokens import (
    end_tokens,
    find_token,
    is_about_present_address,
    issue_token,
    use_token,
)
from saas_kit.auth.services.people import change_email
from saas_kit.auth.services.sessions import revoke_sessions
from saas_kit.core import caller
from saas_kit.core.addresses import has_dns_form, normalize_email
from saas_kit.core.events import send_on_commit
from saas_kit.core.exceptions import InvalidInput, RateLimited
from saas_kit.email.services import send


def is_proof_due(user: AbstractBaseUser) -> bool:
    """Tell whether somebody cannot sign in before they prove that their address is theirs."""
    return AuthSettings.EMAIL_VERIFICATION == "mandatory" and not has_verified_email(user)


def may_mail(kind: str, email: str) -> bool:
    """
    Count one message that anybody can cause, and tell whether it may still be sent to an address.

    Raises:
        Unavailable: Attempts cannot be counted right now.
    """
    network = limits.network()
    try:
        if network:  # first, so that one network does not use up what others may send to an address
            limits.count("mail_network", network)
        limits.count("mail", kind, normalize_email(email))
    except RateLimited:
        return False
    return True


@transaction.atomic
def ask_for_verification(user: AbstractBaseUser) -> None:
    """Send somebody a link that proves their address; the links before it are over. Nothing where none is due."""
    if AuthSettings.EMAIL_VERIFICATION == "off" or has_verified_email(user):
        return
    email = getattr(user, email_field())
    token = issue_token(Purpose.VERIFY_EMAIL, user, lifetime=AuthSettings.VERIFY_EMAIL_LIFETIME, email=email)
    send(messages.VerifyEmail(token=token, link=token_link("verify_email", token)), to=email)


def resend_verification(email: str) -> None:
    """Send the link anew to whoever has an address that is still to be proved; nothing where nobody has."""
    user = users_with_email(email).filter(is_active=True).first()
    if user is not None:
        ask_for_verification(user)


@sensitive_variables("secret", "args", "kwds")
@transaction.atomic
def verify_email(secret: str, *, keep: Session | None = None) -> AbstractBaseUser:
    """
    Take the proof that an address is its person's, and return who that is.

    Sessions that were opened before end, and so do other links, such as that to another address, as somebody else may
    have registered with the address; nobody is signed in. The password stays.

    Args:
        keep: A session of whoever brings the proof, which goes on, and other links with it.

    Raises:
        UnknownToken: There is no such token.
        TokenGone: It was used or replaced, has expired, or the person has another address since.
    """
    token = find_token(Purpose.VERIFY_EMAIL, secret)
    user: Any = token.user
    if not is_about_present_address(token):
        raise TokenGone
    use_token(token)
    mark_verified(user)
    own = _own(keep, user)
    if own is None:
        end_tokens(user)
    revoke_sessions(user, actor=None, except_session=own)
    welcome(user)
    return user  # type: ignore[no-any-return]


@transaction.atomic
def request_email_change(user: AbstractBaseUser, email: str, *, actor: AbstractBaseUser | None) -> None:
    """
    Send a link to a new address, with which it takes the place of the present one.

    Where somebody else has the address they are told, and nobody else learns of it.

    Raises:
        InvalidInput: It is no address, or the present one.
        RateLimited: The person has asked for too many changes.
        Unavailable: Attempts cannot be counted right now.
    """
    email = normalize_email(email)
    if not has_dns_form(email):
        raise InvalidInput(EmailValidator.message, field="email")
    if email == getattr(user, email_field()):
        raise InvalidInput(field="email")
    limits.count("mail_person", str(user.pk))
    record("email.change_requested", target=user, actor=actor)
    if not may_mail("change_email", email):
        return
    if users_with_email(email).exists():
        send(messages.ExistingAccount(), to=email)
        return
    token = issue_token(
        Purpose.CHANGE_EMAIL,
        user,
        lifetime=AuthSettings.CHANGE_EMAIL_LIFETIME,
        email=email,
        dies_with_password=True,
    )
    send(messages.ConfirmNewEmail(token=token, link=token_link("change_email", token)), to=email)


@sensitive_variables("secret", "args", "kwds")
@transaction.atomic
def confirm_email_change(secret: str, *, keep: Session | None = None) -> None:
    """
    Give somebody the address at which they got the token, proved by it, and tell the old one.

    Args:
        keep: A session of whoever confirms, which goes on; all others end.

    Raises:
        UnknownToken: There is no such token.
        TokenGone: It was used or replaced, has expired, or the password was changed since.
        EmailTaken: Somebody else has taken the address meanwhile.
    """
    token = find_token(Purpose.CHANGE_EMAIL, secret)
    user: Any = token.user
    old = getattr(user, email_field())
    change_email(user, token.email, actor=user, keep=_own(keep, user))
    end_tokens(user)
    mark_verified(user)
    if old:
        send(messages.EmailChanged(new_email=token.email), to=old)


@transaction.atomic
def mark_verified(user: AbstractBaseUser) -> None:
    """Take somebody's present address for proved."""
    email = getattr(user, email_field())
    addresses = apps.get_model("account.EmailAddress")._default_manager
    addresses.update_or_create(user=user, email=email, defaults={"primary": True, "verified": True})
    caller.forget_parts(user)
    record("email.verified", target=user, actor=user)
    send_on_commit(signals.email_verified, sender=type(user), user=user, actor=user)


def _own(session: Session | None, user: AbstractBaseUser) -> Session | None:
    return session if session is not None and session.user_id == user.pk else None
