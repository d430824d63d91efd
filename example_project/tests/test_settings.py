"""The settings say what the environment says, and refuse what must not be served."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import django
import pytest

pytestmark = pytest.mark.once

PROJECT = Path(__file__).resolve().parent.parent
SECRET_KEY = "nTq3-8mWz_Lk5vXr7YpB2hJc9sDf4gAe6uKi1oMx0wQyZbNtVjRs"
READ = """
import json
from config import settings
print(json.dumps({name: value for name, value in vars(settings).items() if name.isupper()}, default=str))
"""


@pytest.fixture
def run(clean_environment):
    """Run Python in the project's folder with these variables and no others of the project's."""

    def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, *arguments],
            check=False,
            cwd=PROJECT,
            env=clean_environment(**variables),
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture
def read_settings(run):
    def read(**variables: str) -> dict[str, Any]:
        result = run("-c", READ, **variables)
        assert result.returncode == 0, result.stderr
        return json.loads(result.stdout)

    return read


def in_production(**variables: str) -> dict[str, str]:
    return {
        "SECRET_KEY": SECRET_KEY,
        "ALLOWED_HOSTS": "example.com",
        "FRONTEND_URL": "https://app.example.com",
        "PUBLIC_URL": "https://api.example.com",
        "REDIS_URL": "redis://localhost:6379/0",
        **variables,
    }


class TestSecretKey:
    @pytest.mark.parametrize(
        "variables",
        [
            {},
            {"SECRET_KEY": ""},
            {"SECRET_KEY": "short"},
            {"SECRET_KEY": "a key that everybody knows, good for development only"},
            {"DEBUG": "false", "DEMO": "true"},
        ],
        ids=["unset", "empty", "short", "of-development", "demo-without-debug"],
    )
    def test_production_does_not_start_without_a_secret(self, run, variables):
        result = run("manage.py", "check", **variables)

        assert result.returncode != 0
        assert "SECRET_KEY must be set" in result.stderr.splitlines()[-1]

    def test_production_starts_with_one(self, run):
        result = run("manage.py", "check", **in_production())

        assert result.returncode == 0, result.stderr

    def test_development_needs_none(self, run):
        assert run("manage.py", "check", DEBUG="true").returncode == 0


class TestProduction:
    def test_passes_the_deployment_checks(self, run):
        result = run("manage.py", "check", "--deploy", "--fail-level=WARNING", **in_production())

        assert result.returncode == 0, result.stderr
        assert "no issues" in result.stdout

    def test_passes_them_with_the_example_file(self, run):
        """What an operator starts from is a working production but for the secret."""
        file = str(PROJECT / "env.example")
        result = run(
            *("manage.py", "check", "--deploy", "--fail-level=WARNING"), ENV_FILE=file, SECRET_KEY=SECRET_KEY
        )

        assert result.returncode == 0, result.stderr

    def test_is_strict(self, read_settings):
        settings = read_settings(**in_production())

        assert settings["DEBUG"] is False
        assert settings["SECURE_SSL_REDIRECT"] is True
        assert settings["SECURE_HSTS_SECONDS"] >= 31536000
        assert settings["SESSION_COOKIE_SECURE"] is settings["CSRF_COOKIE_SECURE"] is True
        assert settings["SAAS_KIT_TENANCY_STAFF_ACCESS"] is False
        assert settings["CORS_ALLOWED_ORIGINS"] == []
        assert "SECURE_PROXY_SSL_HEADER" not in settings
        assert "whitenoise.middleware.WhiteNoiseMiddleware" in settings["MIDDLEWARE"]

    def test_collects_the_static_files(self, run, tmp_path):
        """Everything that the pages of the documentation load is there, under a name that can be cached."""
        root = str(tmp_path / "static")
        result = run("manage.py", "collectstatic", "--noinput", **in_production(STATIC_ROOT=root))

        assert result.returncode == 0, result.stderr
        assert list(Path(root).rglob("redoc.standalone.*.js"))
        assert list(Path(root).rglob("swagger-ui-bundle.*.js"))


class TestDatabase:
    def test_is_embedded_by_default(self, read_settings):
        database = read_settings(DEBUG="true")["DATABASES"]["default"]

        assert database["ENGINE"] == "django.db.backends.sqlite3"
        assert database["NAME"] == str(PROJECT / ".local" / "db.sqlite3")
        assert database["OPTIONS"]["transaction_mode"] == "IMMEDIATE"
        assert "journal_mode=WAL" in database["OPTIONS"]["init_command"]

    @pytest.mark.parametrize(
        "variables",
        [
            {"DATABASE_URL": "postgresql://me:secret@db.example:5433/main"},
            {
                "DB_NAME": "main",
                "DB_USER": "me",
                "DB_PASSWORD": "secret",
                "DB_HOST": "db.example",
                "DB_PORT": "5433",
            },
        ],
        ids=["url", "parts"],
    )
    def test_is_postgresql_where_it_is_named(self, read_settings, variables):
        database = read_settings(**in_production(**variables))["DATABASES"]["default"]

        assert database["ENGINE"] == "django.db.backends.postgresql"
        assert (database["NAME"], database["USER"], database["PASSWORD"]) == ("main", "me", "secret")
        assert (database["HOST"], int(database["PORT"])) == ("db.example", 5433)
        assert database["CONN_MAX_AGE"] == 60
        assert database["CONN_HEALTH_CHECKS"] is True


class TestServices:
    @pytest.mark.parametrize(
        "variables",
        [
            {"REDIS_URL": "redis://cache:6380/2"},
            {"REDIS_HOST": "cache", "REDIS_PORT": "6380", "REDIS_DB": "2"},
        ],
        ids=["url", "parts"],
    )
    def test_cache_is_redis_where_it_is_named(self, read_settings, variables):
        cache = read_settings(DEBUG="true", **variables)["CACHES"]["default"]

        assert cache["BACKEND"] == "django.core.cache.backends.redis.RedisCache"
        assert cache["LOCATION"] == "redis://cache:6380/2"

    def test_cache_is_memory_otherwise(self, read_settings):
        assert "locmem" in read_settings(DEBUG="true")["CACHES"]["default"]["BACKEND"]

    @pytest.mark.parametrize(
        ("variables", "broker"),
        [
            ({}, ""),
            ({"REDIS_URL": "redis://cache:6380/2"}, "redis://cache:6380/2"),
            ({"REDIS_URL": "redis://cache:6380/2", "CELERY_BROKER_URL": "amqp://queue//"}, "amqp://queue//"),
            ({"REDIS_URL": "redis://cache:6380/2", "CELERY_BROKER_URL": ""}, ""),
        ],
        ids=["without", "redis", "another", "none"],
    )
    def test_work_is_handed_over_where_there_is_a_broker(self, read_settings, variables, broker):
        """Else it is done at once."""
        settings = read_settings(DEBUG="true", **variables)

        assert settings["CELERY_BROKER_URL"] == broker
        assert settings.get("SAAS_KIT_CORE_CELERY_APP", "") == ("config.celery.app" if broker else "")
        assert ("saas_kit.email.tasks.sweep" in settings["CELERY_BEAT_SCHEDULE"]) == bool(broker)
        assert ("socket_timeout" in settings.get("CELERY_BROKER_TRANSPORT_OPTIONS", {})) == broker.startswith(
            "redis"
        )

    @pytest.mark.parametrize(
        ("variables", "backend"),
        [
            ({"DEBUG": "true"}, "django.core.mail.backends.console.EmailBackend"),
            (in_production(), "django.core.mail.backends.smtp.EmailBackend"),
            (in_production(SENDGRID_API_KEY="key"), "anymail.backends.sendgrid.EmailBackend"),
            (in_production(EMAIL_BACKEND="host.Backend", SENDGRID_API_KEY="key"), "host.Backend"),
            (in_production(EMAIL_PROVIDER="postmark"), "anymail.backends.postmark.EmailBackend"),
            (
                in_production(EMAIL_PROVIDER="smtp", SENDGRID_API_KEY="key"),
                "django.core.mail.backends.smtp.EmailBackend",
            ),
        ],
        ids=["development", "production", "sendgrid", "named", "provider", "chosen"],
    )
    def test_mail(self, read_settings, variables, backend):
        settings = read_settings(**variables)

        if django.VERSION >= (6, 1):
            assert settings["MAILERS"]["default"]["BACKEND"] == backend
        else:
            assert settings["EMAIL_BACKEND"] == backend

    def test_mail_server(self, read_settings):
        settings = read_settings(**in_production(EMAIL_HOST="mail.example", EMAIL_HOST_USER="me"))

        if django.VERSION >= (6, 1):
            options = settings["MAILERS"]["default"]["OPTIONS"]
            assert (options["host"], options["username"]) == ("mail.example", "me")
        else:
            assert (settings["EMAIL_HOST"], settings["EMAIL_HOST_USER"]) == ("mail.example", "me")

    def test_unknown_provider_of_mail_does_not_start(self, run):
        result = run("manage.py", "check", DEBUG="true", EMAIL_PROVIDER="pigeon")

        assert result.returncode != 0
        assert "not pigeon" in result.stderr.splitlines()[-1]

    @pytest.mark.parametrize(
        ("provider", "variables"),
        [
            ("sendgrid", {"SENDGRID_API_KEY": "key"}),
            ("mailgun", {"MAILGUN_API_KEY": "key", "MAILGUN_SENDER_DOMAIN": "example.com"}),
        ],
    )
    def test_provider_of_mail_is_ready(self, run, provider, variables):
        """With its key and a secret for its webhook the deployment checks have nothing to say."""
        variables = in_production(EMAIL_PROVIDER=provider, EMAIL_WEBHOOK_SECRET="user:password", **variables)
        result = run(
            "-W", "ignore::UserWarning", "manage.py", "check", "--deploy", "--fail-level=WARNING", **variables
        )

        assert result.returncode == 0, result.stderr

    def test_webhook_without_a_secret_is_not_ready(self, run):
        variables = in_production(EMAIL_PROVIDER="postmark", POSTMARK_SERVER_TOKEN="key")
        result = run("manage.py", "check", "--deploy", "--fail-level=WARNING", **variables)

        assert "saas_kit_email.W004" in result.stderr

    def test_uploads_are_in_a_bucket_where_it_is_named(self, read_settings):
        storage = read_settings(**in_production(AWS_STORAGE_BUCKET_NAME="uploads"))["STORAGES"]["default"]

        assert storage["BACKEND"] == "storages.backends.s3.S3Storage"
        assert storage["OPTIONS"]["bucket_name"] == "uploads"
        assert storage["OPTIONS"]["file_overwrite"] is False

    def test_providers_are_those_whose_client_is_named(self, read_settings):
        settings = read_settings(
            DEBUG="true",
            GOOGLE_CLIENT_ID="g",
            GOOGLE_CLIENT_SECRET="secret of g",
            OIDC_CLIENT_ID="o",
            OIDC_CLIENT_SECRET="secret of o",
            OIDC_SERVER_URL="https://accounts.example.com",
            OIDC_ID="corp",
            SOCIAL_REDIRECT_URIS="https://app.example.com/in/{provider},app:in",
        )

        providers = settings["SOCIALACCOUNT_PROVIDERS"]
        assert set(providers) == {"google", "openid_connect"}
        assert providers["google"]["APPS"] == [{"client_id": "g", "secret": "secret of g"}]
        [app] = providers["openid_connect"]["APPS"]
        assert (app["provider_id"], app["settings"]) == (
            "corp",
            {"server_url": "https://accounts.example.com"},
        )
        assert len(settings["SAAS_KIT_AUTH_SOCIAL_REDIRECT_URIS"]) == 2

    def test_no_provider_is_on_by_default(self, read_settings):
        assert read_settings(**in_production())["SOCIALACCOUNT_PROVIDERS"] == {}

    def test_a_client_without_its_secret_does_not_start(self, run):
        result = run("manage.py", "check", DEBUG="true", GITHUB_CLIENT_ID="g")

        assert result.returncode != 0
        assert "GITHUB_CLIENT_SECRET" in result.stderr.splitlines()[-1]

    def test_logs_are_also_in_a_file_where_it_is_named(self, read_settings, tmp_path):
        logging = read_settings(DEBUG="true", LOG_FILE=str(tmp_path / "log"), LOG_LEVEL="warning")["LOGGING"]

        assert logging["root"] == {"handlers": ["console", "file"], "level": "WARNING"}


class TestDocumentation:
    def test_example_file_names_every_variable(self):
        """`env.example` has the variables that the settings read, and no others."""
        read = set(re.findall(r'env\.\w+\(\s*"([A-Z0-9_]+)"', (PROJECT / "config/settings.py").read_text()))
        named = set(re.findall(r"^#?([A-Z0-9_]+)=", (PROJECT / "env.example").read_text(), re.MULTILINE))

        assert named == read
