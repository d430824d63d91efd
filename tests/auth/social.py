"""What the tests of signing in at a provider share: a provider that runs, and hosts that have configured it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from allauth.account.models import EmailAddress

from saas_kit.auth import providers
from tests.auth.openid_provider import CLIENT_ID, CLIENT_SECRET, OpenIDProvider, serve_provider

ADA = {
    "sub": "ada-1815",
    "email": "ada@example.com",
    "email_verified": True,
    "given_name": "Ada",
    "family_name": "Lovelace",
}
VERIFIER = "v" * 43
REDIRECT_URI = "https://app.example.com/social/corp"


@pytest.fixture(scope="session")
def running_provider() -> Iterator[OpenIDProvider]:
    with serve_provider() as provider:
        yield provider


@pytest.fixture
def provider(running_provider: OpenIDProvider, settings: Any) -> OpenIDProvider:
    """A provider that Ada is signed in at, and that the host has configured as "corp"."""
    fresh = OpenIDProvider(url=running_provider.url)
    vars(running_provider).update(vars(fresh))
    running_provider.person = dict(ADA)
    providers._remembered.clear()
    app = {
        "provider_id": "corp",
        "name": "Corp",
        "client_id": CLIENT_ID,
        "secret": CLIENT_SECRET,
        "settings": {"server_url": running_provider.url},
    }
    settings.SOCIALACCOUNT_PROVIDERS = {"openid_connect": {"APPS": [app]}}
    return running_provider


def verify_address(person: Any) -> Any:
    """Let somebody have proved their address."""
    EmailAddress.objects.filter(user=person).update(verified=True)
    return person
