"""Writes to people, whatever the host's user model is."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model, password_validation
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import NON_FIELD_ERRORS, ValidationError
from django.core.validators import EmailValidator
from django.db import IntegrityError, connections, router, transaction
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables

from saas_kit.audit.services import record
from saas_kit.auth import signals
from saas_kit.auth.exceptions import EmailTaken, WeakPassword
from saas_kit.auth.identity import email_field, username_field, users_with_email
from saas_kit.auth.models import AbstractEmailUser, Session
from saas_kit.auth.services.sessions import revoke_sessions
from saas_kit.core.addresses import has_dns_form, normalize_email
from saas_kit.core.changes import apply_changes
from saas_kit.core.events import send_on_commit
from saas_kit.core.exceptions import InvalidInput

PASSWORD_MIN_LENGTH = 8
PASSWORD_MAX_LENGTH = 128


@sensitive_variables("password", "args", "kwds")
@transaction.atomic
def create_user(
    *,
    email: str,
    password: str | None,
    actor: AbstractBaseUser | None = None,
    email_verified: bool = False,
    **fields: Any,
) -> AbstractBaseUser:
    """
    Give somebody an account.

    Where people of the user model also have a username and none is given, it is the address.

    Args:
        password: None of somebody who cannot sign in before they set one.
        actor: Who made the account; None where people register themselves.
        email_verified: Whether it is proved that the address is theirs.
        fields: Further fields of the user model.

    Raises:
        EmailTaken: Somebody has the address, in whatever case of letters.
        WeakPassword: The password breaks a rule.
        InvalidInput: Another field is not valid.
    """
    model = get_user_model()
    email = normalize_email(email)
    user: Any = model(**{email_field(): email, **fields})
    name = username_field()
    if name is not None and not getattr(user, name):
        setattr(user, name, _username_for(user, name, email))
    _validate_fields(user, email)
    if password is not None:
        validate_password(password, user)
    user.set_password(password)
    with _unless_taken(email, user):
        user.save(force_insert=True)
    addresses = apps.get_model("account.EmailAddress")._default_manager
    addresses.create(user=user, email=email, primary=True, verified=email_verified)
    record("user.created", target=user, actor=actor)
    send_on_commit(signals.user_registered, sender=model, user=user, actor=actor)
    return user  # type: ignore[no-any-return]


@sensitive_variables("password")
def check_registration(*, email: str, password: str, **fields: Any) -> None:
    """
    Refuse what nobody can register with, whoever has the address.

    Args:
        fields: Further fields of the user model.

    Raises:
        WeakPassword: The password breaks a rule.
        InvalidInput: Another field is not valid.
    """
    email = normalize_email(email)
    user: Any = get_user_model()(**{email_field(): email, **fields})
    name = username_field()
    if name is not None and not getattr(user, name):
        setattr(user, name, f"user-{secrets.token_hex(8)}")
    _validate_fields(user, email)
    validate_password(password, user)


@transaction.atomic
def change_user(user: AbstractBaseUser, *, actor: AbstractBaseUser | None, **values: Any) -> AbstractBaseUser:
    """Change fields of somebody's profile, such as ``first_name`` and ``last_name``."""
    changes = apply_changes(user, values)
    if changes:
        record_changes(user, changes, actor=actor)
    return user


def hold_user(user: AbstractBaseUser | None) -> Any:
    """Read somebody anew, and hold them until the transaction ends."""
    if user is None:
        raise get_user_model().DoesNotExist
    return get_user_model()._base_manager.select_for_update(no_key=True).get(pk=user.pk)


@transaction.atomic
def deactivate_user(user: AbstractBaseUser, *, actor: AbstractBaseUser | None) -> None:
    """Let somebody no longer sign in, and end their sessions."""
    changes = apply_changes(hold_user(user), {"is_active": False})
    user.is_active = False
    if changes:
        record("user.deactivated", target=user, actor=actor)
        send_on_commit(signals.user_deactivated, sender=type(user), user=user, actor=actor)
    revoke_sessions(user, actor=actor)


@transaction.atomic
def change_email(
    user: AbstractBaseUser, email: str, *, actor: AbstractBaseUser | None, keep: Session | None = None
) -> None:
    """
    Give somebody another address, which is still to be verified, and end their sessions.

    The address that it replaces is theirs no longer, and links that were sent there are of no use.

    Args:
        keep: A session that goes on.

    Raises:
        EmailTaken: Somebody else has the address.
        InvalidInput: It is not an address.
    """
    email = normalize_email(email)
    with _unless_taken(email, user):
        setattr(user, email_field(), email)
        _validate_fields(user, email)
        changes = apply_changes(hold_user(user), {email_field(): email})
    if not changes:
        return
    addresses = apps.get_model("account.EmailAddress")._default_manager.filter(user=user)
    addresses.filter(primary=True).delete()
    if not addresses.filter(email=email).update(primary=True):
        addresses.create(user=user, email=email, primary=True, verified=False)
    record_changes(user, changes, actor=actor)
    revoke_sessions(user, actor=actor, except_session=keep)


@transaction.atomic
def record_changes(
    user: AbstractBaseUser, changes: dict[str, list[Any]], *, actor: AbstractBaseUser | None
) -> None:
    """
    Record and tell what was changed of somebody by other means than these services.

    Args:
        changes: ``{field: [before, after]}``; ``[None, None]`` of a secret.
    """
    record("user.changed", target=user, actor=actor, changes=changes)
    send_on_commit(signals.user_changed, sender=type(user), user=user, changes=changes, actor=actor)


@sensitive_variables("password")
def validate_password(password: str, user: Any, *, field: str = "password") -> None:
    """
    Refuse a password that breaks a rule of the kit or of ``AUTH_PASSWORD_VALIDATORS``.

    Args:
        field: The input that is at fault.

    Raises:
        WeakPassword: The message says which.
    """
    problems = []
    if not PASSWORD_MIN_LENGTH <= len(password) <= PASSWORD_MAX_LENGTH:
        limits = {"min": PASSWORD_MIN_LENGTH, "max": PASSWORD_MAX_LENGTH}
        problems.append(_("A password has %(min)d to %(max)d characters.") % limits)
    if "\x00" in password:
        problems.append(_("A password cannot contain the character NUL."))
    try:
        password_validation.validate_password(password, user)
    except ValidationError as error:
        problems += error.messages
    if problems:
        raise WeakPassword(" ".join(problems), field=field)


def _username_for(user: AbstractBaseUser, name: str, email: str) -> str:
    field: Any = user._meta.get_field(name)
    try:
        field.run_validators(email)
    except ValidationError:
        return f"user-{secrets.token_hex(8)}"  # too long, or with characters that usernames do not have
    taken = type(user)._default_manager.filter(**{name: email}).exists()
    return f"user-{secrets.token_hex(8)}" if taken else email


def _validate_fields(user: AbstractBaseUser, email: str) -> None:
    if not has_dns_form(email):
        raise InvalidInput(EmailValidator.message, field="email")
    try:
        user.full_clean(exclude={"password"}, validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        field, messages = next(iter(error.message_dict.items()))
        public = {email_field(): "email", NON_FIELD_ERRORS: None}
        raise InvalidInput(" ".join(messages), field=public.get(field, field)) from error


@contextmanager
def _unless_taken(email: str, user: AbstractBaseUser) -> Iterator[None]:
    """Let somebody be given an address that nobody else has, in no case of letters."""
    if not isinstance(user, AbstractEmailUser):
        _queue_for(email)
    others = users_with_email(email).exclude(pk=user.pk)
    if others.exists():
        raise EmailTaken(field="email")
    try:
        with transaction.atomic():
            yield
    except IntegrityError as error:  # somebody took it at the same moment
        if others.exists():
            raise EmailTaken(field="email") from error
        raise


def _queue_for(email: str) -> None:
    # Django's own user model has no constraint on the address. SQLite lets one transaction write at a time;
    # on PostgreSQL those that are about one address take turns until they end.
    connection = connections[router.db_for_write(get_user_model())]
    if connection.vendor == "postgresql":
        key = int.from_bytes(hashlib.sha256(f"saas_kit_auth:{email}".encode()).digest()[:8], signed=True)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [key])
