"""The organization of a request over HTTP, by whatever the host has it named."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import override_settings

from tests.api_fixtures import World, rows
from tests.api_fixtures.clients import ApiClient

HEADER = "saas_kit.tenancy.resolvers.header"
SUBDOMAIN = "saas_kit.tenancy.resolvers.subdomain"
PATH = "saas_kit.tenancy.resolvers.path"
COOKIE = "tests.tenancy.sample_resolvers.from_cookie"


@pytest.fixture(autouse=True)
def _host(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.tenancy.api.urls"
    settings.ALLOWED_HOSTS = [".example.com", "testserver"]
    settings.SAAS_KIT_TENANCY_BASE_DOMAIN = "example.com"


def _by_header(client: ApiClient, slug: str, method: str, path: str, body: Any = None) -> Any:
    return client.request(method, path, body, headers={"X-Organization": slug})


def _by_subdomain(client: ApiClient, slug: str, method: str, path: str, body: Any = None) -> Any:
    return client.request(method, path, body, headers={"Host": f"{slug.upper()}.Example.com:8000"})


def _by_path(client: ApiClient, slug: str, method: str, path: str, body: Any = None) -> Any:
    return client.request(method, f"http://testserver/o/{slug}/api/v1/{path}", body)


def _by_cookie(client: ApiClient, slug: str, method: str, path: str, body: Any = None) -> Any:
    return client.request(method, path, body, headers={"Cookie": f"workspace={slug}"})


WAYS = {HEADER: _by_header, SUBDOMAIN: _by_subdomain, PATH: _by_path, COOKIE: _by_cookie}


@pytest.mark.parametrize("resolver", WAYS)
class TestEachResolver:
    @pytest.fixture(autouse=True)
    def _resolver(self, settings: Any, resolver: str) -> None:
        settings.SAAS_KIT_TENANCY_RESOLVERS = [resolver]

    def test_i10_narrows_lists_objects_and_creates(self, resolver: str, world: World) -> None:
        """I10: of two organizations that the caller owns, the request sees the one that it names."""
        owner, a, a2 = world.client("owner"), world.a, world.a2
        assert owner.ids("teams/") == {str(a.team.pk), str(a2.team.pk)}

        def send(*arguments: Any) -> Any:
            return WAYS[resolver](owner, a2.organization.slug, *arguments)

        for path, own in (("teams/", a2.team), ("organizations/", a2.organization), ("users/", a2.person)):
            assert [str(row["id"]) for row in send("GET", path).json()["results"]] == [str(own.pk)]
        for template in ("teams/{id}/", "organizations/{id}/", "organizations/{organization_id}/members/"):
            assert send("GET", a2.path(template)).status_code == 200
            assert send("GET", a.path(template)).status_code == 404
            assert owner.get(a.path(template)).status_code == 200
        made = send("POST", "teams/", {"name": "New"})
        assert (made.status_code, made.json()["organization"]) == (201, str(a2.organization.pk))
        foreign = send("POST", "teams/", {"name": "Newer", "organization": str(a.organization.pk)})
        assert foreign.json()["errors"][0]["code"] == "does_not_exist"

    def test_i10_t5_one_that_the_caller_is_not_in_is_not_found(self, resolver: str, world: World) -> None:
        """What is answered to a foreign organization is what is answered to one that is not there."""
        owner, b_owner = world.client("owner"), world.client("b_owner")
        before = rows()
        for path, method in (
            ("teams/", "GET"),
            ("teams/", "POST"),
            ("accounts/", "GET"),
            ("auth/me/", "GET"),
        ):
            answers = set()
            for slug in (world.b.organization.slug, "no-such", str(world.b.organization.pk), "a--b"):
                response = WAYS[resolver](owner, slug, method, path, {"name": "New"})
                answers.add(
                    (response.status_code, re.sub(r'"request_id":"[^"]*"', "", response.content.decode()))
                )
            assert len(answers) == 1
            assert answers.pop()[0] == 404
            assert WAYS[resolver](b_owner, world.b.organization.slug, "GET", path).status_code == 200
        assert rows() == before

    def test_i25_nobody_is_401_wherever(self, resolver: str, world: World) -> None:
        """Somebody who is not signed in learns nothing of which organizations there are."""
        answers = {
            WAYS[resolver](world.client("anon"), slug, "GET", "teams/").json()["code"]
            for slug in (world.a.organization.slug, "no-such")
        }
        assert answers == {"not_authenticated"}

    def test_sign_in_is_open_wherever(self, resolver: str, world: World) -> None:
        """I25: nobody is signed in yet, so no organization is asked for."""
        for slug in (world.a.organization.slug, "no-such"):
            for path in ("auth/login/", "auth/register/", "auth/refresh/"):
                assert WAYS[resolver](world.client("anon"), slug, "POST", path, {}).status_code == 400

    def test_takes_one_statement_more(
        self, resolver: str, world: World, django_assert_num_queries: Any
    ) -> None:
        """It costs what the header costs."""
        for caller, slug, status, count in (
            ("owner", world.a.organization.slug, 200, 3),
            ("owner", "no-such", 404, 2),
        ):
            client = world.client(caller)
            with django_assert_num_queries(count):
                assert WAYS[resolver](client, slug, "GET", "teams/").status_code == status

    def test_leaving_takes_effect_with_the_next_request(self, resolver: str, world: World) -> None:
        viewer, slug = world.client("viewer"), world.a.organization.slug
        assert WAYS[resolver](viewer, slug, "GET", "teams/").status_code == 200

        left = WAYS[resolver](viewer, slug, "POST", world.a.path("organizations/{id}/leave/"))

        assert left.status_code == 204
        assert WAYS[resolver](viewer, slug, "GET", "teams/").status_code == 404


class TestTogether:
    @pytest.fixture(autouse=True)
    def _resolvers(self, settings: Any) -> None:
        settings.SAAS_KIT_TENANCY_RESOLVERS = [HEADER, SUBDOMAIN, PATH]

    def test_they_must_agree(self, world: World) -> None:
        """I10: two of the caller's own organizations are each within reach alone, and together 404."""
        owner, a, a2 = world.client("owner"), world.a.organization, world.a2.organization

        def status(subdomain: Any, path: Any, header: Any) -> int:
            headers = {"Host": f"{subdomain.slug}.example.com" if subdomain else "example.com"}
            if header:
                headers["X-Organization"] = str(header.pk)
            url = f"http://testserver/o/{path.slug}/api/v1/teams/" if path else "teams/"
            return int(owner.request("GET", url, headers=headers).status_code)

        for each in (a, a2):
            assert {status(each, None, None), status(None, each, None), status(None, None, each)} == {200}
            assert status(each, each, each) == 200
        for one, other in ((a, a2), (a2, a), (a, world.b.organization), (world.b.organization, a)):
            assert status(one, other, None) == 404
            assert status(one, None, other) == 404
            assert status(None, one, other) == 404
            assert status(one, one, other) == 404

    def test_the_whole_api_is_there_below_a_path(self, world: World) -> None:
        """Views need not know of the argument."""
        member = world.client("member")
        for path in (
            *("auth/me/", "accounts/", "organizations/", "teams/", "users/"),
            *(
                world.a.path(each)
                for each in ("organizations/{id}/", "teams/{id}/", "teams/{team_id}/members/")
            ),
        ):
            assert _by_path(member, world.a.organization.slug, "GET", path).status_code == 200, path
        assert _by_path(member, world.a.organization.slug, "POST", "auth/logout/all/").status_code == 204

    def test_pages_lead_on_below_the_same_path(self, world: World, make_team: Any) -> None:
        make_team(organization=world.a.organization)
        slug = world.a.organization.slug

        page = _by_path(world.client("owner"), slug, "GET", "teams/?page_size=1").json()

        assert f"/o/{slug}/api/v1/teams/" in page["next"]
        assert world.client("owner").request("GET", page["next"]).status_code == 200

    def test_t5_what_other_software_takes_a_tenant_from_does_nothing(self, world: World) -> None:
        """T5: neither moves a request that names an organization, nor one that names none."""
        b = world.b.organization
        headers = {
            **dict.fromkeys(("X-Org-Id", "X-Tenant-ID", "X-Organization-Id", "X-Account"), str(b.pk)),
            "X-Original-URL": f"/o/{b.slug}/api/v1/teams/",
            "X-Rewrite-URL": f"/o/{b.slug}/api/v1/teams/",
            "X-Forwarded-Host": f"{b.slug}.example.com",
            "X-Forwarded-Prefix": f"/o/{b.slug}",
            "Cookie": f"organization={b.pk}; workspace={b.slug}",
        }
        for host in ("example.com", f"{world.a.organization.slug}.example.com"):
            plain = world.client("owner").request("GET", "teams/", headers={"Host": host})
            spoofed = world.client("owner").request("GET", "teams/", headers={"Host": host, **headers})
            assert spoofed.status_code == plain.status_code == 200
            assert spoofed.json() == plain.json()

    def test_a_host_that_is_not_allowed_is_400(self, world: World) -> None:
        with override_settings(ALLOWED_HOSTS=["example.com"]):
            assert (
                world.client("owner").request("GET", "teams/", headers={"Host": "example.com"}).status_code
                == 200
            )
            slug = world.a.organization.slug
            response = world.client("owner").request("GET", "teams/", headers={"Host": f"{slug}.example.com"})
        assert response.status_code == 400
