"""Registering where an address has to be proved before anybody can sign in with it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from saas_kit.audit.services import record
from saas_kit.auth import messages
from saas_kit.auth.exceptions import EmailTaken
from saas_kit.auth.identity import email_field, has_verified_email, users_with_email
from saas_kit.auth.services.addresses import ask_for_verification, mark_verified, may_mail
from saas_kit.auth.services.claiming import claim_unverified
from saas_kit.auth.services.one_time_tokens import end_tokens
from saas_kit.auth.services.passwords import ask_to_set_password
from saas_kit.auth.services.people import check_registration, create_user, hold_user
from saas_kit.auth.services.sessions import revoke_sessions
from saas_kit.core.changes import apply_changes
from saas_kit.email.services import send


@sensitive_variables("password", "args", "kwds")
@transaction.atomic
def register_again(user: AbstractBaseUser, *, password: str, **fields: Any) -> bool:
    """
    Answer somebody who registers with an address that has an account; tell whether the registration took its place.

    Where the address was proved, its owner is told and nothing changes. Where it was not, the latest registration
    counts: its password and fields replace those of the one before, whose links and sessions are over. An account
    without a password, which others or a provider made, is emptied of what lets anybody in, and the address is sent a
    link to set a password.
    """
    stored = hold_user(user)
    if not stored.is_active:
        return False
    email = getattr(stored, email_field())
    may_be_mailed = may_mail("register", email)
    if has_verified_email(stored):
        if may_be_mailed:
            send(messages.ExistingAccount(), to=email)
        return False
    if not stored.has_usable_password():
        claim_unverified(stored)
        if may_be_mailed:
            ask_to_set_password(stored)
        return False
    apply_changes(stored, fields)
    stored.set_password(password)
    stored.save(update_fields=["password"])
    record("user.registered_again", target=stored, actor=None)
    end_tokens(stored)
    revoke_sessions(stored, actor=None)
    if (
        may_be_mailed
    ):  # else a link can be asked for later; those that were sent are of whoever registered before
        ask_for_verification(stored)
    return True


@sensitive_variables("password", "args", "kwds")
@transaction.atomic
def register_proved(*, email: str, password: str, **fields: Any) -> tuple[AbstractBaseUser, bool]:
    """
    Register somebody who brings the proof that an address is theirs.

    An account with the address that nobody had proved is theirs from now on, with nothing in it that lets anybody else
    in.

    Args:
        fields: Further fields of the user model.

    Returns:
        The person, and whether the account is a new one.

    Raises:
        EmailTaken: Somebody has proved the address, or was deactivated.
        WeakPassword: The password breaks a rule.
        InvalidInput: Another field is not valid.
    """
    owner = users_with_email(email).first()
    if owner is None:
        try:
            with transaction.atomic():
                return create_user(email=email, password=password, email_verified=True, **fields), True
        except EmailTaken:  # by somebody who registered at the same moment
            owner = users_with_email(email).first()
            if owner is None:
                raise
    return _take_over(owner, email=email, password=password, **fields), False


@sensitive_variables("password")
def _take_over(owner: AbstractBaseUser, *, email: str, password: str, **fields: Any) -> AbstractBaseUser:
    stored = hold_user(owner)
    if not stored.is_active or has_verified_email(stored):
        raise EmailTaken(field="email")
    check_registration(email=email, password=password, **fields)
    claim_unverified(stored)
    apply_changes(stored, fields)
    stored.set_password(password)
    stored.save(update_fields=["password"])
    mark_verified(stored)
    record("user.registered_again", target=stored, actor=stored)
    return stored  # type: ignore[no-any-return]
