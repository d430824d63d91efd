"""
What providers say of people.

allauth's providers ask and verify; what they leave open is closed here. No view, session or sign-up of allauth is used.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import jwt
import requests
from allauth.socialaccount.adapter import get_adapter
from allauth.socialaccount.providers.oauth2.client import OAuth2Error
from django.core.exceptions import ImproperlyConfigured, PermissionDenied, ValidationError
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.exceptions import InvalidCredentials, UnknownRedirectURI, UnsupportedCredential
from saas_kit.auth.identity import has_field
from saas_kit.core.addresses import has_dns_form, normalize_email
from saas_kit.core.exceptions import NotFound, Unavailable
from saas_kit.email.links import frontend_link

logger = logging.getLogger("saas_kit.auth")

ALGORITHMS = frozenset(
    {"RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512", "EdDSA"}
)
"""What an id_token may be signed with: nothing for which the key is known to anybody but the provider."""

BINDS_ACCESS_TOKENS = frozenset({"facebook"})
"""Providers of allauth that make sure that an access token was issued to the host's own client."""

_AUTHORIZE_PATH = "/social/{provider}"
_REMEMBER = 3600.0  # seconds for an address of a provider
_RETRY = 60.0  # seconds until a provider that could not be asked is asked again
_remembered: dict[tuple[str, str], tuple[float, str | None]] = {}

# What allauth raises over an answer of another shape than it expects. Errors of the database are not among them.
_STRANGE = (
    ArithmeticError,
    AttributeError,
    ImproperlyConfigured,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
    jwt.PyJWTError,
)


@dataclass(frozen=True, slots=True)
class Identity:
    """
    Who somebody is at a provider.

    Attributes:
        provider: The provider's id.
        provider_name: What people call it.
        uid: Who they are there, for good.
        email: Their address, normalized; empty where the provider tells none.
        email_verified: Whether the provider says that it is theirs.
        names: Those fields of the user model that the provider tells.
    """

    provider: str
    provider_name: str
    uid: str
    email: str = ""
    email_verified: bool = False
    names: dict[str, str] = field(default_factory=dict)


def list_providers(request: HttpRequest) -> list[Any]:
    """Return allauth's providers that the host has configured and that people can sign in with."""
    return [each for each in _configured(request) if not each.app.settings.get("hidden")]


def get_provider(request: HttpRequest, provider_id: str) -> Any:
    """
    Return a provider by its id.

    Raises:
        NotFound: The host has not configured it, or more than one of the same id.
    """
    found = [each for each in list_providers(request) if each.sub_id == provider_id]
    if len(found) != 1:
        raise NotFound
    return found[0]


def name_of(provider: Any) -> str:
    """Return what people call a provider."""
    return str(provider.app.name or provider.name)


def credentials_of(provider: Any) -> list[str]:
    """Return what a provider takes: ``code``, ``id_token``, ``access_token``."""
    kinds = ["code"]
    if provider.supports_token_authentication:
        kinds.append("id_token")
        if provider.id in BINDS_ACCESS_TOKENS:
            # with the access token of another client, that client could sign in here as its users
            kinds.append("access_token")
    return kinds


def authorize_url_of(request: HttpRequest, provider: Any) -> str | None:
    """Return where a provider asks people who they are; None where it tells itself and cannot be asked right now."""
    adapter = provider.get_oauth2_adapter(request)
    if not hasattr(type(adapter), "openid_config"):
        return str(adapter.authorize_url)
    key = (provider.sub_id, provider.server_url)
    until, url = _remembered.get(key, (0.0, None))
    if time.monotonic() >= until:
        try:
            with _asking(provider):
                url = str(adapter.authorize_url)
        except (InvalidCredentials, Unavailable):
            url = None
        _remembered[key] = (time.monotonic() + (_RETRY if url is None else _REMEMBER), url)
    return url


def redirect_uris_of(provider: Any) -> list[str]:
    """Return where a provider may send people back to, as the settings say; never what a request says."""
    provider_id = quote(provider.sub_id, safe="")
    if AuthSettings.SOCIAL_REDIRECT_URIS:
        return [each.replace("{provider}", provider_id) for each in AuthSettings.SOCIAL_REDIRECT_URIS]
    link = frontend_link(_AUTHORIZE_PATH, provider=provider_id)
    return [link] if link else []


@sensitive_variables("code", "code_verifier", "answer", "token")
def identify_by_code(
    request: HttpRequest,
    provider: Any,
    *,
    code: str,
    redirect_uri: str | None = None,
    code_verifier: str | None = None,
    nonce: str | None = None,
) -> Identity:
    """
    Take an authorization code to the provider.

    Args:
        redirect_uri: Where the provider sent the person back to; the first of the settings where it is left out.
        code_verifier: The secret of PKCE.
        nonce: What the id_token has to have.

    Raises:
        UnknownRedirectURI: The settings do not name it.
        InvalidCredentials: The provider does not take the code.
        Unavailable: The provider does not answer as it should.
    """
    allowed = redirect_uris_of(provider)
    if not allowed or redirect_uri not in (None, *allowed):
        raise UnknownRedirectURI
    with _asking(provider):
        adapter = provider.get_oauth2_adapter(request)
        adapter.get_callback_url = lambda request, app: redirect_uri or allowed[0]
        client = adapter.get_client(request, provider.app)
        answer = client.get_access_token(code, pkce_code_verifier=code_verifier)
        claims: dict[str, Any] = {}
        if answer.get("id_token"):
            claims = _read_id_token(provider, answer["id_token"])
        _require_nonce(claims, nonce)
        token = adapter.parse_token(answer)
        # `did_fetch_access_token` stays unset: allauth verifies the id_token's signature then
        login = adapter.complete_login(request, provider.app, token, response=answer)
        userinfo = login.account.extra_data.get("userinfo")
        if claims and userinfo and userinfo["sub"] != claims["sub"]:
            raise InvalidCredentials  # OpenID Connect Core 1.0, section 5.3.2
        return _identity_of(provider, login)


@sensitive_variables("token")
def identify_by_token(
    request: HttpRequest, provider: Any, *, kind: str, token: str, nonce: str | None = None
) -> Identity:
    """
    Take a token that the front end got from the provider.

    Args:
        kind: ``id_token`` or ``access_token``.
        nonce: What an id_token has to have.

    Raises:
        UnsupportedCredential: The provider is not asked for this kind.
        InvalidCredentials: The token is not the provider's, not for this client, or no longer good.
        Unavailable: The provider does not answer as it should.
    """
    if kind not in credentials_of(provider):
        raise UnsupportedCredential(field=kind)
    with _asking(provider):
        claims = _read_id_token(provider, token) if kind == "id_token" else {}
        _require_nonce(claims, nonce)
        return _identity_of(provider, provider.verify_token(request, {kind: token}))


def _configured(request: HttpRequest) -> list[Any]:
    providers = get_adapter(request).list_providers(request)
    return [each for each in providers if each.app is not None and hasattr(each, "oauth2_adapter_class")]


@contextmanager
def _asking(provider: Any) -> Iterator[None]:
    """Turn whatever goes wrong with a provider into one of two errors; what it said is neither told nor logged."""
    try:
        yield
    except (requests.RequestException, OAuth2Error, ValidationError, PermissionDenied, *_STRANGE) as error:
        is_outage = _is_outage(error)
        logger.warning(
            "Signing in at %s failed: %s, %s.",
            provider.sub_id,
            type(error).__name__,
            "an outage" if is_outage else "refused",
        )
        raise (Unavailable if is_outage else InvalidCredentials) from None


def _is_outage(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, requests.RequestException):
            status = None if error.response is None else error.response.status_code
            return not (isinstance(error, requests.HTTPError) and status is not None and 400 <= status < 500)
        error = error.__cause__
    return False


def _read_id_token(provider: Any, id_token: str) -> dict[str, Any]:
    """
    Return what an id_token claims, before allauth verifies its signature, issuer, audience and times.

    Raises:
        InvalidCredentials: It is nothing that allauth should have to look at.
    """
    header = jwt.get_unverified_header(id_token)
    claims: dict[str, Any] = jwt.decode(id_token, options={"verify_signature": False})
    audience = claims.get("aud")
    has_others = isinstance(audience, list) and len(audience) > 1
    if (
        header.get("alg") not in ALGORITHMS
        or not isinstance(header.get("kid"), str)
        or not isinstance(claims.get("exp"), int)
        or not isinstance(claims.get("sub"), str)
        # OpenID Connect Core 1.0, section 3.1.3.7: it was issued to `azp`
        or (has_others and claims.get("azp") != provider.app.client_id)
    ):
        raise InvalidCredentials
    return claims


def _require_nonce(claims: dict[str, Any], nonce: str | None) -> None:
    if nonce is not None and claims.get("nonce") != nonce:
        raise InvalidCredentials


def _identity_of(provider: Any, login: Any) -> Identity:
    uid = login.account.uid
    if not uid.isprintable() or login.account.provider != provider.sub_id:
        raise InvalidCredentials
    email, verified = _address_of(login)
    names = {
        name: _clean(getattr(login.user, name))
        for name in ("first_name", "last_name")
        if has_field(name) and getattr(login.user, name)
    }
    return Identity(provider.sub_id, name_of(provider), uid, email, verified, names)


def _address_of(login: Any) -> tuple[str, bool]:
    """Return the address that is worth most, and whether the provider has verified it."""
    found = []
    for each in login.email_addresses:
        email = normalize_email(each.email)
        # some providers send JSON's true as a text; of "false" as a text allauth makes a truth
        verified = each.verified is True or each.verified == "true"
        if has_dns_form(email):
            found.append((verified, bool(each.primary), email))
    verified, _, email = max(found, key=lambda each: each[:2], default=(False, False, ""))
    return email, verified


def _clean(name: str) -> str:
    return "".join(letter for letter in name if letter.isprintable()).strip()
