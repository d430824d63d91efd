"""How many statements a request takes: the same for one row and for fifty, of a list or of the caller's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from saas_kit.teams.models import Team, TeamMembership
from saas_kit.tenancy.models import Account, AccountMembership, Membership, get_organization_model
from tests.api_fixtures import World

MANY = 50

# one loads the caller, whoever it is; a path below an object takes one more, for that
LISTS = {
    "accounts/": 2,
    "organizations/": 2,
    "teams/": 2,
    "users/": 2,
    "permissions/": 1,
    "accounts/{account_id}/members/": 3,
    "organizations/{organization_id}/members/": 3,
    "teams/{team_id}/members/": 3,
}
OBJECTS = {
    "auth/me/": 2,
    "accounts/{id}/": 2,
    "organizations/{id}/": 2,
    "teams/{id}/": 2,
    "users/{id}/": 2,
    "accounts/{account_id}/members/{id}/": 3,
    "organizations/{organization_id}/members/{id}/": 3,
    "teams/{team_id}/members/{id}/": 3,
}
READS = LISTS | OBJECTS
QUERIES = {
    "users/": ("role=member", "email=target@example.com", "is_active=true", "search=example"),
    "teams/": ("search=team", "ordering=name"),
    "organizations/": ("search=place", "ordering=-slug"),
    "accounts/": ("search=place", "status=active"),
    "organizations/{organization_id}/members/": ("role=member", "search=example", "ordering=role"),
    "accounts/{account_id}/members/": ("role=member",),
    "teams/{team_id}/members/": ("role=member",),
}
DENIALS = {
    # nobody may know
    ("outsider", "GET", "accounts/{id}/"): (404, 2),
    ("outsider", "PATCH", "organizations/{id}/"): (404, 2),
    ("outsider", "DELETE", "teams/{id}/"): (404, 2),
    ("outsider", "GET", "users/{id}/"): (404, 2),
    ("outsider", "POST", "accounts/{account_id}/members/"): (404, 2),
    ("outsider", "PATCH", "organizations/{organization_id}/members/{id}/"): (404, 2),
    ("outsider", "DELETE", "teams/{team_id}/members/{id}/"): (404, 2),
    ("outsider", "POST", "organizations/{organization_id}/domains/"): (404, 2),
    # may know, and may not
    ("account_member", "PATCH", "accounts/{id}/"): (403, 2),
    ("account_member", "DELETE", "accounts/{account_id}/members/{id}/"): (403, 3),
    ("viewer", "PATCH", "organizations/{id}/"): (403, 2),
    ("viewer", "POST", "organizations/{organization_id}/members/"): (403, 2),
    ("viewer", "DELETE", "organizations/{organization_id}/members/{id}/"): (403, 3),
    ("viewer", "GET", "organizations/{organization_id}/domains/"): (403, 2),
    ("viewer", "DELETE", "organizations/{organization_id}/domains/{id}/"): (403, 3),
    ("viewer", "PATCH", "users/{id}/"): (403, 2),
    ("viewer", "POST", "teams/"): (403, 2),
    # whether they lead the team is one more
    ("viewer", "PATCH", "teams/{id}/"): (403, 2),
    ("viewer", "POST", "teams/{team_id}/members/"): (403, 3),
    ("viewer", "DELETE", "teams/{team_id}/members/{id}/"): (403, 4),
}


def _people(number: int, prefix: str) -> list[Any]:
    model: Any = get_user_model()
    taken = {field.name for field in model._meta.concrete_fields}
    people = []
    for index in range(number):
        email = f"{prefix}-{index}@example.com"
        people.append(model(email=email, **({"username": email} if "username" in taken else {})))
    return list(model._base_manager.bulk_create(people))


def _add_members(world: World, number: int) -> None:
    """Put more people in the account, the organization and the team, and more teams in the organization."""
    a, people = world.a, _people(number, "more")
    AccountMembership.objects.bulk_create(
        AccountMembership(account=a.account, user=each, role="member") for each in people
    )
    memberships = Membership.objects.bulk_create(
        Membership(organization=a.organization, user=each, role="member") for each in people
    )
    TeamMembership.objects.bulk_create(
        TeamMembership(organization=a.organization, team=a.team, membership=each, role="member")
        for each in memberships
    )
    Team.objects.bulk_create(
        Team(organization=a.organization, name=f"Team {index}", slug=f"team-{index}")
        for index in range(number)
    )


def _add_places(user: Any, number: int) -> None:
    """Give somebody roles in more accounts and organizations, each with somebody else and a team in it."""
    organizations = get_organization_model()
    slugs = [f"place-{user.pk}-{index}" for index in range(number)]
    accounts = Account.objects.bulk_create(Account(name=slug, slug=slug) for slug in slugs)
    places = organizations.objects.bulk_create(
        organizations(account=account, name=account.name, slug=account.slug) for account in accounts
    )
    AccountMembership.objects.bulk_create(
        AccountMembership(account=each, user=user, role="owner") for each in accounts
    )
    for member in (user, *_people(1, f"friend-of-{user.pk}")):
        Membership.objects.bulk_create(
            Membership(organization=each, user=member, role="admin") for each in places
        )
    Team.objects.bulk_create(Team(organization=each, name="Team", slug="team") for each in places)


@pytest.fixture
def read(world: World, django_assert_num_queries: Any) -> Callable[..., Any]:
    """Read a path as somebody by exactly so many statements, and return the answer's body."""

    def read(caller: str, path: str, expected: int, **arguments: Any) -> Any:
        client = world.client(caller)
        with django_assert_num_queries(expected, info=f"{caller} {path} {arguments}"):
            response = client.request("GET", path, **arguments)
        assert response.status_code == 200, response.content
        return response.json()

    return read


@pytest.mark.parametrize("template", READS)
def test_statements_do_not_grow_with_the_rows(template: str, world: World, read: Callable[..., Any]) -> None:
    """A read takes its number of statements with one row and with fifty more."""
    path = world.a.path(template)
    read("account_owner", path, READS[template])
    before = read("account_owner", path, READS[template])

    _add_members(world, MANY)

    after = read("account_owner", path, READS[template], query=_whole(template))
    if template in LISTS and template not in ("accounts/", "organizations/", "permissions/"):
        assert len(after["results"]) >= len(before["results"]) + MANY


@pytest.mark.parametrize("template", READS)
def test_statements_do_not_grow_with_the_places(
    template: str, world: World, read: Callable[..., Any]
) -> None:
    """A read takes its number of statements for somebody with one membership and with fifty more."""
    path = world.a.path(template)
    of_account = ("account_member", "account_admin", "account_owner")
    for caller in of_account if template.startswith("accounts/{") else ("viewer", "owner", "account_owner"):
        read(caller, path, READS[template])
        _add_places(world.people[caller], MANY)
        after = read(caller, path, READS[template], query=_whole(template))
        if template in ("accounts/", "organizations/", "teams/"):
            assert len(after["results"]) >= MANY


@pytest.mark.parametrize("template", QUERIES)
def test_filters_and_searches_take_none_of_their_own_and_counts_one(
    template: str, world: World, read: Callable[..., Any]
) -> None:
    """A filter, a search and an order are part of the list's statement; counting is one more."""
    _add_members(world, MANY)
    _add_places(world.people["account_owner"], MANY)
    path = world.a.path(template)
    for parameter in QUERIES[template]:
        query = dict([parameter.split("=")])
        read("account_owner", path, LISTS[template], query=query)
    counted = read("account_owner", path, LISTS[template] + 1, query={"count": "true"})
    assert counted["count"] >= MANY


@pytest.mark.parametrize("template", [each for each in READS if each not in ("permissions/", "auth/me/")])
def test_narrowing_takes_one_more(template: str, world: World, read: Callable[..., Any]) -> None:
    """``X-Organization`` takes one statement, which finds the organization among the caller's."""
    _add_places(world.people["account_owner"], MANY)
    header = {"X-Organization": str(world.a.organization.pk)}
    read("account_owner", world.a.path(template), READS[template] + 1, headers=header)


@pytest.mark.parametrize(("caller", "method", "template"), DENIALS)
def test_refusals_are_cheap(
    caller: str, method: str, template: str, world: World, django_assert_num_queries: Any
) -> None:
    """A refusal takes what finds it out, whatever the number of members and memberships, and writes nothing."""
    status, expected = DENIALS[caller, method, template]
    _add_members(world, MANY)
    _add_places(world.people[caller], MANY)
    body = {"organization": str(world.a.organization.pk)} if template == "teams/" else {}
    client = world.client(caller)
    with django_assert_num_queries(expected):
        response = client.request(method, world.a.path(template), body)
    assert response.status_code == status


def test_a_request_without_a_token_takes_none(world: World, django_assert_num_queries: Any) -> None:
    """Nobody's request is refused without a statement."""
    with django_assert_num_queries(0):
        assert world.client("anon").get("organizations/").status_code == 401


def _whole(template: str) -> dict[str, str]:
    return {"page_size": "100"} if template in LISTS and template != "permissions/" else {}
