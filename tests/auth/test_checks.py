"""Each check, with what sets it off and what it wants."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.core.checks import run_checks

from saas_kit.auth import checks

pytestmark = pytest.mark.django_db

EMAIL_BACKEND = "saas_kit.auth.backends.EmailBackend"
ALLAUTH_BACKEND = "allauth.account.auth_backends.AuthenticationBackend"


def ids(messages):
    return [message.id for message in messages if message.id.startswith("saas_kit_auth.")]


def test_a_host_that_is_set_up_has_nothing_to_hear():
    assert ids(run_checks()) == []


@pytest.mark.parametrize(
    ("overrides", "expected", "hint", "deploy"),
    [
        ({"SAAS_KIT_AUTH_SIGNING_KEY": "too short"}, "E004", "secrets.token_urlsafe(48)", False),
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
        ({"SAAS_KIT_AUTH_ACCESS_TOKEN_LIFETIME": timedelta(hours=1)}, "W003", "timedelta(minutes=5)", True),
        ({"SAAS_KIT_AUTH_SIGNING_KEY": django_settings.SECRET_KEY}, "W002", "Remove it", True),
        ({"AUTH_PASSWORD_VALIDATORS": []}, "W004", "AUTH_PASSWORD_VALIDATORS", True),
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
        {"AUTHENTICATION_BACKENDS": [ALLAUTH_BACKEND], "ACCOUNT_LOGIN_METHODS": {"email"}},
        {"SAAS_KIT_AUTH_ACCESS_TOKEN_LIFETIME": timedelta(minutes=15)},
    ],
)
def test_what_is_safe_is_not_reported(settings, overrides):
    for name, value in overrides.items():
        setattr(settings, name, value)

    assert not {"saas_kit_auth.E003", "saas_kit_auth.E004", "saas_kit_auth.W002", "saas_kit_auth.W003"} & set(
        ids(run_checks(include_deployment_checks=True))
    )


@pytest.mark.hosts("full", "default_user", "custom_organization")
@pytest.mark.parametrize(("routed", "expected"), [(True, 1), (False, 0)])
def test_i54_w005_registration_that_tells_who_has_an_account(settings, routed, expected):
    if not routed:
        settings.ROOT_URLCONF = "tests.hosts.models_only.urls"

    found = [m for m in run_checks(include_deployment_checks=True) if m.id == "saas_kit_auth.W005"]

    assert len(found) == expected
    assert all("email_taken" in message.hint for message in found)
    assert "saas_kit_auth.W005" not in ids(run_checks())


@pytest.mark.hosts("full", "default_user", "custom_organization")
def test_w001_an_api_that_takes_no_tokens(settings):
    settings.REST_FRAMEWORK = {
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework.authentication.BasicAuthentication"]
    }

    (message,) = checks.check_api()

    assert message.id == "saas_kit_auth.W001"
    assert checks.AUTHENTICATION in message.hint


def test_e002_apps_that_are_missing(monkeypatch):
    assert checks.check_apps() == []
    monkeypatch.setattr(apps, "is_installed", lambda name: False)

    messages = checks.check_apps()

    assert [message.id for message in messages] == ["saas_kit_auth.E002"] * 2
    assert ['"allauth.account"' in messages[0].hint, '"saas_kit.audit"' in messages[1].hint] == [True, True]


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
