"""Writes to sessions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import uuid4

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.signals import user_logged_in
from django.core.exceptions import ValidationError
from django.core.validators import validate_ipv46_address
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from rest_framework_simplejwt.exceptions import TokenError

from saas_kit.audit.services import record
from saas_kit.auth import signals
from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.exceptions import InvalidCredentials, InvalidToken, RefreshReplaced, SessionEnded
from saas_kit.auth.models import USER_AGENT_MAX_LENGTH, Session, password_fingerprint
from saas_kit.auth.services.notices import tell_of_new_device
from saas_kit.auth.tokens import AccessToken, RefreshToken
from saas_kit.core.events import send_on_commit


@dataclass(frozen=True, slots=True)
class Tokens:
    """A pair of tokens and their session; its ``repr()`` tells no secret."""

    access: str = field(repr=False)
    refresh: str = field(repr=False)
    session: Session


@transaction.atomic
def open_session(
    user: AbstractBaseUser,
    *,
    ip_address: str | None = None,
    user_agent: str = "",
    request: HttpRequest | None = None,
) -> Tokens:
    """
    Sign somebody in who has proved who they are.

    Django's ``user_logged_in`` is sent, which sets ``last_login``. They are told where they have not signed in from
    there lately.

    Args:
        request: What receivers of ``user_logged_in`` get.

    Raises:
        InvalidCredentials: The person was deactivated, or their password changed, while they proved it.
    """
    people = get_user_model()._base_manager.select_for_update(no_key=True)
    if not people.filter(pk=user.pk, is_active=True, password=user.password).exists():
        raise InvalidCredentials
    session = Session.objects.create(
        user=user,
        expires_at=timezone.now() + AuthSettings.REFRESH_TOKEN_LIFETIME,
        refresh_id=uuid4(),
        password_fingerprint=password_fingerprint(user),
        ip_address=_valid_address(ip_address),
        user_agent=user_agent.replace("\x00", "")[:USER_AGENT_MAX_LENGTH],
    )
    tell_of_new_device(session)
    user_logged_in.send(sender=type(user), request=request, user=user)
    record("session.opened", target=session, actor=user)
    send_on_commit(signals.signed_in, sender=Session, session=session, actor=user)
    return _tokens_of(session)


def rotate(
    refresh: str, *, choose_organization: Callable[[AbstractBaseUser], str | None] | None = None
) -> Tokens:
    """
    Take a refresh token for the next pair; each is good once.

    A token that was just replaced is refused, as a client may have sent it twice. Any older one means that a
    token was stolen, and ends the session. That is committed although an error is raised, so this cannot be
    called inside a transaction.

    Args:
        choose_organization: Returns what the next pair is bound to, None for nothing. It gets the person once the
            token was found to be good; what it raises leaves the token unused. Without it the next pair is bound to
            what the token is.

    Raises:
        InvalidToken: The token is not valid, or was used before.
        RefreshReplaced: It was used a moment ago.
        SessionEnded: The session is over, its person no longer active, or their password another.
    """
    try:
        token = RefreshToken(refresh)
    except TokenError as error:
        raise InvalidToken from error
    with transaction.atomic(durable=True):
        result = _rotate(token, choose_organization)
    if isinstance(result, InvalidToken):
        raise result
    return result


def _rotate(
    token: RefreshToken, choose_organization: Callable[[AbstractBaseUser], str | None] | None
) -> Tokens | InvalidToken:
    sessions = Session.objects.live().select_related("user").select_for_update(of=("self",), no_key=True)
    session = sessions.filter(pk=token.session_id).first()
    if session is None or str(session.user_id) != token.user_id or not session.is_live:
        return SessionEnded()
    now = timezone.now()
    if token.id != session.refresh_id:
        just_replaced = (
            session.rotated_at is not None and now - session.rotated_at <= AuthSettings.REUSE_LEEWAY
        )
        if just_replaced and token.id == session.previous_refresh_id:
            return RefreshReplaced()
        _end(session, action="session.refresh_reused", actor=None)
        return InvalidToken()
    organization = choose_organization(session.user) if choose_organization else token.organization
    session.previous_refresh_id, session.refresh_id = session.refresh_id, uuid4()
    session.rotated_at = session.last_seen_at = now
    session.save(update_fields=["previous_refresh_id", "refresh_id", "rotated_at", "last_seen_at"])
    return _tokens_of(session, organization)


@transaction.atomic
def revoke_session(session: Session, *, actor: AbstractBaseUser | None) -> None:
    """End a session, so that its tokens are of no use from now on; one that has ended stays so."""
    is_own = actor is not None and actor.pk == session.user_id
    _end(session, action="session.signed_out" if is_own else "session.revoked", actor=actor)


@transaction.atomic
def revoke_sessions(
    user: AbstractBaseUser, *, actor: AbstractBaseUser | None, except_session: Session | None = None
) -> None:
    """End all of somebody's sessions, or all but one."""
    live = Session.objects.of_user(user).filter(revoked_at__isnull=True, expires_at__gt=timezone.now())
    if except_session is not None:
        live = live.exclude(pk=except_session.pk)
    sessions = list(live.select_for_update(no_key=True))
    if not sessions:
        return
    now = timezone.now()
    Session.objects.filter(pk__in=[session.pk for session in sessions]).update(revoked_at=now)
    record(
        "sessions.revoked",
        target=user,
        actor=actor,
        changes={"sessions": [str(each.pk) for each in sessions]},
    )
    for session in sessions:
        session.revoked_at = now
        _tell(session, actor)


def _end(session: Session, *, action: str, actor: AbstractBaseUser | None) -> None:
    now = timezone.now()
    if Session.objects.filter(pk=session.pk, revoked_at__isnull=True).update(revoked_at=now):
        session.revoked_at = now
        record(action, target=session, actor=actor)
        _tell(session, actor)


def _tell(session: Session, actor: AbstractBaseUser | None) -> None:
    is_own = actor is not None and actor.pk == session.user_id
    signal = signals.signed_out if is_own else signals.session_revoked
    send_on_commit(signal, sender=Session, session=session, actor=actor)


def _tokens_of(session: Session, organization: str | None = None) -> Tokens:
    return Tokens(
        access=str(AccessToken.for_session(session, organization=organization)),
        refresh=str(RefreshToken.for_session(session, organization=organization)),
        session=session,
    )


def _valid_address(address: str | None) -> str | None:
    # behind a Unix socket it is empty or a name
    try:
        validate_ipv46_address(address or "")
    except ValidationError:
        return None
    return address
