"""Each check, with what sets it off and what it wants."""

from __future__ import annotations

from datetime import timedelta

import django
import pytest
from django.core.checks import run_checks

pytestmark = [
    pytest.mark.hosts("full"),
    pytest.mark.django_db,
    pytest.mark.filterwarnings("ignore:Your Anymail webhooks are insecure"),
]

SMTP = "django.core.mail.backends.smtp.EmailBackend"
POSTMARK = "anymail.backends.postmark.EmailBackend"


@pytest.fixture(autouse=True)
def _host(settings):
    """A host in which nothing is wrong."""
    settings.SAAS_KIT_EMAIL_PUBLIC_URL = "https://api.example.com"


def ids(messages):
    return [message.id for message in messages if message.id.startswith("saas_kit_email.")]


def test_a_host_that_is_set_up_has_nothing_to_hear():
    assert ids(run_checks(include_deployment_checks=True)) == []


@pytest.mark.parametrize(
    ("overrides", "expected", "hint", "deploy"),
    [
        ({"FRONTEND_URL": "http://app.example.com"}, "W001", "https://app.example.com", True),
        ({"PUBLIC_URL": ""}, "W002", 'path("email/", include("saas_kit.email.urls"))', True),
        ({"PUBLIC_URL": "http://api.example.com"}, "W002", "https://api.example.com", True),
        ({"RATE_LIMITS": {"address": "often"}}, "E005", '{"address": "50/h"}', False),
        ({"RATE_LIMITS": {"street": "5/h"}}, "E005", "None lifts a limit", False),
        ({"MAX_ATTEMPTS": 0}, "E007", "from 1 to 32767", False),
        ({"MAX_ATTEMPTS": 32_768}, "E007", "from 1 to 32767", False),
        ({"PROVIDERS": ("pigeon",)}, "E006", "sendgrid, amazon_ses", False),
        ({"PROVIDERS": ("postmark",)}, "W004", '{"WEBHOOK_SECRET": "user:password"}', True),
        ({"PROVIDERS": ("mailgun",)}, "W004", "signing key", True),
    ],
    ids=str,
)
def test_what_is_wrong_is_told_with_what_is_right(settings, overrides, expected, hint, deploy):
    for name, value in overrides.items():
        setattr(settings, f"SAAS_KIT_EMAIL_{name}", value)

    found = [each for each in run_checks(include_deployment_checks=deploy) if each.id in ids([each])]

    assert ids(found) == [f"saas_kit_email.{expected}"]
    assert hint in found[0].hint
    if deploy:
        assert ids(run_checks()) == []


@pytest.mark.parametrize(
    ("path", "options", "anymail", "is_told"),
    [
        (SMTP, {"host": "localhost"}, {}, True),
        (SMTP, {"host": "localhost", "timeout": 60}, {}, True),
        (SMTP, {"host": "localhost", "timeout": 13}, {}, True),
        (SMTP, {"host": "localhost", "timeout": 12}, {}, False),
        (POSTMARK, {}, {}, True),
        (POSTMARK, {}, {"REQUESTS_TIMEOUT": 10}, False),
    ],
    ids=str,
)
def test_server_that_takes_longer_than_a_lease_is_told_of(use_backend, path, options, anymail, is_told):
    """W003."""
    secrets = {"POSTMARK_SERVER_TOKEN": "key", "WEBHOOK_SECRET": "user:password"}
    use_backend(path, options, **secrets, **anymail)

    found = [each for each in run_checks(include_deployment_checks=True) if each.id == "saas_kit_email.W003"]

    assert bool(found) == is_told
    if found:
        assert ("MAILERS" if django.VERSION >= (6, 1) else "EMAIL_TIMEOUT") in found[0].hint


def test_longer_lease_lets_a_server_take_longer(use_backend, settings):
    """W003."""
    settings.SAAS_KIT_EMAIL_LEASE = timedelta(minutes=10)
    use_backend(SMTP, {"host": "localhost", "timeout": 60})

    assert "saas_kit_email.W003" not in ids(run_checks(include_deployment_checks=True))


def test_mailer_that_cannot_be_made_stops_no_check(use_backend):
    use_backend(POSTMARK, WEBHOOK_SECRET="user:password")

    assert ids(run_checks(include_deployment_checks=True)) == []


def test_webhook_that_is_not_mounted_needs_no_secret(settings):
    settings.SAAS_KIT_EMAIL_PROVIDERS = ("postmark",)
    settings.ROOT_URLCONF = "tests.hosts.models_only.urls"

    assert "saas_kit_email.W004" not in ids(run_checks(include_deployment_checks=True))
