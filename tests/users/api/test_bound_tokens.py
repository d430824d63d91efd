"""Tokens that are bound to one organization: how they are got, where they are of use, and where not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import jwt
import pytest
from django.db import connection
from django.test import Client

from saas_kit.auth.keys import key_ring
from saas_kit.auth.models import Session
from saas_kit.auth.services import Tokens, open_session, revoke_session
from saas_kit.auth.tokens import CLAIMS
from saas_kit.tenancy.services import delete_organization, remove_member
from tests.api_fixtures import Operation, World, rolled_back, rows
from tests.api_fixtures.catalog import ALL, BY_ADDRESS, PUBLIC
from tests.api_fixtures.clients import PREFIX, ApiClient

OF_A_CUSTOMER = [
    each
    for each in ALL
    if "{" in each.template and not each.template.startswith("users/") and each.name != BY_ADDRESS
]


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def _signed_by_us(claims: dict[str, Any]) -> str:
    key = key_ring().signing
    return jwt.encode(claims, key.signing, key.algorithm, headers={"kid": key.id})


def _refresh(refresh: str, **body: Any) -> Any:
    return ApiClient().post("auth/refresh/", {"refresh": refresh, **body})


def _errors(response: Any) -> list[tuple[str, str]]:
    assert response.status_code == 400, response.content
    return [(each["field"], each["code"]) for each in response.json()["errors"]]


@pytest.fixture
def bind(world: World) -> Callable[..., ApiClient]:
    """Return a function that signs somebody in and binds their tokens, as a client does."""

    def bind(caller: str, organization: Any) -> ApiClient:
        response = _refresh(open_session(world.people[caller]).refresh, organization=str(organization.pk))
        assert response.status_code == 200, response.content
        return ApiClient(response.json()["access"])

    return bind


@pytest.fixture
def tokens(world: World) -> Tokens:
    """Those of somebody who owns two organizations."""
    return open_session(world.people["owner"])


class TestRefresh:
    def test_i69_the_claim_is_the_one_exception(self, world: World, tokens: Tokens) -> None:
        """I69: a bound pair has one claim more than others, the organization's id; nothing else differs."""
        free = _refresh(tokens.refresh).json()
        assert set(_claims(free["access"])) == set(_claims(free["refresh"])) == set(CLAIMS)

        bound = _refresh(free["refresh"], organization=str(world.a.organization.pk)).json()

        assert set(bound) == {"access", "refresh"}
        for kind in ("access", "refresh"):
            claims, before = _claims(bound[kind]), _claims(free[kind])
            assert set(claims) == {*CLAIMS, "org"}
            assert claims["org"] == str(world.a.organization.pk)
            for same in ("sub", "sid", "aud", "iss", "token_type"):
                assert claims[same] == before[same]
        assert _claims(bound["refresh"])["exp"] == _claims(free["refresh"])["exp"]

    def test_stays_switches_and_frees(self, world: World, tokens: Tokens) -> None:
        """A pair is bound as the one before it until another organization, or null, is sent."""
        a, a2 = str(world.a.organization.pk), str(world.a2.organization.pk)
        steps: list[tuple[dict[str, Any], str | None]] = [
            ({}, None),
            ({"organization": None}, None),
            ({"organization": a}, a),
            ({}, a),
            ({"organization": a}, a),
            ({"organization": a2}, a2),
            ({}, a2),
            ({"organization": None}, None),
            ({}, None),
        ]
        refresh = tokens.refresh
        for body, expected in steps:
            pair = _refresh(refresh, **body).json()
            assert _claims(pair["access"]).get("org") == _claims(pair["refresh"]).get("org") == expected
            found = ApiClient(pair["access"]).ids("organizations/")
            assert found == ({expected} if expected else {a, a2})
            refresh = pair["refresh"]

    def test_t3_a_foreign_organization_is_as_a_random_one(self, world: World, tokens: Tokens) -> None:
        """T3: 400 on the field in the same words, and the token stays good."""
        deleted = world.a2.organization
        delete_organization(deleted, actor=None)
        before = rows()
        answers = []
        for organization in (world.b.organization.pk, uuid4(), deleted.pk):
            response = _refresh(tokens.refresh, organization=str(organization))
            assert _errors(response) == [("organization", "does_not_exist")]
            problem = response.json()
            problem.pop("request_id")
            answers.append(problem)
        assert answers[0] == answers[1] == answers[2]
        assert rows() == before

        assert _refresh(tokens.refresh, organization=str(world.a.organization.pk)).status_code == 200

    @pytest.mark.parametrize("value", ["", "acme-berlin", "x", [], {}, 1.5, "\x00", "0" * 5000])
    def test_i120_what_is_no_id_is_400_and_leaves_the_token(
        self, world: World, tokens: Tokens, value: Any
    ) -> None:
        assert [field for field, _ in _errors(_refresh(tokens.refresh, organization=value))] == [
            "organization"
        ]

        assert _refresh(tokens.refresh).status_code == 200

    def test_the_body_stays_strict(self, world: World, tokens: Tokens) -> None:
        assert _errors(_refresh(tokens.refresh, org=str(world.a.organization.pk))) == [("org", "unknown")]
        assert _errors(ApiClient().post("auth/refresh/", {"organization": str(world.a.organization.pk)})) == [
            ("refresh", "required")
        ]

        assert _refresh(tokens.refresh).status_code == 200

    def test_only_a_good_token_tells_of_organizations(self, world: World, tokens: Tokens) -> None:
        """I25: whoever has no good refresh token is 401, whatever organization they name."""
        used = tokens.refresh
        good = _refresh(used).json()
        organizations = (world.a.organization.pk, world.b.organization.pk, uuid4())
        for token in (used, "x.y.z", good["access"]):
            for organization in organizations:
                assert _refresh(token, organization=str(organization)).status_code == 401
        assert _refresh(good["refresh"], organization=str(world.a.organization.pk)).status_code == 200
        revoke_session(tokens.session, actor=None)
        assert {_refresh(good["refresh"], organization=str(each)).status_code for each in organizations} == {
            401
        }

    def test_a_role_in_the_account_is_enough(self, world: World) -> None:
        """Who reaches an organization through its account is in it; who has a role that does not, is not."""
        for caller, status in (("account_owner", 200), ("account_member", 400), ("outsider", 400)):
            refresh = open_session(world.people[caller]).refresh
            assert _refresh(refresh, organization=str(world.a.organization.pk)).status_code == status, caller

    def test_platform_staff_may_name_any_where_the_host_says_so(self, world: World, settings: Any) -> None:
        refresh = open_session(world.people["staff"]).refresh
        assert _refresh(refresh, organization=str(world.b.organization.pk)).status_code == 400

        settings.SAAS_KIT_TENANCY_STAFF_ACCESS = True

        pair = _refresh(refresh, organization=str(world.b.organization.pk)).json()
        assert ApiClient(pair["access"]).ids("teams/") == {str(world.b.team.pk)}

    def test_without_users_there_is_no_such_field(self, world: World, tokens: Tokens, settings: Any) -> None:
        """Sign-in alone knows of no organizations, and keeps what a token is bound to."""
        bound = _refresh(tokens.refresh, organization=str(world.a.organization.pk)).json()["refresh"]
        settings.ROOT_URLCONF = "saas_kit.auth.api.urls"

        def post(**body: Any) -> Any:
            return Client().post("/auth/refresh/", {"refresh": bound, **body}, "application/json")

        assert _errors(post(organization=str(world.a.organization.pk))) == [("organization", "unknown")]
        assert _claims(post().json()["access"])["org"] == str(world.a.organization.pk)

    @pytest.mark.postgresql
    @pytest.mark.django_db(transaction=True)
    def test_m1_i71_of_parallel_switches_one_wins(self, world: World) -> None:
        """I71: ten refreshes with ten wishes have one winner, and losers that name a foreign one use nothing up."""
        a, a2, b = (each.organization for each in (world.a, world.a2, world.b))
        for _ in range(3):
            refresh = open_session(world.people["owner"]).refresh
            barrier, answers = threading.Barrier(10), []

            def send(
                organization: Any, token: str = refresh, start: Any = barrier, into: Any = answers
            ) -> None:
                try:
                    start.wait(10)
                    into.append(_refresh(token, organization=str(organization.pk)))
                finally:
                    connection.close()

            threads = [threading.Thread(target=send, args=(each,)) for each in [a, a2, b] * 3 + [a]]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)

            statuses = [answer.status_code for answer in answers]
            assert statuses.count(200) == 1, statuses
            assert set(statuses) <= {200, 400, 401}
            winner = next(answer.json() for answer in answers if answer.status_code == 200)
            assert _refresh(winner["refresh"]).status_code == 200


class TestUse:
    @pytest.mark.parametrize("operation", OF_A_CUSTOMER, ids=lambda each: each.name)
    def test_is_refused_elsewhere(
        self, operation: Operation, world: World, bind: Callable[..., ApiClient]
    ) -> None:
        """I10: an object of another of the caller's organizations is 404, of the token's own it is not."""
        elsewhere = bind("account_owner", world.a2.organization)
        here = bind("account_owner", world.a.organization)
        before = rows()
        for client, found in ((elsewhere, False), (here, True)):
            with rolled_back():
                if operation.prepare and not operation.template.startswith(("accounts", "organizations")):
                    operation.prepare(world)
                body = operation.body(world) if operation.body else None
                response = client.request(operation.method, world.a.path(operation.template), body)
                assert response.status_code != 401
                assert (response.status_code != 404) is found, response.content
        assert rows() == before

    def test_lists_hold_what_is_of_its_organization(
        self, world: World, bind: Callable[..., ApiClient], django_assert_num_queries: Any
    ) -> None:
        """What a header narrows to the token is narrowed to, by as many statements."""
        bound, header = (
            bind("owner", world.a2.organization),
            {"X-Organization": str(world.a2.organization.pk)},
        )
        for path in ("accounts/", "organizations/", "teams/", "users/", "permissions/"):
            with django_assert_num_queries(2 if path == "permissions/" else 3):
                response = bound.get(path)
            assert response.json() == world.client("owner").request("GET", path, headers=header).json()
        assert bound.ids("teams/") == {str(world.a2.team.pk)}
        assert world.client("owner").ids("teams/") == {str(world.a.team.pk), str(world.a2.team.pk)}
        assert bound.ids("teams/", organization=world.a.organization.pk) == set()

    def test_creates_go_to_its_organization(self, world: World, bind: Callable[..., ApiClient]) -> None:
        bound = bind("owner", world.a2.organization)

        made = bound.post("teams/", {"name": "New"})
        assert (made.status_code, made.json()["organization"]) == (201, str(world.a2.organization.pk))
        refused = bound.post("teams/", {"name": "Newer", "organization": str(world.a.organization.pk)})
        assert _errors(refused) == [("organization", "does_not_exist")]

    def test_naming_another_is_404_everywhere(
        self, world: World, bind: Callable[..., ApiClient], operations: list[str]
    ) -> None:
        """I10: no header leads out of the organization that the token is bound to, not on one's own profile either."""
        bound, known = bind("owner", world.a.organization), {each.name: each for each in ALL}
        before = rows()
        for name in set(operations) - set(PUBLIC):
            operation = known.get(name) or Operation(name)
            for other in (world.a2.organization, world.b.organization):
                for value in (str(other.pk), other.slug):
                    response = bound.request(
                        operation.method,
                        world.a.path(operation.template),
                        operation.body(world) if operation.body else None,
                        headers={"X-Organization": value},
                    )
                    assert response.status_code == 404, name
        assert rows() == before
        for value in (str(world.a.organization.pk), world.a.organization.slug.upper()):
            assert bound.request("GET", "teams/", headers={"X-Organization": value}).status_code == 200

    @pytest.mark.parametrize("resolvers", [[], ["saas_kit.tenancy.resolvers.path"]])
    def test_is_heeded_whatever_resolvers_there_are(
        self, world: World, bind: Callable[..., ApiClient], settings: Any, resolvers: list[str]
    ) -> None:
        """A host that does not ask the header has not freed the tokens."""
        settings.SAAS_KIT_TENANCY_RESOLVERS = resolvers
        bound = bind("owner", world.a2.organization)

        assert bound.ids("teams/") == {str(world.a2.team.pk)}
        assert bound.get(world.a.path("teams/{id}/")).status_code == 404

    def test_a_subdomain_and_a_path_lead_nowhere_else(
        self, world: World, bind: Callable[..., ApiClient], settings: Any
    ) -> None:
        settings.ROOT_URLCONF = "tests.tenancy.api.urls"
        settings.ALLOWED_HOSTS = [".example.com", "testserver"]
        settings.SAAS_KIT_TENANCY_BASE_DOMAIN = "example.com"
        settings.SAAS_KIT_TENANCY_RESOLVERS = [
            "saas_kit.tenancy.resolvers.subdomain",
            "saas_kit.tenancy.resolvers.path",
        ]
        bound = bind("owner", world.a.organization)
        for organization, status in ((world.a.organization, 200), (world.a2.organization, 404)):
            host = {"Host": f"{organization.slug}.example.com"}
            assert bound.request("GET", "teams/", headers=host).status_code == status
            assert bound.get(f"http://testserver/o/{organization.slug}/api/v1/teams/").status_code == status

    def test_t5_other_headers_do_nothing(self, world: World, bind: Callable[..., ApiClient]) -> None:
        bound, other = bind("owner", world.a.organization), str(world.a2.organization.pk)
        headers = dict.fromkeys(
            ("X-Org-Id", "X-Tenant-ID", "X-Original-URL", "X-Forwarded-Host", "Org"), other
        )

        spoofed = bound.request("GET", "teams/", headers={**headers, "Cookie": f"org={other}"})

        assert spoofed.json() == bound.get("teams/").json()

    def test_the_old_access_token_is_good_until_it_expires(self, world: World, tokens: Tokens) -> None:
        """Binding makes a new pair; it takes nothing from the access token before it."""
        _refresh(tokens.refresh, organization=str(world.a2.organization.pk))

        assert ApiClient(tokens.access).ids("teams/") == {str(world.a.team.pk), str(world.a2.team.pk)}


class TestLeft:
    @pytest.mark.parametrize("how", ["left", "deleted"])
    def test_whoever_is_no_longer_in_it_keeps_their_own_profile_alone(self, world: World, how: str) -> None:
        """Tenant endpoints are 404; one's profile and signing out still work, and another can be switched to."""
        pair = _refresh(
            open_session(world.people["dual"]).refresh, organization=str(world.a.organization.pk)
        ).json()
        bound = ApiClient(pair["access"])
        assert bound.get("teams/").status_code == 200
        if how == "left":
            remove_member(world.a.organization.memberships.get(user=world.people["dual"]), actor=None)
        else:
            delete_organization(world.a.organization, actor=None)

        for path in ("accounts/", "organizations/", "teams/", "users/", "permissions/"):
            assert bound.get(path).status_code == 404, path
        assert (
            bound.post("teams/", {"name": "x", "organization": str(world.b.organization.pk)}).status_code
            == 404
        )
        assert bound.get(world.b.path("teams/{id}/")).status_code == 404
        me = bound.get("auth/me/")
        assert me.status_code == 200
        assert [each["organization"] for each in me.json()["memberships"]] == [str(world.b.organization.pk)]
        assert bound.patch("auth/me/", {}).status_code == 200
        for name in (world.a.organization, world.b.organization):
            header = {"X-Organization": str(name.pk)}
            assert bound.request("GET", "auth/me/", headers=header).status_code == 404

        still = _refresh(pair["refresh"]).json()
        assert ApiClient(still["access"]).get("teams/").status_code == 404
        switched = _refresh(still["refresh"], organization=str(world.b.organization.pk)).json()
        assert ApiClient(switched["access"]).ids("teams/") == {str(world.b.team.pk)}

        assert bound.post("auth/logout/").status_code == 204
        assert bound.post("auth/logout/").status_code == 204
        assert not Session.objects.live().of_user(world.people["dual"]).exists()

    def test_somebody_else_is_not_let_in_by_it(self, world: World) -> None:
        """M15: a claim that somebody changes is of no use: the signature is gone; and it grants nothing."""
        tokens = open_session(world.people["viewer"])
        claims = {**_claims(tokens.access), "org": str(world.b.organization.pk)}

        forged = ApiClient(jwt.encode(claims, "x" * 64, "HS256", headers={"kid": key_ring().signing.id}))
        signed_by_us = ApiClient(_signed_by_us(claims))

        assert forged.get("teams/").status_code == 401
        assert signed_by_us.get("teams/").status_code == 404
        own = {**claims, "org": str(world.a.organization.pk)}
        assert ApiClient(_signed_by_us(own)).ids("teams/") == {str(world.a.team.pk)}

    @pytest.mark.parametrize("value", [None, 1, True, [], {}, ["x"]])
    def test_m15_a_claim_of_a_wrong_type_is_401(self, world: World, value: Any) -> None:
        tokens = open_session(world.people["viewer"])
        for kind, call in (
            ("access", lambda token: ApiClient(token).get("auth/me/")),
            ("refresh", _refresh),
        ):
            claims = {**_claims(getattr(tokens, kind)), "org": value}
            assert call(_signed_by_us(claims)).status_code == 401

    @pytest.mark.parametrize("value", ["", "no-such", "\x00", "\ud800", "x" * 500])
    def test_i120_a_claim_that_names_nothing_is_404(self, world: World, value: str) -> None:
        tokens = open_session(world.people["viewer"])
        bound = ApiClient(_signed_by_us({**_claims(tokens.access), "org": value}))

        assert bound.get("teams/").status_code == 404
        assert bound.get("auth/me/").status_code == 200


def test_query_counts_of_the_refresh(world: World, tokens: Tokens, django_assert_num_queries: Any) -> None:
    """Binding takes two statements more, the person's roles and the organization; without it none is added."""
    organization = str(world.a.organization.pk)
    refresh = tokens.refresh
    for body, count in (({}, 4), ({"organization": organization}, 6), ({}, 4), ({"organization": None}, 4)):
        with django_assert_num_queries(count):
            response = Client().post(
                f"{PREFIX}auth/refresh/", {"refresh": refresh, **body}, "application/json"
            )
        refresh = response.json()["refresh"]
