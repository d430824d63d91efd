"""Registering where an address has to be proved before anybody can sign in with it."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from saas_kit.audit.services import record
from saas_kit.auth import messages
from saas_kit.auth.identity import email_field, has_verified_email
from saas_kit.auth.services.addresses import ask_for_verification, may_mail
from saas_kit.auth.services.one_time_tokens import end_tokens
from saas_kit.auth.services.passwords import ask_to_set_password
from saas_kit.auth.services.people import hold_user, validate_password
from saas_kit.auth.services.sessions import revoke_sessions
from saas_kit.core.changes import apply_changes
from saas_kit.email.services import send


@sensitive_variables("password")
@transaction.atomic
def register_again(user: AbstractBaseUser, *, password: str, **fields: Any) -> None:
    """
    Answer somebody who registers with an address that has an account.

    Where the address was proved, its owner is told and nothing changes. Where it was not, the latest registration
    counts: its password and names replace those of the one before, whose links and sessions are over. Somebody who was
    given the account by others is asked to set a password by a link instead.

    Raises:
        WeakPassword: The password breaks a rule, as it would for an address that nobody has.
    """
    model = get_user_model()
    candidate = model(**{email_field(): getattr(user, email_field()), **fields})
    validate_password(password, candidate)
    candidate.set_password(password)  # one hash, whatever comes next (invariant I59)
    stored = hold_user(user)
    if not stored.is_active:
        return
    email = getattr(stored, email_field())
    may_be_mailed = may_mail("register", email)
    if has_verified_email(stored):
        if may_be_mailed:
            send(messages.ExistingAccount(), to=email)
    elif not stored.has_usable_password():
        if may_be_mailed:
            ask_to_set_password(stored)
    else:
        apply_changes(stored, fields)
        stored.password = candidate.password
        stored.save(update_fields=["password"])
        record("user.registered_again", target=stored, actor=None)
        end_tokens(stored)
        revoke_sessions(stored, actor=None)
        if may_be_mailed:
            ask_for_verification(stored)
