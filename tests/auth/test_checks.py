"""Each check, with what sets it off and what it wants."""

from __future__ import annotations

from datetime import timedelta
from types import ModuleType, SimpleNamespace

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib import admin
from django.contrib.admin.forms import AdminAuthenticationForm
from django.core.checks import run_checks
from django.urls import path

from saas_kit.auth import admin_checks, checks
from saas_kit.auth.forms import AdminSignInForm
from tests.auth.keys import PRIVATE, PUBLIC

pytestmark = pytest.mark.django_db

EMAIL_BACKEND = "saas_kit.auth.backends.EmailBackend"
ALLAUTH_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
WITH_MORE_OF_ALLAUTH = pytest.mark.hosts("full", "default_user", "custom_organization")
REDIS = {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": "redis://127.0.0.1:6379/0"}
UNSHARED_CACHES = [
    {"BACKEND": f"django.core.cache.backends.{name}", "LOCATION": "somewhere"}
    for name in ("locmem.LocMemCache", "dummy.DummyCache", "filebased.FileBasedCache", "db.DatabaseCache")
]


def ids(messages):
    return [message.id for message in messages if message.id.startswith("saas_kit_auth.")]


def test_a_host_that_is_set_up_has_nothing_to_hear():
    assert ids(run_checks()) == []


@pytest.mark.parametrize(
    ("overrides", "expected", "hint", "deploy"),
    [
        ({"SAAS_KIT_AUTH_SIGNING_KEY": "too short"}, "E004", "secrets.token_urlsafe(48)", False),
        ({"SAAS_KIT_AUTH_SIGNING_KEY_FALLBACKS": ["", "too short"]}, "E004", "token_urlsafe(48)", False),
        ({"SAAS_KIT_AUTH_ALGORITHM": "ES256"}, "E006", "openssl genpkey -algorithm EC", False),
        ({"SAAS_KIT_AUTH_SIGNING_KEY": PRIVATE["RS256"]}, "E006", "secrets.token_urlsafe(48)", False),
        (
            {"SAAS_KIT_AUTH_ALGORITHM": "RS256", "SAAS_KIT_AUTH_SIGNING_KEY": PRIVATE["RS256"][:99]},
            "E006",
            "openssl genpkey -algorithm RSA",
            False,
        ),
        (
            {"SAAS_KIT_AUTH_SIGNING_KEY_FALLBACKS": [PUBLIC["EdDSA"][:40]]},
            "E006",
            "secrets.token_urlsafe(48)",
            False,
        ),
        (
            {"AUTHENTICATION_BACKENDS": ["django.contrib.auth.backends.ModelBackend"]},
            "E003",
            EMAIL_BACKEND,
            False,
        ),
        (
            {"AUTHENTICATION_BACKENDS": [ALLAUTH_BACKEND], "ACCOUNT_LOGIN_METHODS": {"username"}},
            "E003",
            EMAIL_BACKEND,
            False,
        ),
        pytest.param(
            {"SOCIALACCOUNT_ADAPTER": "allauth.socialaccount.adapter.DefaultSocialAccountAdapter"},
            "W007",
            "saas_kit.auth.social_adapter.SocialAccountAdapter",
            False,
            marks=WITH_MORE_OF_ALLAUTH,
        ),
        *(
            pytest.param(
                {"SAAS_KIT_AUTH_PASSKEY_RP_ID": domain},
                "E030",
                'SAAS_KIT_AUTH_PASSKEY_RP_ID = "',
                False,
                marks=WITH_MORE_OF_ALLAUTH,
            )
            for domain in ("https://app.example.com", "app.example.com:443", "example.org", "App.example.com")
        ),
        pytest.param(
            {"SAAS_KIT_EMAIL_FRONTEND_URL": ""},
            "E030",
            'SAAS_KIT_AUTH_PASSKEY_RP_ID = "',
            False,
            marks=WITH_MORE_OF_ALLAUTH,
        ),
        pytest.param(
            {"SAAS_KIT_EMAIL_FRONTEND_URL": "http://app.example.com"},
            "E030",
            "webauthn",
            False,
            marks=WITH_MORE_OF_ALLAUTH,
        ),
        pytest.param(
            {"MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN": True},
            "E031",
            "Remove MFA_WEBAUTHN_ALLOW",
            False,
            marks=WITH_MORE_OF_ALLAUTH,
        ),
        pytest.param(
            {"SOCIALACCOUNT_QUERY_EMAIL": False},
            "W008",
            "SOCIALACCOUNT_QUERY_EMAIL = True",
            False,
            marks=WITH_MORE_OF_ALLAUTH,
        ),
        ({"SAAS_KIT_AUTH_ACCESS_TOKEN_LIFETIME": timedelta(hours=1)}, "W003", "timedelta(minutes=5)", True),
        ({"SAAS_KIT_AUTH_SIGNING_KEY": django_settings.SECRET_KEY}, "W002", "Remove it", True),
        ({"SAAS_KIT_AUTH_SIGNING_KEY_FALLBACKS": [django_settings.SECRET_KEY]}, "W002", "Remove it", True),
        *(
            (
                {f"SAAS_KIT_AUTH_{name}": timedelta(days=90)},
                "W015",
                f"SAAS_KIT_AUTH_{name} = timedelta(",
                True,
            )
            for name in ("REFRESH_TOKEN_LIFETIME", "RESET_PASSWORD_LIFETIME", "REUSE_LEEWAY")
        ),
        ({"AUTH_PASSWORD_VALIDATORS": []}, "W004", "AUTH_PASSWORD_VALIDATORS", True),
        ({"SAAS_KIT_AUTH_RATE_LIMITS": {"login": None}}, "W010", "'100/h'", True),
        (
            {"CACHES": {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}},
            "W011",
            "RedisCache",
            True,
        ),
        *(
            ({"SAAS_KIT_AUTH_CACHE_ACCESS": True, "CACHES": {"default": cache}}, "E020", "RedisCache", False)
            for cache in UNSHARED_CACHES
        ),
        (
            {
                "SAAS_KIT_AUTH_CACHE_ACCESS": True,
                "CACHES": {
                    "default": {**REDIS, "LOCATION": ["redis://primary:6379", "redis://replica:6379"]}
                },
            },
            "W020",
            "Name the primary alone",
            True,
        ),
    ],
)
def test_i78_and_others_are_reported_with_a_hint(settings, overrides, expected, hint, deploy):
    for name, value in overrides.items():
        setattr(settings, name, value)

    found = [m for m in run_checks(include_deployment_checks=deploy) if m.id == f"saas_kit_auth.{expected}"]

    assert len(found) == 1
    assert hint in found[0].hint
    if deploy:
        assert f"saas_kit_auth.{expected}" not in ids(run_checks())


@pytest.mark.parametrize(
    "overrides",
    [
        {"SAAS_KIT_AUTH_SIGNING_KEY": "k" * 32},
        {"SAAS_KIT_AUTH_SIGNING_KEY": ""},
        {"SAAS_KIT_AUTH_SIGNING_KEY_FALLBACKS": ["k" * 32, "", PUBLIC["ES256"]]},
        {"SAAS_KIT_AUTH_ALGORITHM": "RS256", "SAAS_KIT_AUTH_SIGNING_KEY": PRIVATE["RS256"]},
        {"AUTHENTICATION_BACKENDS": [ALLAUTH_BACKEND], "ACCOUNT_LOGIN_METHODS": {"email"}},
        {"SAAS_KIT_AUTH_ACCESS_TOKEN_LIFETIME": timedelta(minutes=15)},
        {"SAAS_KIT_AUTH_CACHE_ACCESS": False, "CACHES": {"default": UNSHARED_CACHES[0]}},
        {"SAAS_KIT_AUTH_CACHE_ACCESS": True, "CACHES": {"default": REDIS}},
        {"SAAS_KIT_AUTH_PASSKEY_RP_ID": "example.com"},
        {"SAAS_KIT_AUTH_PASSKEY_RP_ID": "example.org", "SAAS_KIT_EMAIL_FRONTEND_URL": ""},
        {"SAAS_KIT_EMAIL_FRONTEND_URL": "", "MFA_SUPPORTED_TYPES": ["totp"]},
        {"MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN": True, "MFA_SUPPORTED_TYPES": ["totp"]},
        {"MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN": True, "DEBUG": True},
    ],
)
def test_what_is_safe_is_not_reported(settings, overrides):
    for name, value in overrides.items():
        setattr(settings, name, value)

    unsafe = {
        f"saas_kit_auth.{each}" for each in ("E003", "E004", "E020", "E030", "E031", "W002", "W003", "W020")
    }
    assert not unsafe & set(ids(run_checks(include_deployment_checks=True)))


@pytest.mark.hosts("full", "default_user", "custom_organization")
@pytest.mark.parametrize(
    ("routed", "verification", "expected"),
    [(True, "optional", 1), (True, "off", 1), (True, "mandatory", 0), (False, "optional", 0)],
)
def test_i54_w005_registration_that_tells_who_has_an_account(settings, routed, verification, expected):
    settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = verification
    if not routed:
        settings.ROOT_URLCONF = "tests.hosts.models_only.urls"

    found = [m for m in run_checks(include_deployment_checks=True) if m.id == "saas_kit_auth.W005"]

    assert len(found) == expected
    assert all('"mandatory"' in message.hint for message in found)
    assert "saas_kit_auth.W005" not in ids(run_checks())


@pytest.mark.parametrize(
    "limits", [{"login": "often"}, {"login": 5}, {"logins": "5/m"}, {"login": "0/m"}], ids=str
)
def test_e010_limits_that_cannot_be_read(settings, limits):
    settings.SAAS_KIT_AUTH_RATE_LIMITS = limits

    (message,) = [m for m in run_checks() if m.id == "saas_kit_auth.E010"]

    assert 'SAAS_KIT_AUTH_RATE_LIMITS = {"login": "5/5m"}' in message.hint


@pytest.mark.hosts("full", "default_user", "custom_organization")
def test_w001_an_api_that_takes_no_tokens(settings):
    settings.REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.BasicAuthentication"]
    }

    (message,) = checks.check_api()

    assert message.id == "saas_kit_auth.W001"
    assert checks.AUTHENTICATION in message.hint


@pytest.mark.hosts("full", "default_user", "custom_organization")
def test_w006_secrets_of_authenticator_apps_in_clear(settings):
    settings.MFA_ADAPTER = "allauth.mfa.adapter.DefaultMFAAdapter"
    (message,) = checks.check_mfa_adapter()
    assert message.id == "saas_kit_auth.W006"
    assert 'MFA_ADAPTER = "saas_kit.auth.mfa.MFAAdapter"' in message.hint

    settings.MFA_ADAPTER = "saas_kit.auth.mfa.MFAAdapter"
    assert checks.check_mfa_adapter() == []


@pytest.mark.hosts("full", "default_user", "custom_organization")
@pytest.mark.parametrize(
    ("form", "routed", "expected"),
    [
        (None, True, 1),
        (AdminAuthenticationForm, True, 1),
        (AdminSignInForm, True, 0),
        (type("OwnForm", (AdminSignInForm,), {}), True, 0),
        (None, False, 0),
    ],
)
def test_w014_an_admin_that_lets_passwords_be_guessed(settings, monkeypatch, form, routed, expected):
    """I60, I64: an admin that is routed has the kit's form, or one that derives from it; for deployment."""
    monkeypatch.setattr(admin.site, "login_form", form)
    if not routed:
        settings.ROOT_URLCONF = "tests.hosts.models_only.urls"

    found = [m for m in run_checks(include_deployment_checks=True) if m.id == "saas_kit_auth.W014"]

    assert len(found) == expected
    assert all("admin.site.login_form = AdminSignInForm" in message.hint for message in found)
    assert "saas_kit_auth.W014" not in ids(run_checks())


@pytest.mark.hosts("full", "default_user", "custom_organization")
def test_w014_is_about_the_admins_that_are_routed(settings, monkeypatch):
    """A host's own site is named where it is in the URLs, and the default one is not where it is not."""
    monkeypatch.setattr(admin.site, "login_form", None)
    own = admin.AdminSite(name="office")
    urls = ModuleType("urls_of_an_office")
    urls.urlpatterns = [path("office/", own.urls)]
    settings.ROOT_URLCONF = urls

    (message,) = admin_checks.check_admin_sign_in()
    assert "'office'" in message.msg

    own.login_form = AdminSignInForm
    assert admin_checks.check_admin_sign_in() == []


def test_e002_apps_that_are_missing(monkeypatch):
    assert checks.check_apps() == []
    monkeypatch.setattr(apps, "is_installed", lambda name: False)

    (message,) = checks.check_apps()

    assert message.id == "saas_kit_auth.E002"
    assert '"allauth.account"' in message.hint


def test_e005_a_user_model_that_cannot_be_deactivated(monkeypatch):
    model = SimpleNamespace(
        _meta=SimpleNamespace(label="people.Person", concrete_fields=[]),
        get_email_field_name=lambda: "email",
    )
    monkeypatch.setattr("saas_kit.auth.checks.get_user_model", lambda: model)
    monkeypatch.setattr("saas_kit.auth.identity.get_user_model", lambda: model)

    messages = checks.check_user_model()

    assert [message.id for message in messages] == ["saas_kit_auth.E005"] * 2
    assert "is_active = models.BooleanField" in messages[0].hint
    assert "email = models.EmailField" in messages[1].hint


NO_CSRF = [each for each in django_settings.MIDDLEWARE if "CsrfViewMiddleware" not in each]


@pytest.mark.hosts("full", "default_user", "custom_organization")
@pytest.mark.parametrize(
    ("overrides", "expected", "hint"),
    [
        ({"MIDDLEWARE": NO_CSRF}, ["E011"], "django.middleware.csrf.CsrfViewMiddleware"),
        ({"ROOT_URLCONF": "tests.hosts.models_only.urls"}, ["E011"], 'include("saas_kit.urls")'),
        ({"SAAS_KIT_AUTH_COOKIE_SECURE": False}, ["W012"], "SAAS_KIT_AUTH_COOKIE_SECURE = True"),
        ({"SAAS_KIT_AUTH_COOKIE_SAMESITE": "None"}, ["W013"], 'SAAS_KIT_AUTH_COOKIE_SAMESITE = "Lax"'),
        (
            {"SAAS_KIT_AUTH_COOKIE_SAMESITE": "None", "SAAS_KIT_AUTH_COOKIE_SECURE": False},
            ["E011", "W012", "W013"],
            "SAAS_KIT_AUTH_COOKIE_SECURE = True",
        ),
        ({}, [], ""),
    ],
)
def test_i77_cookies_that_are_not_safe_or_cannot_work(settings, overrides, expected, hint):
    """I77: they are reported where cookies are on; the warnings are for deployment."""
    for name, value in overrides.items():
        setattr(settings, name, value)
    ours = {f"saas_kit_auth.{each}" for each in ("E011", "W012", "W013")}

    def found(**kwargs):
        return [each for each in run_checks(**kwargs) if each.id in ours]

    assert found(include_deployment_checks=True) == []
    settings.SAAS_KIT_AUTH_COOKIES = True
    messages = found(include_deployment_checks=True)

    assert sorted(each.id for each in messages) == [f"saas_kit_auth.{each}" for each in expected]
    assert all(hint in each.hint for each in messages[:1])
    assert all(each.id == "saas_kit_auth.E011" for each in found())
