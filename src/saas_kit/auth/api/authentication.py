"""Tells who a request comes from, by the token that it bears."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db import router
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError

from saas_kit.auth.exceptions import InvalidToken, SessionEnded
from saas_kit.auth.models import Session
from saas_kit.auth.tokens import AccessToken
from saas_kit.core import caller
from saas_kit.core.lookups import CompiledLookup

SCHEME = "Bearer"


@cache
def _sessions(using: str, parts: tuple[str, ...]) -> CompiledLookup:
    sessions = Session.objects.using(using).select_related("user")
    return CompiledLookup(caller.annotate_parts(sessions, user="user_id"))


class SessionTokenAuthentication(BaseAuthentication):
    """
    Takes ``Authorization: Bearer <access token>``; ``request.auth`` is the session.

    One statement loads the session, the person and what decisions need to know of them, so that a session
    that has ended, and a person who was deactivated or has another password since, are refused from then on.
    ``bound_organization`` of the session is what the token is bound to.

    Args:
        take_ended: Take the tokens of sessions that have ended too, as long as they have not expired.
    """

    def __init__(self, *, take_ended: bool = False) -> None:
        self.take_ended = take_ended

    def authenticate(self, request: Request) -> tuple[Any, Session] | None:
        scheme, *credentials = get_authorization_header(request).split() or [b""]
        if scheme.lower() != SCHEME.lower().encode():
            return None
        try:
            (credential,) = credentials
            token = AccessToken(credential.decode("ascii"))
        except (ValueError, TokenError) as error:
            raise InvalidToken from error
        sessions = _sessions(router.db_for_read(Session), caller.part_names())
        session = sessions.get(token.session_id)
        if session is None or str(session.user_id) != token.user_id:
            raise SessionEnded
        if not (self.take_ended or session.is_live):
            raise SessionEnded
        caller.take_parts(session, session.user)
        session.__dict__["bound_organization"] = token.organization
        return session.user, session

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


class SessionTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes the tokens in the schema."""

    target_class = SessionTokenAuthentication
    name = "sessionToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
