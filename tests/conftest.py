"""Fixtures of the whole suite: what makes rows and reads them, and what keeps tests apart."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import connection, connections
from django.test import Client

from saas_kit.core import context
from tests.factory import Factory

pytest_plugins = ["saas_kit.testing.pytest_plugin", "tests.api_fixtures"]


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Make the database of the run, and end what threads have left open there before it is dropped."""
    yield
    if connection.vendor == "postgresql":
        with django_db_blocker.unblock(), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )


@pytest.fixture(autouse=True)
def _all_rows_unless_marked(request: pytest.FixtureRequest) -> None:
    """Let a test look at all rows; ``without_scope`` marks the tests that are about scopes."""
    if request.node.get_closest_marker("without_scope") is None:
        request.getfixturevalue("every_organization")


@pytest.fixture(autouse=True)
def _no_staff_access() -> Iterator[None]:
    """Let no test be taken for what the staff of another did; a service that is called directly has no request."""
    yield
    context.staff_access.set(False)


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    """Let no test count attempts of another."""
    cache.clear()


@pytest.fixture
def factory(db: None) -> Factory:
    """Makes people, accounts, organizations and teams."""
    return Factory()


@pytest.fixture
def number(factory: Factory) -> Iterator[int]:
    """Numbers that are different each time, for names that must be."""
    return factory.number


@pytest.fixture
def make_user(factory: Factory) -> Callable[..., Any]:
    """See ``Factory.user``."""
    return factory.user


@pytest.fixture
def make_account(factory: Factory) -> Callable[..., Any]:
    """See ``Factory.account``."""
    return factory.account


@pytest.fixture
def make_organization(factory: Factory) -> Callable[..., Any]:
    """See ``Factory.organization``."""
    return factory.organization


@pytest.fixture
def make_membership(factory: Factory) -> Callable[..., Any]:
    """See ``Factory.membership``."""
    return factory.membership


@pytest.fixture
def make_account_membership(factory: Factory) -> Callable[..., Any]:
    """See ``Factory.account_membership``."""
    return factory.account_membership


@pytest.fixture
def make_team(factory: Factory) -> Callable[..., Any]:
    """See ``Factory.team``."""
    return factory.team


@pytest.fixture
def make_team_membership(factory: Factory) -> Callable[..., Any]:
    """See ``Factory.team_membership``."""
    return factory.team_membership


@pytest.fixture
def make_invitation(factory: Factory) -> Callable[..., Any]:
    """See ``Factory.invitation``."""
    return factory.invitation


@pytest.fixture
def fresh() -> Callable[[Any], Any]:
    """Read a row anew, the deleted too, without what its instance remembers."""

    def read(instance: Any) -> Any:
        return type(instance)._base_manager.get(pk=instance.pk)

    return read


@pytest.fixture
def token_of() -> Callable[[Any], str]:
    """Read the token in the last message about an invitation: in the outbox, or in what was sent from there."""
    from saas_kit.email.models import OutboxMessage
    from saas_kit.email.services import read_message

    def read(invitation: Any) -> str:
        invitation.refresh_from_db()
        row = OutboxMessage.objects.get(pk=invitation.mail_id)
        if row.secrets:
            message: Any = read_message(row)
            return str(message.token)
        sent = next(each for each in mail.outbox if each.extra_headers["Message-ID"] == row.message_id)
        (token,) = set(re.findall(r"[\w-]{43}", str(sent.body)))
        return str(token)

    return read


@pytest.fixture
def events() -> Callable[..., list[Any]]:
    """Read the audit log, the oldest first; of one action, if it is named."""
    from saas_kit.audit.models import Event

    def read(action: str | None = None) -> list[Any]:
        chosen = Event.objects.order_by("id")
        return list(chosen if action is None else chosen.filter(action=action))

    return read


@pytest.fixture
def admin_client(make_user: Callable[..., Any]) -> Client:
    """A browser in which platform staff are signed in to the admin."""
    client = Client()
    client.force_login(make_user(superuser=True))
    return client


@pytest.fixture
def race() -> Callable[..., list[Any]]:
    """
    Call functions at the same moment, each on a database connection of its own.

    Returns what each returned, or the exception that it raised. The test needs PostgreSQL and
    ``django_db(transaction=True)``.
    """

    def run(*acts: Callable[[], Any]) -> list[Any]:
        assert connection.vendor == "postgresql", "SQLite lets one connection write at a time"
        start = threading.Barrier(len(acts), timeout=30)
        outcomes: list[Any] = [None] * len(acts)

        def act_out(index: int, act: Callable[[], Any]) -> None:
            try:
                connection.ensure_connection()
                start.wait()
                outcomes[index] = act()
            except Exception as error:  # noqa: BLE001 - it is the outcome
                outcomes[index] = error
            finally:
                connections.close_all()

        threads = [threading.Thread(target=act_out, args=each, daemon=True) for each in enumerate(acts)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive(), "two connections wait for each other"
        return outcomes

    return run
