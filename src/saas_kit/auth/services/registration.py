"""Registering where an address has to be proved before anybody can sign in with it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from saas_kit.audit.services import record
from saas_kit.auth import messages
from saas_kit.auth.identity import email_field, has_verified_email
from saas_kit.auth.services.addresses import ask_for_verification, may_mail
from saas_kit.auth.services.claiming import claim_unverified
from saas_kit.auth.services.one_time_tokens import end_tokens
from saas_kit.auth.services.passwords import ask_to_set_password
from saas_kit.auth.services.people import hold_user
from saas_kit.auth.services.sessions import revoke_sessions
from saas_kit.core.changes import apply_changes
from saas_kit.email.services import send


@sensitive_variables("password")
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
