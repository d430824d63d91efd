"""Nothing of one customer is within reach of another: ids in paths, bodies, filters and headers (I1 to I14)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from django.urls import get_resolver
from django.utils.text import slugify
from rest_framework.relations import ManyRelatedField, RelatedField

from saas_kit.api.views import ApiView
from saas_kit.tenancy.api.fields import PersonField, VisibleRelatedField
from tests.api_fixtures import Operation, World, reference, rolled_back, rows
from tests.api_fixtures.catalog import ALL, BY_ADDRESS, PUBLIC
from tests.api_fixtures.world import CANARY, parameters_of

LISTS = [each for each in ALL if each.method == "GET" and not each.template.endswith("{id}/")]
PAGED = [each for each in LISTS if each.template != "permissions/"]
WITH_IDS = [each for each in ALL if "{" in each.template and each.name != BY_ADDRESS]
NESTED = [each for each in ALL if len(parameters_of(each.template)) == 2]
# not people: one's own profile is within reach whatever organization is active
OF_A_CUSTOMER = [each for each in WITH_IDS if not each.template.startswith("users/")]


def _name(operation: Operation) -> str:
    return operation.name


def _same_words(response: Any, *keys: Any) -> Any:
    """Return an answer without what has to differ: the request's id, and the keys that were sent."""
    text = response.content.decode()
    for key in filter(None, map(str, keys)):
        text = text.replace(key, "<key>")
    assert CANARY not in text
    return response.status_code, re.sub(r'"request_id":"[^"]*"', "", text)


@pytest.mark.parametrize("operation", WITH_IDS, ids=_name)
def test_foreign_id_in_the_path_is_answered_as_an_unknown_one(operation: Operation, world: World) -> None:
    """I1, I3, I4, T1: wherever another customer's id stands in a path, it is 404 in the words for an unknown id."""
    parameters = parameters_of(operation.template)
    world.client("account_owner")
    before = rows()

    def answer(owners: tuple[Any, ...]) -> Any:
        keys = {}
        for parameter, owner in zip(parameters, owners, strict=True):
            known = world.a.part(operation.template, parameter)
            keys[parameter] = (
                owner.part(operation.template, parameter).pk if owner else world.unknown_key(known)
            )
        response = operation.call(world, "account_owner", path=world.a.path(operation.template, **keys))
        assert response.headers["Content-Type"] == "application/problem+json"
        return _same_words(response, *keys.values())

    unknown = answer((None,) * len(parameters))
    assert unknown[0] == 404
    for owners in product((world.a, world.b, None), repeat=len(parameters)):
        if set(owners) != {world.a}:
            assert answer(owners) == unknown, owners
    assert rows() == before
    with rolled_back():
        if operation.prepare:
            operation.prepare(world)
        assert operation.call(world, "account_owner").status_code not in (401, 404)


@pytest.mark.parametrize("operation", NESTED, ids=_name)
def test_every_id_in_a_path_belongs_to_the_one_before_it(operation: Operation, world: World) -> None:
    """I5, I6, T2: what the caller may see is still 404 below something else that they may see."""
    parent, child = parameters_of(operation.template)
    world.client("account_owner")
    before = rows()
    for upper, lower in ((world.a, world.a2), (world.a2, world.a)):
        keys = {
            parent: upper.part(operation.template, parent).pk,
            child: lower.part(operation.template, child).pk,
        }
        response = operation.call(world, "account_owner", path=world.a.path(operation.template, **keys))
        assert _same_words(response)[0] == 404
    assert rows() == before
    for tenant in (world.a, world.a2):
        with rolled_back():
            own = operation.call(world, "account_owner", path=tenant.path(operation.template))
            assert own.status_code != 404


BODIES = [
    ("POST organizations/", "account", lambda tenant: tenant.account, "account_owner"),
    ("POST organizations/{organization_id}/members/", "user", lambda tenant: tenant.person, "owner"),
    ("POST accounts/{account_id}/members/", "user", lambda tenant: tenant.person, "account_owner"),
    ("POST accounts/{id}/transfer/", "user", lambda tenant: tenant.person, "account_owner"),
    ("POST teams/", "organization", lambda tenant: tenant.organization, "owner"),
    ("PUT teams/{id}/", "organization", lambda tenant: tenant.organization, "owner"),
    ("PATCH teams/{id}/", "organization", lambda tenant: tenant.organization, "owner"),
    ("PUT organizations/{id}/", "account", lambda tenant: tenant.account, "account_owner"),
    ("PATCH organizations/{id}/", "account", lambda tenant: tenant.account, "account_owner"),
    ("POST teams/{team_id}/members/", "user", lambda tenant: tenant.person, "owner"),
    ("POST users/", "organization", lambda tenant: tenant.organization, "owner"),
]


@pytest.mark.parametrize(("name", "field", "of", "caller"), BODIES, ids=[f"{n} {f}" for n, f, *_ in BODIES])
def test_foreign_id_in_a_body_is_answered_as_an_unknown_one(
    name: str, field: str, of: Any, caller: str, world: World
) -> None:
    """I7, T3: another customer's id in a body is 400 on its field, in the words for an unknown id."""
    operation = next(each for each in ALL if each.name == name)
    body = operation.body(world) if operation.body else {}
    foreign, unknown = of(world.b), world.unknown_reference(of(world.b))
    world.client(caller)
    before = rows()

    refused = operation.call(world, caller, body={**body, field: reference(foreign)})
    assert refused.status_code == 400
    assert [error["field"] for error in refused.json()["errors"]] == [field]
    assert refused.json()["errors"][0]["code"] == "does_not_exist"
    compared = operation.call(world, caller, body={**body, field: unknown})
    assert _same_words(refused, reference(foreign)) == _same_words(compared, unknown)
    assert rows() == before
    with rolled_back():
        assert operation.call(world, caller, body=body).status_code in (200, 201)


def test_every_relation_that_can_be_written_is_looked_up_among_the_visible() -> None:
    """T3: no serializer of the API takes an id from a body without asking who may see what it names."""
    found = set()
    for view in _view_classes(get_resolver().url_patterns):
        declared = [*getattr(view, "input_serializer_classes", {}).values()]
        for serializer_class in filter(None, [*declared, getattr(view, "serializer_class", None)]):
            for name, field in serializer_class().fields.items():
                if isinstance(field, RelatedField | ManyRelatedField | PersonField) and not field.read_only:
                    assert isinstance(field, VisibleRelatedField | PersonField), (serializer_class, name)
                    found.add(name)
    assert {"account", "organization", "user"} <= found


def _view_classes(patterns: Any) -> Iterator[Any]:
    for pattern in patterns:
        if hasattr(pattern, "url_patterns"):
            yield from _view_classes(pattern.url_patterns)
        else:
            view = getattr(pattern.callback, "cls", None)
            if view is not None and issubclass(view, ApiView):
                yield view


def test_somebody_who_is_in_both_organizations_can_be_named(world: World) -> None:
    """I7: what counts is being a member here, not that somebody is a member elsewhere too."""
    dual = reference(world.people["dual"])

    response = world.client("owner").post(world.a.path("teams/{team_id}/members/"), {"user": dual})

    assert response.status_code == 201


@pytest.mark.parametrize("operation", LISTS, ids=_name)
def test_lists_hold_nothing_of_another_customer(operation: Operation, world: World) -> None:
    """I2, I11, I13: lists, searches and counts are as if the other customer were not there."""
    for caller in ("owner", "account_owner", "viewer", "outsider"):
        path = world.a.path(operation.template)
        parameters: list[dict[str, str]] = [{}]
        if operation in PAGED:
            parameters += [{"count": "true"}, {"page_size": "100000"}, {"search": CANARY, "count": "true"}]
        for query in parameters:
            response = world.client(caller).request("GET", path, query=query)
            _same_words(response)
            if response.status_code == 200 and "search" in query:
                assert response.json() == {"next": None, "previous": None, "count": 0, "results": []}
            elif response.status_code == 200 and "count" in query:
                assert response.json()["count"] == len(response.json()["results"])


def test_search_finds_what_is_ones_own(world: World) -> None:
    """I11: the search that finds nothing for strangers finds it for those who belong there."""
    b_owner = world.client("b_owner")
    for template in (
        *("accounts/", "organizations/", "teams/", "users/"),
        *("accounts/{account_id}/members/", "organizations/{organization_id}/members/"),
        "organizations/{organization_id}/invitations/",
        "teams/{team_id}/members/",
    ):
        assert b_owner.ids(world.b.path(template), search=CANARY), template


class TestFilters:
    """I11, T6: a filter tells nothing of what the caller may not see."""

    def test_by_a_foreign_organization_account_team_or_person(self, world: World) -> None:
        """A foreign id filters as an unknown one does: nothing is left."""
        owner = world.client("owner")
        for path, name, row in (
            ("users/", "organization", world.b.organization),
            ("users/", "team", world.b.team),
            ("teams/", "organization", world.b.organization),
            ("teams/", "member", world.b.person),
            ("organizations/", "account", world.b.account),
        ):
            for key in (row.pk, world.unknown_key(row)):
                response = owner.request("GET", path, query={name: key, "count": "true"})
                assert response.json() == {"next": None, "previous": None, "count": 0, "results": []}, name

    def test_by_an_organization_account_team_or_person_of_ones_own(self, world: World) -> None:
        """The same filters find what is the caller's own."""
        owner, a = world.client("owner"), world.a
        assert str(a.person.pk) in owner.ids("users/", organization=a.organization.pk)
        assert str(a.person.pk) in owner.ids("users/", team=a.team.pk)
        assert owner.ids("teams/", organization=a.organization.pk) == {str(a.team.pk)}
        assert owner.ids("teams/", member=a.person.pk) == {str(a.team.pk)}
        assert owner.ids("organizations/", account=a.account.pk) == {str(a.organization.pk)}

    def test_people_by_role_tell_nothing_of_their_roles_elsewhere(self, world: World) -> None:
        """Somebody who is a viewer here and an admin elsewhere is not found as an admin."""
        owner, dual = world.client("owner"), str(world.people["dual"].pk)
        admin = str(world.people["admin"].pk)
        assert dual in owner.ids("users/", role="viewer")
        assert owner.ids("users/", role="admin") == {admin}
        assert owner.ids("users/", role="admin", organization=world.a.organization.pk) == {admin}
        assert dual in world.client("b_owner").ids("users/", role="admin")
        assert dual not in world.client("b_owner").ids("users/", role="viewer")

    def test_people_by_organization_role_and_team_ask_for_one_membership(
        self, world: World, make_membership: Any
    ) -> None:
        """A viewer here who is an admin in another of the caller's organizations is not found as an admin here."""
        owner, viewer = world.client("owner"), world.people["viewer"]
        make_membership(world.a2.organization, user=viewer, role="admin")
        here, there = ({"organization": each.organization.pk} for each in (world.a, world.a2))
        key = str(viewer.pk)
        assert key in owner.ids("users/", role="viewer", **here)
        assert key in owner.ids("users/", role="admin", **there)
        assert key not in owner.ids("users/", role="admin", **here)
        assert key not in owner.ids("users/", role="viewer", **there)
        assert owner.ids("users/", role="viewer", team=world.a.team.pk) == set()
        assert owner.ids("users/", role="member", team=world.a.team.pk) == {
            str(world.people["lead"].pk),
            str(world.people["target"].pk),
        }

    def test_people_by_team_tell_nothing_of_teams_elsewhere(self, world: World) -> None:
        """Somebody who leads a team of another organization is not found by that team."""
        dual = str(world.people["dual"].pk)
        assert world.client("owner").ids("users/", team=world.b.team.pk) == set()
        assert world.client("owner").ids("teams/", member=world.people["dual"].pk) == set()
        assert dual in world.client("b_owner").ids("users/", team=world.b.team.pk)

    def test_people_by_address(self, world: World) -> None:
        """An address is found among the people one works with only."""
        owner = world.client("owner")
        assert owner.ids("users/", email=world.b.person.email) == set()
        assert owner.ids("users/", email=world.a.person.email.upper()) == {str(world.a.person.pk)}

    @pytest.mark.parametrize("operation", PAGED, ids=_name)
    def test_unknown_parameters_and_orders_are_refused(self, operation: Operation, world: World) -> None:
        """I10, I11: what a list does not document is 400, so that a typo never returns everything."""
        client, path = world.client("account_owner"), world.a.path(operation.template)
        for name in (
            *("org", "account_id", "organization_id", "organization__name", "user__password__startswith"),
            *("role__in", "expand", "fields", "format", "limit", "page", "deleted_at", "Search"),
        ):
            response = client.request("GET", path, query={name: "x"})
            assert response.status_code == 400, name
            assert response.json()["errors"] == [
                {"field": name, "code": "unknown_parameter", "detail": "There is no such filter."}
            ]
        for order in (
            *("password", "user__password", "organization__name", "-account__slug", "deleted_at", "?", ""),
            *("created_at,password", "-", "--created_at", "memberships__role", "id;drop"),
        ):
            response = client.request("GET", path, query={"ordering": order})
            assert response.status_code == 400, order
            assert response.json()["errors"][0]["field"] == "ordering"

    @pytest.mark.parametrize("operation", PAGED, ids=_name)
    def test_parameters_of_the_wrong_kind_are_refused(self, operation: Operation, world: World) -> None:
        """I11, I120: a value that a parameter cannot have is 400, never 500."""
        client, path = world.client("account_owner"), world.a.path(operation.template)
        own = {
            "accounts/": {"status": "x", "slug": "\x00"},
            "organizations/": {"account": "x", "status": "x", "slug": "\x00"},
            "teams/": {"organization": "x", "member": "x"},
            "users/": {"organization": "x", "team": "x", "role": "\x00", "email": "\x00"},
            "organizations/{organization_id}/invitations/": {"status": "x", "role": "\x00", "email": "\x00"},
        }.get(operation.template, {"role": "\x00"})
        shared = {"page_size": "0", "count": "maybe", "cursor": "x", "search": "\x00"}
        for name, value in {**own, **shared}.items():
            response = client.request("GET", path, query={name: value})
            assert response.status_code == 400, name
            assert response.json()["errors"][0]["field"] == name


class TestCursors:
    """I12: a cursor is a place in a list, not a right to see it."""

    def _cursor(self, response: Any) -> str:
        return parse_qs(urlsplit(response.json()["next"]).query)["cursor"][0]

    def test_of_another_customer_leads_to_ones_own_rows(self, world: World, make_team: Any) -> None:
        """Another customer's cursor shows at most one's own rows."""
        for _ in range(2):
            make_team(organization=world.b.organization)
        page = world.client("b_owner").get("teams/", page_size=1)
        query = {"cursor": self._cursor(page), "page_size": "100"}

        response = world.client("owner").request("GET", "teams/", query=query)

        assert response.status_code == 200
        own = world.client("owner").ids("teams/")
        assert {row["id"] for row in response.json()["results"]} <= own

    def test_that_was_changed_is_refused(self, world: World, make_team: Any) -> None:
        """A cursor that was not made by the service is 400 ``invalid_cursor``; its own leads on."""
        make_team(organization=world.a.organization)
        cursor = self._cursor(world.client("owner").get("teams/", page_size=1))
        for text in ("", "x", cursor[:-1], f"{cursor}x", cursor.swapcase()):
            response = world.client("owner").get("teams/", cursor=text)
            assert response.status_code == 400
            assert response.json()["errors"][0]["code"] == "invalid_cursor"
        assert world.client("owner").get("teams/", cursor=cursor).status_code == 200


class TestActiveOrganization:
    """I10, T5: ``X-Organization`` narrows a request and never widens it."""

    def test_one_that_the_caller_is_not_in_is_not_found(self, world: World, operations: list[str]) -> None:
        """Naming a foreign organization, or one that is not, is 404 wherever somebody signed in calls."""
        known = {each.name: each for each in ALL}
        organization = world.b.organization
        world.client("owner")
        before = rows()
        for name in set(operations) - set(PUBLIC):
            operation = known.get(name) or Operation(name)
            answers = set()
            for value in (str(organization.pk), organization.slug, str(uuid4()), "no-such", "", "\x00"):
                response = operation.call(world, "owner", headers={"X-Organization": value})
                answers.add(_same_words(response, value))
            assert len(answers) == 1, name
            assert answers.pop()[0] == 404, name
        assert rows() == before

    def test_it_can_be_named_by_id_and_by_slug(self, world: World) -> None:
        """Somebody who is in the organization names it by its id or by its slug, in whatever case."""
        organization = world.a.organization
        for value in (str(organization.pk), organization.slug, organization.slug.upper()):
            response = world.client("viewer").request("GET", "teams/", headers={"X-Organization": value})
            assert [row["id"] for row in response.json()["results"]] == [str(world.a.team.pk)]

    def test_lists_are_narrowed(self, world: World) -> None:
        """Lists hold what is of the active organization; without it, of all of the caller's."""
        owner = world.client("owner")
        header = {"X-Organization": str(world.a2.organization.pk)}
        for path, own, other in (
            ("teams/", world.a2.team, world.a.team),
            ("organizations/", world.a2.organization, world.a.organization),
            ("users/", world.people["owner"], world.a.person),
        ):
            everything = owner.ids(path)
            assert {str(own.pk), str(other.pk)} <= everything
            rows_found = owner.request("GET", path, headers=header).json()["results"]
            assert [str(row["id"]) for row in rows_found] == [str(own.pk)]
        account_owner = world.client("account_owner")
        assert {str(world.a.account.pk), str(world.a2.account.pk)} == account_owner.ids("accounts/")
        found = account_owner.request("GET", "accounts/", headers=header).json()["results"]
        assert [row["id"] for row in found] == [str(world.a2.account.pk)]

    def test_filters_do_not_widen_it(self, world: World) -> None:
        """A filter by another of the caller's organizations finds nothing in the active one."""
        owner = world.client("owner")
        header = {"X-Organization": str(world.a.organization.pk)}
        for path, query in (
            ("teams/", {"organization": world.a2.organization.pk}),
            ("users/", {"organization": world.a2.organization.pk}),
            ("users/", {"team": world.a2.team.pk}),
            ("organizations/", {"account": world.a2.account.pk}),
        ):
            assert owner.ids(path, **query), path
            response = owner.request("GET", path, query=query, headers=header)
            assert response.json()["results"] == [], (path, query)

    @pytest.mark.parametrize("operation", OF_A_CUSTOMER, ids=_name)
    def test_what_is_of_another_is_not_found(self, operation: Operation, world: World) -> None:
        """An object of another of the caller's organizations is 404 while one is active."""
        world.client("account_owner")
        before = rows()
        for path_of, active, found in ((world.a, world.a2, False), (world.a, world.a, True)):
            with rolled_back():
                if operation.prepare and not operation.template.startswith(("accounts", "organizations")):
                    operation.prepare(world)
                response = operation.call(
                    world,
                    "account_owner",
                    path=path_of.path(operation.template),
                    headers={"X-Organization": str(active.organization.pk)},
                )
                assert (response.status_code != 404) is found, active
        assert rows() == before

    def test_creates_are_narrowed(self, world: World) -> None:
        """What is created belongs to the active organization, and cannot be put into another."""
        owner, a, a2 = world.client("owner"), world.a.organization, world.a2.organization
        header = {"X_Organization": str(a2.pk)}

        assert owner.post("teams/", {"name": "New"}).status_code == 400
        made = owner.post("teams/", {"name": "New"}, **header)
        assert (made.status_code, made.json()["organization"]) == (201, str(a2.pk))
        refused = owner.post("teams/", {"name": "Newer", "organization": str(a.pk)}, **header)
        assert [error["field"] for error in refused.json()["errors"]] == ["organization"]
        assert owner.post("teams/", {"name": "Newer", "organization": str(a.pk)}).status_code == 201

        person = {"email": "new@example.com", "role": "member"}
        assert owner.post("users/", {**person, "organization": str(a.pk)}, **header).status_code == 400
        assert owner.post("users/", person, **header).status_code == 201
        assert a2.memberships.filter(user__email=person["email"]).exists()

    def test_organizations_are_created_in_its_account(self, world: World) -> None:
        """A new organization goes to the account of the active one, and cannot be put into another."""
        caller = world.client("account_owner")
        header = {"X_Organization": str(world.a.organization.pk)}

        assert caller.post("organizations/", {"name": "New"}).status_code == 400
        made = caller.post("organizations/", {"name": "New"}, **header)
        assert (made.status_code, made.json()["account"]) == (201, str(world.a.account.pk))
        body = {"name": "Newer", "account": str(world.a2.account.pk)}
        assert caller.post("organizations/", body, **header).status_code == 400
        assert caller.post("organizations/", body).status_code == 201

    def test_other_headers_and_cookies_do_nothing(self, world: World) -> None:
        """T5: what other software takes a tenant, a path or a method from changes nothing here."""
        b = str(world.b.organization.pk)
        headers = {
            **dict.fromkeys(("X-Org-Id", "X-Tenant-ID", "X-Organization-Id", "X-Account"), b),
            "X-Original-URL": world.b.path("/api/v1/organizations/{id}/"),
            "X-HTTP-Method-Override": "DELETE",
            "Cookie": f"organization={b}; org={b}",
        }
        for path in ("organizations/", "teams/", "users/", world.a.path("organizations/{id}/")):
            plain = world.client("owner").request("GET", path)
            assert _same_words(world.client("owner").request("GET", path, headers=headers)) == _same_words(
                plain
            )
            assert plain.status_code == 200


def test_methods_that_a_path_does_not_have_are_405_and_tell_nothing(world: World) -> None:
    """I36, I37: OPTIONS and TRACE, and methods that are not documented, are 405 for everybody, with ``Allow``."""
    templates = {each.template: set() for each in ALL}
    for each in ALL:
        templates[each.template].add(each.method)
    for template, methods in templates.items():
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PURGE"} - methods:
            for caller, tenant in (("anon", world.a), ("owner", world.b), ("account_owner", world.a)):
                response = world.client(caller).request(method, tenant.path(template))
                assert response.status_code == 405, (method, template, caller)
                assert {each.strip() for each in response.headers["Allow"].split(",")} >= methods
                _same_words(response)


def test_ids_are_not_sequential(world: World) -> None:
    """I23: the id of every tenant object is a UUID."""
    for template in ("accounts/", "organizations/", "teams/"):
        for row in world.client("owner").get(template).json()["results"]:
            assert re.fullmatch(
                r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", row["id"]
            )


def test_names_that_another_customer_has_can_be_used(world: World) -> None:
    """I22: a team's name and slug are unique in their organization only."""
    body = {
        "organization": str(world.a.organization.pk),
        "name": world.b.team.name,
        "slug": world.b.team.slug,
    }

    made = world.client("owner").post("teams/", body)

    assert made.status_code == 201
    assert made.json()["slug"] == slugify(world.b.team.slug)
