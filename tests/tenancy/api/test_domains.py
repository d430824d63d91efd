"""Domains of organizations, and joining by an address in one, over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from saas_kit.tenancy import services
from saas_kit.tenancy.domain_proofs import record_name, record_value
from saas_kit.tenancy.models import EmailDomain, Membership, Status
from tests.api_fixtures import ApiClient, World
from tests.tenancy.name_server import NameServer

FIELDS = {
    *("id", "domain", "enrollment", "role", "record", "verified_at", "missing_since"),
    *("created_at", "updated_at"),
}


def _errors(response: Any) -> list[tuple[str | None, str]]:
    assert response.status_code == 400, response.content
    return [(each["field"], each["code"]) for each in response.json()["errors"]]


def _code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


@pytest.fixture
def path(world: World) -> str:
    """The domains of the first customer's organization."""
    return f"organizations/{world.a.organization.pk}/domains/"


@pytest.fixture
def admin(world: World) -> ApiClient:
    """An admin of the organization."""
    return world.client("admin")


class TestCollection:
    def test_claiming_tells_what_to_publish(self, admin: ApiClient, path: str) -> None:
        """A claim is answered with the record that proves it, and begins off."""
        made = admin.post(path, {"domain": "Bücher.Example."})

        assert made.status_code == 201
        body = made.json()
        assert body.keys() == FIELDS
        assert (body["domain"], body["enrollment"], body["role"]) == (
            "xn--bcher-kva.example",
            "off",
            "member",
        )
        assert body["verified_at"] is None
        proof = EmailDomain.objects.get(pk=body["id"]).proof
        assert body["record"] == {
            "name": "_saas-kit-challenge.xn--bcher-kva.example",
            "type": "TXT",
            "value": f"saas-kit-verification={proof}",
        }
        assert admin.get(f"{path}{body['id']}/").json() == body
        assert body in admin.get(path).json()["results"]

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ({}, ("domain", "required")),
            ({"domain": None}, ("domain", "null")),
            ({"domain": ""}, ("domain", "blank")),
            ({"domain": 5.5}, ("domain", "invalid")),
            ({"domain": "http://new.example/"}, ("domain", "invalid")),
            ({"domain": "x" * 256}, ("domain", "max_length")),
            ({"domain": "gmail.com"}, ("domain", "public_mail_domain")),
            ({"domain": "ACME.example"}, ("domain", "unique")),
            ({"domain": "new.example", "enrollment": "always"}, ("enrollment", "invalid_choice")),
            ({"domain": "new.example", "role": "owner"}, ("role", "owner_by_domain")),
            ({"domain": "new.example", "role": "nobody"}, ("role", "unknown_role")),
            ({"domain": "new.example", "proof": "0" * 32}, ("proof", "unknown")),
        ],
    )
    def test_what_is_wrong_is_named(self, body: Any, error: Any, admin: ApiClient, path: str) -> None:
        """Bad input is 400 on its field, and nothing is made."""
        assert _errors(admin.post(path, body)) == [error]

        assert EmailDomain.objects.count() == 3

    def test_too_many_are_refused(self, admin: ApiClient, path: str, world: World) -> None:
        """The twenty-first is 409 ``too_many_domains``."""
        for number in range(services.MAX_DOMAINS - 2):
            services.claim_domain(world.a.organization, domain=f"d{number}.example", actor=None)

        assert admin.post(path, {"domain": "last.example"}).status_code == 201
        assert _code(admin.post(path, {"domain": "more.example"})) == (409, "too_many_domains")

    def test_what_only_the_service_writes(self, admin: ApiClient, path: str) -> None:
        """What was read can be sent back: who sends that it is proved has not proved it."""
        record = {"name": "x", "type": "TXT", "value": "x"}
        made = admin.post(
            path, {"domain": "new.example", "verified_at": "2026-01-01T00:00:00Z", "record": record}
        )

        assert made.status_code == 201
        assert made.json()["verified_at"] is None
        assert made.json()["record"] != record

    def test_changing(self, admin: ApiClient, path: str, world: World) -> None:
        """The enrollment and the role can change, the domain cannot."""
        one = f"{path}{world.a.domain.pk}/"

        changed = admin.patch(one, {"enrollment": "automatic", "role": "viewer"})

        assert changed.status_code == 200
        assert (changed.json()["enrollment"], changed.json()["role"]) == ("automatic", "viewer")
        assert changed.headers["ETag"] == admin.get(one).headers["ETag"]
        assert admin.patch(one, {"domain": "acme.example"}).status_code == 200
        assert _errors(admin.patch(one, {"domain": "b.example"})) == [("domain", "immutable")]
        assert admin.put(one, {"domain": "acme.example"}).status_code == 405
        assert admin.patch(one, {"enrollment": "off"}, If_Match='"stale"').status_code == 412

    def test_deleting(self, admin: ApiClient, path: str, world: World) -> None:
        """What was deleted is 404, and can be claimed anew."""
        one = f"{path}{world.a.domain.pk}/"

        assert admin.delete(one).status_code == 204

        for response in (admin.get(one), admin.delete(one), admin.post(f"{one}verify/")):
            assert response.status_code == 404
        assert admin.post(path, {"domain": "acme.example"}).status_code == 201

    def test_listing(
        self, admin: ApiClient, path: str, world: World, make_domain: Callable[..., Any]
    ) -> None:
        """The list has what is the organization's own, and can be searched, ordered and filtered."""
        organization = world.a.organization
        proved = make_domain("proved.example", organization=organization, enrollment="suggest")

        assert admin.ids(path) == {str(world.a.domain.pk), str(proved.pk)}
        assert admin.ids(path, verified="true") == {str(proved.pk)}
        assert admin.ids(path, verified="false") == {str(world.a.domain.pk)}
        assert admin.ids(path, enrollment="suggest") == {str(proved.pk)}
        assert admin.ids(path, search="prov") == {str(proved.pk)}
        ordered = admin.get(path, ordering="-domain").json()["results"]
        assert [each["domain"] for each in ordered] == ["proved.example", "acme.example"]
        assert admin.get(path, proof="x").status_code == 400
        assert admin.get(path, ordering="proof").status_code == 400

    def test_of_others(self, world: World) -> None:
        """T4: a domain of another organization is 404 below one's own, for every verb."""
        owner = world.client("owner")  # of both
        one = f"organizations/{world.a.organization.pk}/domains/{world.a2.domain.pk}/"

        for response in (
            owner.get(one),
            owner.patch(one, {"enrollment": "suggest"}),
            owner.delete(one),
            owner.post(f"{one}verify/"),
        ):
            assert response.status_code == 404
        assert (
            owner.get(one.replace(str(world.a.organization.pk), str(world.a2.organization.pk))).status_code
            == 200
        )

    def test_statements_do_not_grow(
        self, admin: ApiClient, path: str, world: World, make_domain: Any
    ) -> None:
        """A list takes the same statements for one domain and for many."""

        def count() -> int:
            with CaptureQueriesContext(
                connection,
            ) as captured:
                assert admin.get(path).status_code == 200
            return len(captured)

        before = count()
        for number in range(10):
            make_domain(f"d{number}.example", organization=world.a.organization)

        assert count() == before == 3


class TestVerify:
    def test_proving(self, admin: ApiClient, path: str, world: World, name_server: NameServer) -> None:
        """What is published as it was told is proved."""
        record = admin.get(f"{path}{world.a.domain.pk}/").json()["record"]
        name_server.publish(record)

        proved = admin.post(f"{path}{world.a.domain.pk}/verify/")

        assert proved.status_code == 200
        assert proved.json()["verified_at"]
        assert proved.json() == admin.get(f"{path}{world.a.domain.pk}/").json()

    def test_refusals(self, admin: ApiClient, path: str, world: World, name_server: NameServer) -> None:
        """Each reason has a status and a code of its own."""
        verify = f"{path}{world.a.domain.pk}/verify/"
        record = admin.get(f"{path}{world.a.domain.pk}/").json()["record"]

        assert _code(admin.post(verify)) == (409, "domain_unproved")
        name_server.failing.add(record["name"])
        failed = admin.post(verify)
        assert _code(failed) == (503, "dns_unavailable")
        assert int(failed.headers["Retry-After"]) > 0
        name_server.failing.clear()
        name_server.publish(record)
        other = services.claim_domain(world.b.organization, domain="acme.example", actor=None)
        name_server.publish(record, f"saas-kit-verification={other.proof}")
        services.verify_domain(other, actor=None)
        assert _code(admin.post(verify)) == (409, "domain_taken")

    def test_taking_it_from_who_cannot_prove_it_any_more(
        self, admin: ApiClient, path: str, world: World, name_server: NameServer
    ) -> None:
        """The request is about one organization, and ends what another one had."""
        theirs = services.claim_domain(world.b.organization, domain="acme.example", actor=None)
        name_server.publish({"name": record_name(theirs.domain), "value": record_value(theirs.proof)})
        services.verify_domain(theirs, actor=None)
        name_server.publish(admin.get(f"{path}{world.a.domain.pk}/").json()["record"])

        proved = admin.post(f"{path}{world.a.domain.pk}/verify/")

        assert proved.status_code == 200
        theirs.refresh_from_db()
        assert not theirs.is_verified
        lost = world.client("b_owner").get(f"organizations/{world.b.organization.pk}/domains/{theirs.pk}/")
        assert lost.json()["verified_at"] is None

    def test_too_often(
        self, admin: ApiClient, path: str, world: World, name_server: NameServer, settings: Any
    ) -> None:
        """Whoever asks too often is told when to ask again."""
        settings.SAAS_KIT_TENANCY_RATE_LIMITS = {"domain_proofs": "1/h"}
        verify = f"{path}{world.a.domain.pk}/verify/"
        admin.post(verify)

        limited = admin.post(verify)

        assert _code(limited) == (429, "rate_limited")
        assert int(limited.headers["Retry-After"]) > 0
        assert len(name_server.asked) == 1

    def test_in_a_suspended_organization(
        self, admin: ApiClient, path: str, world: World, name_server: NameServer
    ) -> None:
        """What is suspended cannot be changed, and asks nobody."""
        services.set_organization_status(world.a.organization, Status.SUSPENDED, actor=None)

        assert _code(admin.post(f"{path}{world.a.domain.pk}/verify/")) == (403, "suspended")

        assert name_server.asked == []


class TestJoining:
    def test_suggested(self, make_domain: Any, make_verified_user: Any, client_for: Any) -> None:
        """Somebody sees what they may join, joins, is a member, and sees it no more."""
        domain = make_domain(enrollment="suggest", role="viewer")
        person = make_verified_user("ada@acme.example")
        client = client_for(person)
        organization = domain.organization

        [offered] = client.get("organizations/joinable/").json()["results"]
        joined = client.post(f"organizations/{offered['id']}/join/")

        assert offered == {
            "id": str(organization.pk),
            "name": organization.name,
            "domain": "acme.example",
            "role": "viewer",
        }
        assert joined.status_code == 201
        assert joined.json().keys() == {"id", "user", "role", "created_at"}
        assert joined.json()["role"] == "viewer"
        assert client.get(f"organizations/{organization.pk}/").json()["role"] == "viewer"
        assert client.get("organizations/joinable/").json()["results"] == []
        assert _code(client.post(f"organizations/{organization.pk}/join/")) == (409, "already_member")
        assert Membership.objects.filter(user=person).count() == 1

    def test_the_list_is_one(self, make_domain: Any, make_verified_user: Any, client_for: Any) -> None:
        """What may be joined is in a page, and can be counted, searched and ordered as any list."""
        domain = make_domain(enrollment="suggest")
        client = client_for(make_verified_user("ada@acme.example"))

        page = client.get("organizations/joinable/", count="true", ordering="name", search="org").json()

        assert page.keys() == {"next", "previous", "count", "results"}
        assert page["count"] == 1
        assert client.ids("organizations/joinable/", search=domain.organization.name) == {
            str(domain.organization_id)
        }
        assert client.ids("organizations/joinable/", search="nothing like it") == set()
        assert client.get("organizations/joinable/", domain="acme.example").status_code == 400

    def test_without_a_verified_address(self, make_domain: Any, make_user: Any, client_for: Any) -> None:
        """T18: an address that nobody proved shows nothing, and is told the same of every organization."""
        domain = make_domain(enrollment="suggest")
        client = client_for(make_user("ada@acme.example"))

        assert client.get("organizations/joinable/").json()["results"] == []
        answers = []
        for key in (domain.organization_id, uuid4()):
            answer = client.post(f"organizations/{key}/join/").json()
            answers.append({**answer, "request_id": None})

        assert answers[0]["code"] == "email_unverified"
        assert answers[0] == answers[1]

    def test_of_what_is_not_offered(self, make_domain: Any, make_verified_user: Any, client_for: Any) -> None:
        """T18: an organization of another domain is 404, as one that is not there is."""
        domain = make_domain(enrollment="suggest")
        client = client_for(make_verified_user("ada@b.example"))

        assert client.get("organizations/joinable/").json()["results"] == []
        answers = []
        for key in (domain.organization_id, uuid4()):
            answer = client.post(f"organizations/{key}/join/").json()
            answers.append({**answer, "request_id": None})

        assert answers[0]["code"] == "not_found"
        assert answers[0] == answers[1]

    def test_narrowed_to_another_organization(
        self, make_domain: Any, make_membership: Any, make_verified_user: Any, client_for: Any
    ) -> None:
        """I10: a request that is about one organization of the caller's joins no other."""
        domain = make_domain(enrollment="suggest")
        person = make_verified_user("ada@acme.example")
        own, client = make_membership(user=person).organization, client_for(person)
        narrowed = {"X-Organization": str(own.pk)}
        path = f"organizations/{domain.organization_id}/join/"

        assert client.request("GET", "organizations/joinable/", headers=narrowed).json()["results"] == []
        assert client.request("POST", path, headers=narrowed).status_code == 404
        assert client.post(path).status_code == 201

    def test_a_second_factor_that_is_required(
        self, make_organization: Any, make_domain: Any, make_verified_user: Any, client_for: Any
    ) -> None:
        """Who has no second factor sees what they may join, and is told what it takes."""
        organization = make_organization(require_mfa=True)
        make_domain(organization=organization, enrollment="suggest")
        client = client_for(make_verified_user("ada@acme.example"))

        assert client.ids("organizations/joinable/") == {str(organization.pk)}
        assert _code(client.post(f"organizations/{organization.pk}/join/")) == (
            403,
            "mfa_enrollment_required",
        )

    def test_nobody_is_put_in_who_was_there_before(
        self, world: World, path: str, make_verified_user: Any, client_for: Any, name_server: NameServer
    ) -> None:
        """Whatever an admin does with a domain, somebody with an account becomes a member by their own act."""
        person = make_verified_user("ada@acme.example")
        admin = world.client("admin")
        name_server.publish(admin.get(f"{path}{world.a.domain.pk}/").json()["record"])

        assert admin.post(f"{path}{world.a.domain.pk}/verify/").status_code == 200
        assert admin.patch(f"{path}{world.a.domain.pk}/", {"enrollment": "automatic"}).status_code == 200
        client = client_for(person)
        assert client.get("auth/me/").status_code == 200

        assert not Membership.objects.filter(user=person).exists()
        assert client.ids("organizations/joinable/") == {str(world.a.organization.pk)}
