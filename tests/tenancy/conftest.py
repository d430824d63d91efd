from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection

from tests.tenancy.name_server import NameServer


@pytest.fixture
def make_verified_user(make_user: Callable[..., Any]) -> Callable[..., Any]:
    """Make a person who has proved their address."""
    from saas_kit.auth.services import mark_verified

    def make(email: str | None = None, **values: Any) -> Any:
        user = make_user(email, **values)
        mark_verified(user)
        return user

    return make


@pytest.fixture
def name_server(settings: Any) -> Iterator[NameServer]:
    """The name server that is asked for the proofs of domains."""
    server = NameServer()
    server.start()
    settings.SAAS_KIT_TENANCY_DNS_NAMESERVERS = (server.address,)
    yield server
    server.stop()


@pytest.fixture
def make_domain(make_organization: Callable[..., Any]) -> Callable[..., Any]:
    """Claim a domain for an organization, a new one unless named, and say that it was proved unless told not to."""
    from django.utils import timezone

    from saas_kit.tenancy.services import claim_domain

    def make(
        domain: str = "acme.example", *, organization: Any = None, verified: bool = True, **values: Any
    ) -> Any:
        claimed = claim_domain(organization or make_organization(), domain=domain, actor=None, **values)
        if verified:
            claimed.verified_at = claimed.checked_at = timezone.now()
            claimed.save()
        return claimed

    return make


@pytest.fixture
def wait_for_a_waiter() -> Callable[[], None]:
    """Return as soon as another connection to the database waits for a lock; the database is PostgreSQL."""

    def wait() -> None:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            with connection.cursor() as cursor:
                cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                if cursor.fetchone()[0]:
                    return
        raise AssertionError("nobody waits for the lock")

    return wait
