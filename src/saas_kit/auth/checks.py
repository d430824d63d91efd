"""System checks of sign-in."""

from __future__ import annotations

from datetime import timedelta

from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.core.exceptions import ImproperlyConfigured
from django.db.models import BooleanField
from django.urls import NoReverseMatch, reverse
from django.utils.module_loading import import_string

from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.identity import email_field, has_field
from saas_kit.auth.keys import MIN_SECRET_BYTES, is_short, key_ring
from saas_kit.core.conf import matches

BACKEND = "saas_kit.auth.backends.EmailBackend"
AUTHENTICATION = "saas_kit.auth.api.authentication.SessionTokenAuthentication"
MFA_ADAPTER = "saas_kit.auth.mfa.MFAAdapter"
SOCIAL_ADAPTER = "saas_kit.auth.social_adapter.SocialAccountAdapter"
MAX_ACCESS_LIFETIME = timedelta(minutes=15)
LONGEST = {
    "REFRESH_TOKEN_LIFETIME": timedelta(days=14),
    "RESET_PASSWORD_LIFETIME": timedelta(hours=1),
    "REUSE_LEEWAY": timedelta(seconds=10),
}

_MAKE_KEY = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"
_MAKE_KEYS = {
    "RS256": "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072",
    "ES256": "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256",
    "EdDSA": "openssl genpkey -algorithm ED25519",
}


def check_apps(**kwargs: object) -> list[CheckMessage]:
    """E002: addresses are allauth's rows."""
    if apps.is_installed("allauth.account"):
        return []
    return [
        Error(
            "saas_kit.auth needs allauth.account.",
            hint='Add "allauth.account" to INSTALLED_APPS.',
            id="saas_kit_auth.E002",
        )
    ]


def check_backend(**kwargs: object) -> list[CheckMessage]:
    """E003: one of the back ends signs people in by e-mail address, as allauth's does where it is told to."""
    if not apps.is_installed("allauth.account"):
        return []
    from allauth.account import app_settings  # noqa: PLC0415 - it cannot be imported without its app
    from allauth.account.auth_backends import AuthenticationBackend  # noqa: PLC0415

    ours = import_string(BACKEND)
    backends = [import_string(name) for name in settings.AUTHENTICATION_BACKENDS]
    if any(issubclass(backend, ours) for backend in backends):
        return []
    by_email = app_settings.LoginMethod.EMAIL in app_settings.LOGIN_METHODS
    if by_email and any(issubclass(backend, AuthenticationBackend) for backend in backends):
        return []
    return [
        Error(
            "No back end in AUTHENTICATION_BACKENDS signs people in by e-mail address.",
            hint=f'Add "{BACKEND}" to AUTHENTICATION_BACKENDS.',
            id="saas_kit_auth.E003",
        )
    ]


def check_signing_keys(**kwargs: object) -> list[CheckMessage]:
    """E004 and E006: a key that is too short can be guessed, and with one that is none nobody can sign in."""
    values = _signing_keys()
    short = [name for name, text in values.items() if is_short(text)]
    if short:
        return [
            Error(
                f"{name} is shorter than {MIN_SECRET_BYTES} bytes.",
                hint=f"Remove it, so that the key is derived from SECRET_KEY, or make one with: {_MAKE_KEY}",
                id="saas_kit_auth.E004",
            )
            for name in short
        ]
    if not values:
        return []
    try:
        key_ring()
    except ImproperlyConfigured as error:
        algorithm = AuthSettings.ALGORITHM
        return [
            Error(
                str(error),
                hint=f"Make a key for {algorithm} with: {_MAKE_KEYS.get(algorithm, _MAKE_KEY)}",
                id="saas_kit_auth.E006",
            )
        ]
    return []


def _signing_keys() -> dict[str, str]:
    """Return the texts of the keys by the names of their settings; none where a type is wrong, which is reported."""
    name = "SAAS_KIT_AUTH_SIGNING_KEY"
    key, fallbacks = AuthSettings.SIGNING_KEY, AuthSettings.SIGNING_KEY_FALLBACKS
    if not (matches(key, str) and matches(fallbacks, tuple[str, ...])):
        return {}
    return {name: key, **{f"{name}_FALLBACKS[{number}]": text for number, text in enumerate(fallbacks)}}


def check_user_model(**kwargs: object) -> list[CheckMessage]:
    """E005: the user model has an e-mail address and can be deactivated."""
    model = get_user_model()
    active = model._meta.get_field("is_active") if has_field("is_active") else None
    missing = []
    if not isinstance(active, BooleanField):
        missing.append('is_active = models.BooleanField(_("active"), default=True)')
    if not has_field(email_field()):
        missing.append(f'{email_field()} = models.EmailField(_("email address"))')
    return [
        Error(
            f"{model._meta.label} cannot be used to sign in: it has no field {line.split()[0]}.",
            hint=f"Add to it: {line}. Or derive it from saas_kit.auth.models.AbstractEmailUser.",
            obj=model,
            id="saas_kit_auth.E005",
        )
        for line in missing
    ]


def check_api(**kwargs: object) -> list[CheckMessage]:
    """W001: the API of the other apps takes the tokens of this one."""
    if not apps.is_installed("rest_framework"):
        return []
    classes = getattr(settings, "REST_FRAMEWORK", {}).get("DEFAULT_AUTHENTICATION_CLASSES", ())
    names = [name if isinstance(name, str) else f"{name.__module__}.{name.__qualname__}" for name in classes]
    if AUTHENTICATION in names:
        return []
    return [
        CheckWarning(
            "The API does not take the tokens of saas_kit.auth.",
            hint=f'Set REST_FRAMEWORK = {{"DEFAULT_AUTHENTICATION_CLASSES": ["{AUTHENTICATION}"]}}.',
            id="saas_kit_auth.W001",
        )
    ]


def check_mfa_adapter(**kwargs: object) -> list[CheckMessage]:
    """W006: allauth's own adapter stores secrets as they are, and names the service after the Host header."""
    if not apps.is_installed("allauth.mfa"):
        return []
    from allauth.mfa import app_settings  # noqa: PLC0415 - it cannot be imported without its app

    if issubclass(import_string(app_settings.ADAPTER), import_string(MFA_ADAPTER)):
        return []
    return [
        CheckWarning(
            "The secrets of authenticator apps are stored as they are.",
            hint=f'Set MFA_ADAPTER = "{MFA_ADAPTER}", or to a class that derives from it.',
            id="saas_kit_auth.W006",
        )
    ]


def check_social_adapter(**kwargs: object) -> list[CheckMessage]:
    """W007: allauth's own adapter reads whatever a provider sends, and takes the client's secret along a redirect."""
    if not apps.is_installed("allauth.socialaccount"):
        return []
    from allauth.socialaccount import app_settings  # noqa: PLC0415 - it cannot be imported without its app

    if issubclass(import_string(app_settings.ADAPTER), import_string(SOCIAL_ADAPTER)):
        return []
    return [
        CheckWarning(
            "Providers can make a request last for long, and lead it elsewhere.",
            hint=f'Set SOCIALACCOUNT_ADAPTER = "{SOCIAL_ADAPTER}", or to a class that derives from it.',
            id="saas_kit_auth.W007",
        )
    ]


def check_social_addresses(**kwargs: object) -> list[CheckMessage]:
    """W008: a new person needs an address, and allauth asks providers for none where it is not told to."""
    if not apps.is_installed("allauth.socialaccount"):
        return []
    from allauth.socialaccount import app_settings  # noqa: PLC0415 - it cannot be imported without its app

    if app_settings.QUERY_EMAIL:
        return []
    return [
        CheckWarning(
            "Google and GitHub are not asked for addresses, so that nobody new can sign in with them.",
            hint="Set SOCIALACCOUNT_QUERY_EMAIL = True.",
            id="saas_kit_auth.W008",
        )
    ]


def check_signing_key_is_its_own(**kwargs: object) -> list[CheckMessage]:
    """W002: whoever learns one secret should not have both."""
    return [
        CheckWarning(
            f"{name} is the same as SECRET_KEY.",
            hint=f"Remove it, so that the key is derived from SECRET_KEY, or make one with: {_MAKE_KEY}",
            id="saas_kit_auth.W002",
        )
        for name, text in _signing_keys().items()
        if text == settings.SECRET_KEY
    ]


def check_lifetimes(**kwargs: object) -> list[CheckMessage]:
    """W003: a token that leaks should not be good for long."""
    if AuthSettings.ACCESS_TOKEN_LIFETIME <= MAX_ACCESS_LIFETIME:
        return []
    return [
        CheckWarning(
            "SAAS_KIT_AUTH_ACCESS_TOKEN_LIFETIME is longer than 15 minutes.",
            hint="Set SAAS_KIT_AUTH_ACCESS_TOKEN_LIFETIME = timedelta(minutes=5).",
            id="saas_kit_auth.W003",
        )
    ]


def check_longer_lifetimes(**kwargs: object) -> list[CheckMessage]:
    """W015: what can be stolen from a mailbox or a device should not be good for long."""
    return [
        CheckWarning(
            f"SAAS_KIT_AUTH_{name} is longer than {limit}.",
            hint=f"Set SAAS_KIT_AUTH_{name} = timedelta(seconds={limit.total_seconds():.0f}), or less.",
            id="saas_kit_auth.W015",
        )
        for name, limit in LONGEST.items()
        if getattr(AuthSettings, name) > limit
    ]


def check_password_validators(**kwargs: object) -> list[CheckMessage]:
    """W004: the kit checks a password's length; what is common or easy to guess is for Django's validators."""
    if settings.AUTH_PASSWORD_VALIDATORS:
        return []
    return [
        CheckWarning(
            "AUTH_PASSWORD_VALIDATORS is empty, so that people can take passwords such as 'password'.",
            hint="Set AUTH_PASSWORD_VALIDATORS to the validators that startproject writes into the settings.",
            id="saas_kit_auth.W004",
        )
    ]


def check_registration(**kwargs: object) -> list[CheckMessage]:
    """W005: whoever asks learns who has an account, and can register with an address of somebody else's."""
    if AuthSettings.EMAIL_VERIFICATION == "mandatory":
        return []
    try:
        reverse("auth-register")
    except NoReverseMatch:
        return []
    return [
        CheckWarning(
            f'SAAS_KIT_AUTH_EMAIL_VERIFICATION is "{AuthSettings.EMAIL_VERIFICATION}", so that register/ signs people '
            "in before they prove their address, and tells whether an address has an account.",
            hint='Set SAAS_KIT_AUTH_EMAIL_VERIFICATION = "mandatory". Where that price is accepted, put '
            "saas_kit_auth.W005 into SILENCED_SYSTEM_CHECKS.",
            id="saas_kit_auth.W005",
        )
    ]


ALL = (
    check_apps,
    check_backend,
    check_signing_keys,
    check_user_model,
    check_api,
    check_mfa_adapter,
    check_social_adapter,
    check_social_addresses,
)
DEPLOY = (
    check_signing_key_is_its_own,
    check_lifetimes,
    check_longer_lifetimes,
    check_password_validators,
    check_registration,
)
