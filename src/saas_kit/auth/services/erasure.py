"""
Erasing what is known of somebody.

They ask for it, can change their mind until it is due by signing in, and are then made anonymous: the row stays, so
that what they wrote keeps an author who is nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone

from saas_kit.audit.services import record
from saas_kit.auth import messages, signals
from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.exceptions import SignInTooOld
from saas_kit.auth.identity import email_field, has_field, proved_addresses, username_field
from saas_kit.auth.models import Erasure, OneTimeToken, Session
from saas_kit.auth.services.people import hold_user
from saas_kit.auth.services.sessions import revoke_sessions
from saas_kit.core import caller
from saas_kit.core.changes import apply_changes
from saas_kit.core.events import send_on_commit
from saas_kit.core.exceptions import Conflict
from saas_kit.email.services import forget_mentions, forget_messages, forget_recipient, send

RECENT = timedelta(minutes=10)

ErasureStep = Callable[[Any, str], None]

_steps: dict[str, ErasureStep] = {}

# what is only somebody's own, besides the kit's tables
_OWN_ROWS = (
    ("allauth.account", "account.EmailAddress"),
    ("allauth.socialaccount", "socialaccount.SocialAccount"),
    ("allauth.mfa", "mfa.Authenticator"),
)


def register_erasure_step(name: str, step: ErasureStep) -> None:
    """
    Let something be done whenever somebody is erased, in the transaction of that.

    Args:
        name: A step of the same name is replaced.
        step: Gets the person and the address that they have, or had. The instance that it gets is anonymous when
            they are erased; their row has its address and username until all steps are done. It writes to the
            database only: when somebody asks for their erasure, it is run and rolled back, to find out whether it
            refuses. To refuse, it raises a ``Conflict``, which the person is told.
    """
    _steps[name] = step


def require_recent_sign_in(session: Session) -> None:
    """
    Make sure that a session was opened in the last minutes, where there is no password to ask for.

    Raises:
        SignInTooOld: It was not.
    """
    if timezone.now() - session.created_at > RECENT:
        raise SignInTooOld


@transaction.atomic
def request_erasure(user: AbstractBaseUser, *, actor: AbstractBaseUser | None) -> Erasure:
    """
    Have what is known of somebody erased after ``ERASURE_GRACE``, and end their sessions.

    Asking again does not move the date.

    Raises:
        Conflict: It could not be carried out now, such as for the only owner of something that others share.
    """
    person = hold_user(user)
    erasure = Erasure.objects.filter(user=person).first()
    if erasure is None:
        _rehearse(person)
        erasure = Erasure.objects.create(user=person, due_at=timezone.now() + AuthSettings.ERASURE_GRACE)
        due_at = erasure.due_at
        record("erasure.requested", target=person, actor=actor, changes={"due_at": [None, due_at]})
        send_on_commit(signals.erasure_requested, sender=Erasure, user=person, due_at=due_at, actor=actor)
        send(messages.AccountDeletion(due_at=due_at), to=getattr(person, email_field()))
    revoke_sessions(person, actor=actor)
    return erasure


@transaction.atomic
def cancel_erasure(user: AbstractBaseUser, *, actor: AbstractBaseUser | None) -> bool:
    """Leave somebody as they are after all; tell whether they were to be erased."""
    cancelled, _ = Erasure.objects.filter(user=user).delete()
    if cancelled:
        record("erasure.cancelled", target=user, actor=actor)
        send_on_commit(signals.erasure_cancelled, sender=Erasure, user=user, actor=actor)
        send(messages.AccountKept(), to=getattr(user, email_field()))
    return bool(cancelled)


@transaction.atomic
def erase_user(user: AbstractBaseUser, *, actor: AbstractBaseUser | None) -> None:
    """
    Erase what is known of somebody now, whether or not they asked for it. It cannot be taken back.

    The row stays: without names, with an address that nobody has, and unable to sign in. Addresses, sessions, second
    factors, links to providers and one-time tokens go, and every registered step is done.

    Raises:
        Conflict: A step refused, and nothing was done; such as for the only owner of something that others share.
    """
    person = hold_user(user)
    email = getattr(person, email_field())
    proved = proved_addresses(person)
    mentions = {email, *proved, *_spoken_names(person)}
    # first of all, so that what the steps write into the audit log names nobody
    names = _make_anonymous(person)
    for step in _steps.values():
        step(person, email)
    revoke_sessions(person, actor=actor)
    for model in _own_models():
        model._base_manager.filter(user=person).delete()
    # anybody can register with anybody's address: what else was sent to one that was not proved is its owner's
    forget_messages(email, app_label="saas_kit_auth")
    for address in proved:
        forget_recipient(address)
    forget_mentions(*mentions, own_kinds={messages.EmailChanged.kind})
    # last, as nobody can refer to a row of which a unique column was changed: whoever holds what is waited for above,
    # such as an organization, may be about to
    person = hold_user(person)
    apply_changes(person, names)
    record("user.erased", target=person, actor=actor)
    send_on_commit(signals.user_erased, sender=type(person), user=person, email=email, actor=actor)


@transaction.atomic
def note_refusal(user_id: Any, error: Conflict) -> None:
    """Record, the first time, that somebody's erasure was due and could not be carried out."""
    erasure = Erasure.objects.select_for_update(of=("self",)).filter(user=user_id, refused_at=None).first()
    if erasure is not None:
        apply_changes(erasure, {"refused_at": timezone.now()})
        record("erasure.refused", target=erasure.user, actor=None, changes={"code": [None, error.code]})


def _rehearse(person: Any) -> None:
    with transaction.atomic():
        for step in _steps.values():
            step(person, getattr(person, email_field()))
        transaction.set_rollback(True)
    caller.forget_parts(person)


def _make_anonymous(person: Any) -> dict[str, Any]:
    """Write what is not unique of somebody; return their other names, which only the instance has by now."""
    values: dict[str, Any] = {"password": make_password(None), "last_login": None}
    values |= {field: "" for field in ("first_name", "last_name") if has_field(field)}
    values |= {field: False for field in ("is_active", "is_staff", "is_superuser") if has_field(field)}
    apply_changes(person, values)
    name = f"erased-{uuid4()}"
    names = {email_field(): f"{name}@erased.invalid"}  # RFC 2606: nobody will ever have it
    for field in {username_field() or "username", "username"}:
        if has_field(field):
            names[field] = name[: person._meta.get_field(field).max_length]
    for field, value in names.items():
        setattr(person, field, value)
    return names


def _spoken_names(person: Any) -> set[str]:
    """Return what messages may call somebody."""
    return {str(getattr(person, "get_full_name", str)()).strip(), str(person)}


def _own_models() -> list[Any]:
    installed = [apps.get_model(label) for app, label in _OWN_ROWS if apps.is_installed(app)]
    return [*installed, Session, OneTimeToken, Erasure]
