"""Two customers with everybody who may or may not do something with what the first of them has."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import connection

from saas_kit.tenancy import unscoped
from tests.api_fixtures.clients import ApiClient
from tests.api_fixtures.rows import inserts_of, reference, rolled_back, stored
from tests.factory import Factory

CANARY = "canary"
"""Part of every text of the other customer's."""

NOT_OF_A_TENANT = {
    "accounts": "0",
    "invitations": "nobody",
    "passkeys": "0",
    "sessions": str(UUID(int=0)),
    "social": "nobody",
}
"""Keys for the paths of sign-in and of one's own invitations, of things that nobody has."""


@dataclass(frozen=True)
class Tenant:
    """One customer's objects, each belonging to the one before it where the paths nest."""

    account: Any
    account_membership: Any
    organization: Any
    membership: Any
    team: Any
    team_membership: Any
    person: Any
    domain: Any
    invitation: Any

    def part(self, template: str, parameter: str) -> Any:
        """Return the object that a parameter of a path stands for."""
        noun = _noun_of(template, parameter)
        if noun == "members":
            noun = f"{template.split('/', maxsplit=1)[0]} members"
        return {
            "accounts": self.account,
            "accounts members": self.account_membership,
            "organizations": self.organization,
            "organizations members": self.membership,
            "domains": self.domain,
            "invitations": self.invitation,
            "teams": self.team,
            "teams members": self.team_membership,
            "users": self.person,
        }[noun]

    def path(self, template: str, **replaced: Any) -> str:
        """Fill in the parameters of a path with this customer's objects, or with other keys."""
        for parameter in parameters_of(template):
            if template.startswith(("auth/", "invitations/")):
                key = replaced.get(parameter) or NOT_OF_A_TENANT[_noun_of(template, parameter)]
            else:
                key = replaced.get(parameter) or self.part(template, parameter).pk
            template = template.replace(f"{{{parameter}}}", str(key))
        return template


def _noun_of(template: str, parameter: str) -> str:
    """Return the part of a path that says what a parameter is."""
    segments = template.split("/")
    return segments[segments.index(f"{{{parameter}}}") - 1]


def parameters_of(template: str) -> list[str]:
    """Return the names of a path's parameters, from left to right."""
    return [part[1:-1] for part in template.split("/") if part.startswith("{")]


@dataclass
class World:
    """
    Customers ``a``, ``a2`` and ``b``, and who calls.

    Attributes:
        people: Who calls. ``anon`` is nobody and ``outsider`` somebody without any membership; ``viewer``,
            ``member``, ``admin`` and ``owner`` have that role in ``a``'s organization; ``lead`` and ``target`` are
            members there and in its team, which the first leads; ``target`` is the person that operations are
            about. ``account_member``, ``account_admin`` and ``account_owner`` have that role in ``a``'s account and
            no membership of the organization. ``b_owner`` owns ``b``. ``superuser`` and ``staff`` are one person,
            without and with staff access. ``owner`` owns ``a2`` as well, and its account, of which
            ``account_owner`` is an admin. ``dual`` is a viewer in ``a``, an admin in ``b`` and leads a team there.
        clerk: A member of ``a``'s account who is in none of its organizations.
    """

    a: Tenant
    a2: Tenant
    b: Tenant
    people: dict[str, Any]
    clerk: Any
    sign_in: Callable[..., ApiClient]

    def __post_init__(self) -> None:
        self._clients: dict[str, ApiClient] = {}

    def client(self, caller: str) -> ApiClient:
        """Return a client that sends the caller's token."""
        if caller not in self._clients:
            self._clients[caller] = self.sign_in(self.people[caller])
        return self._clients[caller]

    def unknown_key(self, row: Any) -> Any:
        """Return a key of the kind of a row's that no row has."""
        return uuid4() if isinstance(row.pk, UUID) else 987_654_321

    def unknown_reference(self, row: Any) -> Any:
        """Return a key that no row has as a body names it."""
        key = self.unknown_key(row)
        return key if isinstance(key, int) else str(key)


def _names(**names: str) -> dict[str, str]:
    """Return the names that the host's people have."""
    from django.contrib.auth import get_user_model

    known = {field.name for field in get_user_model()._meta.concrete_fields}
    return {name: value for name, value in names.items() if name in known}


def _claim(organization: Any, domain: str) -> Any:
    """Claim a domain of e-mail addresses for an organization."""
    from saas_kit.tenancy.services import claim_domain

    return claim_domain(organization, domain=domain, actor=None)


def _build() -> tuple[Any, ...]:
    """Make the customers and the callers; return what a ``World`` has of them, in its order."""
    make = Factory()
    people: dict[str, Any] = {"anon": None}
    for name in (
        *("outsider", "viewer", "member", "lead", "admin", "owner", "target"),
        *("account_member", "account_admin", "account_owner", "dual"),
    ):
        people[name] = make.user(f"{name.replace('_', '-')}@example.com", **_names(first_name=name))
    people["superuser"] = people["staff"] = make.user("superuser@example.com", superuser=True)
    clerk = make.user("clerk@example.com")

    account = make.account("Acme", owner=people["account_owner"])
    for role in ("member", "admin"):
        make.account_membership(account, user=people[f"account_{role}"], role=role)
    account_membership = make.account_membership(account, user=clerk)
    organization = make.organization("Acme Berlin", account=account, owner=people["owner"])
    for name in ("viewer", "member", "admin"):
        make.membership(organization, user=people[name], role=name)
    make.membership(organization, user=people["dual"], role="viewer")
    make.membership(organization, user=people["lead"], role="member")
    membership = make.membership(organization, user=people["target"], role="member")
    team = make.team("Engineering", organization=organization)
    make.team_membership(team, user=people["lead"], role="lead")
    team_membership = make.team_membership(team, user=people["target"])
    a = Tenant(
        account,
        account_membership,
        organization,
        membership,
        team,
        team_membership,
        people["target"],
        _claim(organization, "acme.example"),
        make.invitation(organization, "invited@acme.example"),
    )

    owner = people["owner"]
    account = make.account("Acme Two", owner=owner)
    organization = make.organization("Acme Two Paris", account=account, owner=owner)
    team = make.team("Sales", organization=organization)
    a2 = Tenant(
        account,
        account.memberships.get(),
        organization,
        organization.memberships.get(),
        team,
        make.team_membership(team, user=owner),
        owner,
        _claim(organization, "acme-two.example"),
        make.invitation(organization, "invited@acme-two.example"),
    )

    make.account_membership(a2.account, user=people["account_owner"], role="admin")

    people["b_owner"] = b_owner = make.user(
        f"{CANARY}-owner@example.com", **_names(first_name=CANARY, last_name=CANARY, full_name=CANARY)
    )
    metadata = {CANARY: CANARY}
    account = make.account(
        f"The {CANARY} account", owner=b_owner, slug=f"{CANARY}-account", metadata=metadata
    )
    organization = make.organization(
        f"The {CANARY} organization",
        account=account,
        owner=b_owner,
        slug=f"{CANARY}-organization",
        metadata=metadata,
    )
    make.membership(organization, user=people["dual"], role="admin")
    team = make.team(
        f"The {CANARY} team", organization=organization, slug=f"{CANARY}-team", description=f"A {CANARY}."
    )
    make.team_membership(team, user=people["dual"], role="lead")
    b = Tenant(
        account,
        account.memberships.get(),
        organization,
        organization.memberships.get(user=b_owner),
        team,
        make.team_membership(team, user=b_owner),
        b_owner,
        _claim(organization, f"{CANARY}.example"),
        make.invitation(organization, f"{CANARY}-invited@example.com", message=CANARY),
    )
    return a, a2, b, people, clerk


@dataclass(frozen=True)
class _Built:
    """The customers and the callers, pickled, and the statements that write their rows."""

    parts: bytes
    inserts: list[tuple[str, list[Any]]]


@pytest.fixture(scope="session")
def _built(django_db_setup: None, django_db_blocker: Any) -> _Built:
    """
    The customers and the callers, built once.

    Services take a tenth of a second for them, and thousands of tests want them; their rows are written again in a
    few milliseconds.
    """
    with django_db_blocker.unblock(), unscoped(reason="rows of tests are made"), rolled_back():
        before = stored()
        parts = _build()
        return _Built(pickle.dumps(parts), inserts_of(before, stored()))


@pytest.fixture
def world(db: None, _built: _Built, client_for: Callable[..., ApiClient]) -> World:
    """Two customers, a third that one owner shares with the first, and a caller of every kind."""
    if not connection.in_atomic_block:
        # what waits for a commit happens only where services do it
        return World(*_build(), client_for)
    with unscoped(reason="rows of tests are made"), connection.cursor() as cursor:
        for statement, values in _built.inserts:
            cursor.execute(statement, values)
    return World(*pickle.loads(_built.parts), client_for)


__all__ = ["CANARY", "Tenant", "World", "_built", "parameters_of", "reference", "world"]
