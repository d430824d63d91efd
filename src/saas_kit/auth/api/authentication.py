"""Tells who a request comes from, by the token that it bears or that a browser sends as a cookie."""

from __future__ import annotations

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.request import Request
from rest_framework_simplejwt.exceptions import TokenError

from saas_kit.auth.access_cache import find_session
from saas_kit.auth.api import cookies
from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.exceptions import InvalidToken, SessionEnded
from saas_kit.auth.models import Session
from saas_kit.auth.tokens import AccessToken, RefreshToken, SessionToken

SCHEME = "Bearer"

_CSRF_NOTE = "Methods that change something need Django's `X-CSRFToken` too."


class SessionTokenAuthentication(BaseAuthentication):
    """
    Takes ``Authorization: Bearer <access token>``; ``request.auth`` is the session.

    Where ``SAAS_KIT_AUTH_COOKIES`` is on, a request without that header may bring the token as a cookie, and then has
    to pass Django's CSRF check.

    The session, the person and what decisions need to know of them are found in one step (see
    ``saas_kit.auth.access_cache``), so that a session that has ended, and a person who was deactivated or has another
    password since, are refused from then on.
    ``bound_organization`` of the session is what the token is bound to.

    Args:
        take_ended: Take the tokens of sessions that have ended too, as long as they have not expired.
    """

    token_class: type[SessionToken] = AccessToken

    def __init__(self, *, take_ended: bool = False) -> None:
        self.take_ended = take_ended

    def authenticate(self, request: Request) -> tuple[Any, Session] | None:
        header = get_authorization_header(request)
        text = self.cookie_of(request) if not header else self._token_in(header)
        if text is None:
            return None
        try:
            token = self.token_class(text)
        except TokenError as error:
            raise InvalidToken from error
        session = self._session_of(token)
        if not header:
            cookies.check_csrf(request)
        session.__dict__["bound_organization"] = token.organization
        return session.user, session

    def cookie_of(self, request: Request) -> str | None:
        """Return the token that a browser sent by itself; None where there is none."""
        return cookies.access_token_of(request)

    def _token_in(self, header: bytes) -> str | None:
        scheme, *credentials = header.split() or [b""]
        if scheme.lower() != SCHEME.lower().encode():
            return None
        try:
            (credential,) = credentials
            return credential.decode("ascii")
        except ValueError as error:
            raise InvalidToken from error

    def _session_of(self, token: SessionToken) -> Session:
        found = find_session(token.session_id, token.user_id)
        if found is None or not (self.take_ended or found.is_live):
            raise SessionEnded
        return found.session

    def authenticate_header(self, request: Request) -> str:
        return SCHEME


class RefreshCookieAuthentication(SessionTokenAuthentication):
    """Knows a browser by its refresh cookie, for signing out when the access token has expired."""

    token_class = RefreshToken

    def authenticate(self, request: Request) -> tuple[Any, Session] | None:
        return None if get_authorization_header(request) else super().authenticate(request)

    def cookie_of(self, request: Request) -> str | None:
        """Return the refresh token that a browser sent by itself; None where there is none."""
        return cookies.refresh_token_of(request)


class SessionTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes the tokens in the schema, as cookies too where the host has them."""

    target_class = SessionTokenAuthentication

    @property
    def name(self) -> list[str]:  # type: ignore[override]
        return ["sessionToken", "sessionCookie"] if AuthSettings.COOKIES else ["sessionToken"]

    def get_security_requirement(self, auto_schema: Any) -> list[dict[str, list[Any]]]:
        return [{name: []} for name in self.name]

    def get_security_definition(self, auto_schema: Any) -> list[dict[str, str]]:
        bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        if not AuthSettings.COOKIES:
            return [bearer]
        name = cookies.access_name()
        return [bearer, {"type": "apiKey", "in": "cookie", "name": name, "description": _CSRF_NOTE}]


class RefreshCookieScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes the refresh cookie in the schema, where it is taken."""

    target_class = RefreshCookieAuthentication
    name = "refreshCookie"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        return {"type": "apiKey", "in": "cookie", "name": cookies.refresh_name(), "description": _CSRF_NOTE}
