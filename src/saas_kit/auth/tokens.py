"""Signed tokens that name a session: short-lived ones for requests, and one to get the next with."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Any, ClassVar, Self
from uuid import UUID, uuid4

import jwt
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError, TokenBackendExpiredToken, TokenError
from rest_framework_simplejwt.tokens import Token

from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.keys import KeyRing, key_ring
from saas_kit.auth.models import Session

CLAIMS = ("token_type", "exp", "iat", "jti", "aud", "iss", "sub", "sid")
ORGANIZATION_CLAIM = "org"  # of bound tokens only
MAX_LENGTH = 4096  # about ten times that of a token of ours

_REFUSED = _("The token is not valid.")
# what decoding raises on a signed token whose claims are of the wrong type or out of range
_MALFORMED = (ValueError, TypeError, OverflowError, OSError, RecursionError)


class _Backend(TokenBackend):
    """Signs with the one key that does, and verifies with the one that a token names; demands every claim of ours."""

    def __init__(self, keys: KeyRing, audience: str, issuer: str, leeway: timedelta) -> None:
        super().__init__(keys.signing.algorithm, audience=audience, issuer=issuer, leeway=leeway)
        self.keys = keys

    def encode(self, payload: dict[str, Any]) -> str:
        key = self.keys.signing
        claims = {**payload, "aud": self.audience, "iss": self.issuer}
        return jwt.encode(claims, key.signing, algorithm=key.algorithm, headers={"kid": key.id})

    def decode(self, token: Any, verify: bool = True) -> dict[str, Any]:
        if not isinstance(token, str) or len(token) > MAX_LENGTH:
            raise TokenBackendError(_REFUSED)
        try:
            key = self.keys.known[_key_id(token)]
            return jwt.decode(
                token,
                key.verifying,
                algorithms=[key.algorithm],
                audience=self.audience,
                issuer=self.issuer,
                leeway=self.get_leeway(),
                options={"require": list(CLAIMS), "strict_aud": True, "verify_signature": verify},
            )
        except jwt.ExpiredSignatureError as error:
            raise TokenBackendExpiredToken(_REFUSED) from error
        except (jwt.InvalidTokenError, LookupError, *_MALFORMED) as error:
            raise TokenBackendError(_REFUSED) from error


def _key_id(token: str) -> Any:
    """Return what the header of a token names as its key; nothing of it is trusted for that."""
    header = token.partition(".")[0]
    return json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4)))["kid"]


@lru_cache(maxsize=8)
def _backend(keys: KeyRing, audience: str, issuer: str, leeway: timedelta) -> _Backend:
    return _Backend(keys, audience, issuer, leeway)


class SessionToken(Token):
    """
    A token of a session.

    Attributes:
        session_id: The session (``sid``).
        user_id: The person's key as text (``sub``).
        id: The token's own (``jti``).
        organization: What it is bound to (``org``), as text that other apps understand; None where it is not bound.

    Raises:
        TokenError: The text is no token of this kind, was not signed by us or is not good now.
    """

    token_type: ClassVar[str]  # type: ignore[misc]
    session_id: UUID
    user_id: str
    id: UUID
    organization: str | None = None

    def __init__(self, token: Any = None, verify: bool = True) -> None:
        try:
            super().__init__(token, verify)
        except _MALFORMED as error:
            raise TokenError(_REFUSED) from error

    @property
    def lifetime(self) -> timedelta:  # type: ignore[override]
        return AuthSettings.ACCESS_TOKEN_LIFETIME

    @cached_property
    def token_backend(self) -> TokenBackend:
        return _backend(key_ring(), AuthSettings.AUDIENCE, AuthSettings.ISSUER, AuthSettings.LEEWAY)

    def verify(self) -> None:
        self.check_exp()
        if self.payload["token_type"] != self.token_type:
            raise TokenError(_REFUSED)
        self.session_id = UUID(self._text("sid"))
        self.id = UUID(self._text("jti"))
        self.user_id = self._text("sub")
        self.organization = self._text(ORGANIZATION_CLAIM) if ORGANIZATION_CLAIM in self.payload else None

    def _text(self, claim: str) -> str:
        value = self.payload[claim]
        if not isinstance(value, str):
            raise TokenError(_REFUSED)
        return value

    @classmethod
    def issue(
        cls, session: Session, *, token_id: UUID, expires_at: datetime, organization: str | None
    ) -> Self:
        """Return a token of a session; ``str()`` of it is the signed text."""
        token = cls()
        token.session_id, token.user_id, token.id = session.pk, str(session.user_id), token_id
        token.organization = organization
        token.payload = {
            "token_type": cls.token_type,
            "exp": int(expires_at.timestamp()),
            "iat": int(timezone.now().timestamp()),
            "jti": str(token_id),
            "sub": token.user_id,
            "sid": str(session.pk),
        }
        if organization is not None:
            token.payload[ORGANIZATION_CLAIM] = organization
        return token


class AccessToken(SessionToken):
    """Signs one request after another, for minutes; never beyond its session."""

    token_type: ClassVar[str] = "access"  # type: ignore[misc]  # noqa: S105 - a kind, not a secret

    @classmethod
    def for_session(cls, session: Session, *, organization: str | None = None) -> Self:
        """Return a new access token."""
        expires_at = min(timezone.now() + AuthSettings.ACCESS_TOKEN_LIFETIME, session.expires_at)
        return cls.issue(session, token_id=uuid4(), expires_at=expires_at, organization=organization)


class RefreshToken(SessionToken):
    """Gets the next pair of tokens, once."""

    token_type: ClassVar[str] = "refresh"  # type: ignore[misc]  # noqa: S105

    @classmethod
    def for_session(cls, session: Session, *, organization: str | None = None) -> Self:
        """Return the refresh token that the session has now."""
        return cls.issue(
            session,
            token_id=session.refresh_id,
            expires_at=session.expires_at,
            organization=organization,
        )
