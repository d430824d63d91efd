"""Fixtures that make people, accounts, organizations and teams through the kit's services."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from django.contrib.auth.base_user import AbstractBaseUser
from django.core import mail
from django.core.cache import cache
from django.db import connection, connections
from django.test import Client

from saas_kit.core import context

pytest_plugins = ["saas_kit.testing.pytest_plugin"]


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
def number() -> Iterator[int]:
    """Numbers that are different each time, for names that must be."""
    return count(1)


@pytest.fixture
def make_user(db: None, number: Iterator[int]) -> Callable[..., Any]:
    """Make a person of the host's user model."""
    from saas_kit.auth.services import create_user

    def make(
        email: str | None = None, *, password: str | None = None, superuser: bool = False, **fields: Any
    ) -> AbstractBaseUser:
        if superuser:
            fields |= {"is_staff": True, "is_superuser": True}
        return create_user(email=email or f"person{next(number)}@example.com", password=password, **fields)

    return make


@pytest.fixture
def fresh() -> Callable[[Any], Any]:
    """Read a row anew, the deleted too, without what its instance remembers."""

    def read(instance: Any) -> Any:
        return type(instance)._base_manager.get(pk=instance.pk)

    return read


@pytest.fixture
def make_account(make_user: Callable[..., Any], number: Iterator[int]) -> Callable[..., Any]:
    """Make an account; its owner is somebody new unless named."""
    from saas_kit.tenancy.services import create_account

    def make(name: str | None = None, *, owner: Any = None, **values: Any) -> Any:
        return create_account(
            name=name or f"Account {next(number)}", owner=owner or make_user(), actor=None, **values
        )

    return make


@pytest.fixture
def make_organization(
    make_account: Callable[..., Any], make_user: Callable[..., Any], number: Iterator[int]
) -> Callable[..., Any]:
    """Make an organization; its account and its owner are new unless named, and the two owners strangers."""
    from saas_kit.tenancy.services import create_organization

    def make(name: str | None = None, *, account: Any = None, owner: Any = None, **values: Any) -> Any:
        return create_organization(
            account=account or make_account(),
            name=name or f"Organization {next(number)}",
            owner=owner or make_user(),
            actor=None,
            **values,
        )

    return make


@pytest.fixture
def make_membership(
    make_organization: Callable[..., Any], make_user: Callable[..., Any]
) -> Callable[..., Any]:
    """Make somebody a member; an owner without a named organization is the only owner of a new one."""
    from saas_kit.tenancy.models import Membership
    from saas_kit.tenancy.services import add_member

    def make(organization: Any = None, *, user: Any = None, role: str = "member") -> Any:
        user = user or make_user()
        if organization is None and role == "owner":
            organization = make_organization(owner=user)
            return Membership.objects.get(organization=organization, user=user)
        return add_member(organization or make_organization(), user, role, actor=None)

    return make


@pytest.fixture
def make_account_membership(
    make_account: Callable[..., Any], make_user: Callable[..., Any]
) -> Callable[..., Any]:
    """Give somebody a role in an account; an owner without a named account is the only owner of a new one."""
    from saas_kit.tenancy.models import AccountMembership
    from saas_kit.tenancy.services import add_account_member

    def make(account: Any = None, *, user: Any = None, role: str = "member") -> Any:
        user = user or make_user()
        if account is None and role == "owner":
            account = make_account(owner=user)
            return AccountMembership.objects.get(account=account, user=user)
        return add_account_member(account or make_account(), user, role, actor=None)

    return make


@pytest.fixture
def make_team(make_organization: Callable[..., Any], number: Iterator[int]) -> Callable[..., Any]:
    """Make a team; its organization is new unless named."""
    from saas_kit.teams.services import create_team

    def make(name: str | None = None, *, organization: Any = None, **values: Any) -> Any:
        return create_team(
            organization or make_organization(), name=name or f"Team {next(number)}", actor=None, **values
        )

    return make


@pytest.fixture
def make_team_membership(
    make_team: Callable[..., Any], make_membership: Callable[..., Any]
) -> Callable[..., Any]:
    """Put somebody in a team, and in its organization first where they are not."""
    from saas_kit.teams.services import add_team_member
    from saas_kit.tenancy.models import Membership

    def make(team: Any = None, *, user: Any = None, role: str = "member") -> Any:
        team = team or make_team()
        members = Membership.objects.in_organization(team.organization)
        if user is None or not members.filter(user=user).exists():
            user = make_membership(team.organization, user=user).user
        return add_team_member(team, user, role, actor=None)

    return make


@pytest.fixture
def make_invitation(make_organization: Callable[..., Any], number: Iterator[int]) -> Callable[..., Any]:
    """Invite an address, a new one unless named; the system does unless an actor is named."""
    from saas_kit.tenancy.services import invite

    def make(
        organization: Any = None,
        email: str | None = None,
        *,
        role: str = "member",
        actor: Any = None,
        **values: Any,
    ) -> Any:
        organization = organization or make_organization()
        email = email or f"invited{next(number)}@example.com"
        return invite(organization, email=email, role=role, actor=actor, **values)[0]

    return make


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
