"""
Tokens in cookies that scripts cannot read, for front ends in a browser.

Other sites can make a browser send cookies, so whoever is known by one has to pass Django's CSRF check on every method
that changes something. The names say what the attributes warrant (RFC 6265bis, section 4.1.3). Only ``__Host-``, which
takes ``SAAS_KIT_AUTH_COOKIE_PATH = "/"`` and no domain, keeps a subdomain from setting a cookie of the same name.
"""

from __future__ import annotations

from datetime import timedelta
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import CsrfViewMiddleware, get_token, rotate_token
from django.urls import get_script_prefix, get_urlconf, reverse
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.services import Tokens

TRANSPORT_HEADER = "X-Token-Transport"
TRANSPORT = "cookie"
ACCESS = "saas_kit_access"
REFRESH = "saas_kit_refresh"


class CsrfFailed(PermissionDenied):
    """A request that is known by a cookie does not prove that the front end itself sent it."""

    default_code = "csrf_failed"
    default_detail = _("The CSRF token is missing or wrong.")


def are_asked_for(request: Request) -> bool:
    """Tell whether a client wants its tokens in cookies, and can have them there."""
    return AuthSettings.COOKIES and request.headers.get(TRANSPORT_HEADER, "").lower() == TRANSPORT


def access_token_of(request: Request) -> str | None:
    """Return the access token that a browser sent by itself."""
    return request.COOKIES.get(access_name()) if AuthSettings.COOKIES else None


def refresh_token_of(request: Request) -> str | None:
    """Return the refresh token that a browser sent by itself."""
    return request.COOKIES.get(refresh_name()) if AuthSettings.COOKIES else None


def check_csrf(request: Request) -> None:
    """
    Have a request with a cookie prove that it comes from the front end itself.

    Raises:
        CsrfFailed: It changes something, and does not prove it.
    """
    check = _CsrfCheck(_checked)
    check.process_request(request._request)
    if check.process_view(request._request, _checked, (), {}) is not None:
        raise CsrfFailed


def _checked(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


class _CsrfCheck(CsrfViewMiddleware):
    """Says why a request is refused, where Django's middleware answers a page."""

    def _reject(self, request: object, reason: str) -> str:
        return reason


def put_tokens(response: Response, request: Request, tokens: Tokens, *, is_new: bool) -> None:
    """
    Let an answer set the cookies of a pair of tokens, and that of the CSRF check.

    Args:
        is_new: Whether the session is; what was known for the CSRF check before a sign-in is of no use after it.
    """
    left = tokens.session.expires_at - timezone.now()
    _put(response, access_name(), tokens.access, access_path(), min(left, AuthSettings.ACCESS_TOKEN_LIFETIME))
    _put(response, refresh_name(), tokens.refresh, auth_path(), left)
    if is_new:
        rotate_token(request._request)
    else:
        get_token(request._request)


def delete_tokens(response: Response, request: Request) -> None:
    """Let an answer delete the cookies that its request came with."""
    if not AuthSettings.COOKIES:
        return
    for name, path in ((access_name(), access_path()), (refresh_name(), auth_path())):
        if name in request.COOKIES:
            response.delete_cookie(
                name,
                path=path,
                domain=AuthSettings.COOKIE_DOMAIN or None,
                samesite=AuthSettings.COOKIE_SAMESITE,
            )


def auth_path() -> str:
    """Return the path of the API of sign-in."""
    return _auth_path(get_urlconf() or settings.ROOT_URLCONF, get_script_prefix())


def access_path() -> str:
    """Return the path of the whole API."""
    return AuthSettings.COOKIE_PATH or auth_path().removesuffix("auth/")


def access_name() -> str:
    """Return the name of the cookie that signs requests."""
    return _prefix(access_path()) + ACCESS


def refresh_name() -> str:
    """Return the name of the cookie that gets the next pair."""
    return _prefix(auth_path()) + REFRESH


@lru_cache(maxsize=8)
def _auth_path(urlconf: str, script_prefix: str) -> str:
    return reverse("auth-refresh", urlconf).removesuffix("refresh/")


def _prefix(path: str) -> str:
    if not AuthSettings.COOKIE_SECURE:
        return ""
    return "__Host-" if path == "/" and not AuthSettings.COOKIE_DOMAIN else "__Secure-"


def _put(response: Response, name: str, value: str, path: str, lifetime: timedelta) -> None:
    response.set_cookie(
        name,
        value,
        max_age=lifetime,
        path=path,
        domain=AuthSettings.COOKIE_DOMAIN or None,
        secure=AuthSettings.COOKIE_SECURE,
        httponly=True,
        samesite=AuthSettings.COOKIE_SAMESITE,
    )
