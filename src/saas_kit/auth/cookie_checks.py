"""System checks of tokens in cookies."""

from __future__ import annotations

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from saas_kit.auth.conf import AuthSettings

_CSRF = "django.middleware.csrf.CsrfViewMiddleware"


def check_cookies(**kwargs: object) -> list[CheckMessage]:
    """E011: cookies that no browser takes, and front ends that never get a CSRF token, can sign nobody in."""
    if not AuthSettings.COOKIES:
        return []
    faults = []
    if not _sets_csrf_cookie():
        faults.append(("nothing sets the cookie of the CSRF check", f'Add "{_CSRF}" to MIDDLEWARE.'))
    if AuthSettings.COOKIE_SAMESITE == "None" and not AuthSettings.COOKIE_SECURE:
        faults.append(
            (
                "browsers refuse a cookie with SameSite=None that is not Secure",
                "Set SAAS_KIT_AUTH_COOKIE_SECURE = True.",
            )
        )
    try:
        reverse("auth-refresh")
    except NoReverseMatch:
        hint = 'Add path("api/v1/", include("saas_kit.urls")) to the URLs.'
        faults.append(("there is no refresh/ to limit the refresh cookie to", hint))
    return [
        Error(f"SAAS_KIT_AUTH_COOKIES is on, and {fault}.", hint=hint, id="saas_kit_auth.E011")
        for fault, hint in faults
    ]


def _sets_csrf_cookie() -> bool:
    middleware = import_string(_CSRF)
    return any(
        isinstance(each, type) and issubclass(each, middleware)
        for each in map(import_string, settings.MIDDLEWARE)
    )


def check_secure_cookies(**kwargs: object) -> list[CheckMessage]:
    """W012: who listens on the way reads tokens that are sent in clear."""
    if not AuthSettings.COOKIES or AuthSettings.COOKIE_SECURE:
        return []
    return [
        CheckWarning(
            "SAAS_KIT_AUTH_COOKIE_SECURE is off: browsers send tokens over plain HTTP.",
            hint="Set SAAS_KIT_AUTH_COOKIE_SECURE = True.",
            id="saas_kit_auth.W012",
        )
    ]


def check_same_site_cookies(**kwargs: object) -> list[CheckMessage]:
    """W013: where other sites can send the cookies along, only the CSRF check is in their way."""
    if not AuthSettings.COOKIES or AuthSettings.COOKIE_SAMESITE != "None":
        return []
    return [
        CheckWarning(
            'SAAS_KIT_AUTH_COOKIE_SAMESITE is "None": requests that any other site causes bear the tokens.',
            hint='Serve the front end from the site of the API, and set SAAS_KIT_AUTH_COOKIE_SAMESITE = "Lax". Where '
            "it is on another site, put saas_kit_auth.W013 into SILENCED_SYSTEM_CHECKS.",
            id="saas_kit_auth.W013",
        )
    ]


ALL = (check_cookies,)
DEPLOY = (check_secure_cookies, check_same_site_cookies)
