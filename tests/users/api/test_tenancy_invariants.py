"""What the invariants of tenancy say about all operations together: answers, mails, the log, the audit log, ids."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.core import mail
from django.core.cache import cache
from django.db import models

from saas_kit.audit.models import Event
from saas_kit.tenancy.guard import owned_models
from tests.api_fixtures import Operation, World, rolled_back, rows, schema
from tests.api_fixtures.catalog import ALL, BY_ADDRESS
from tests.api_fixtures.world import CANARY

READS = [each for each in ALL if each.method == "GET"]
OF_A = ("viewer", "member", "admin", "owner", "target", "account_owner")


def _name(operation: Operation) -> str:
    return operation.name


def _reads(world: World, caller: str, tenant: Any) -> Iterator[tuple[str, Any]]:
    for operation in READS:
        yield operation.name, world.client(caller).get(tenant.path(operation.template))


def _values(document: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every value of a JSON document that is neither an object nor an array, with the name it has."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from _values(value, name)
    elif isinstance(document, list):
        for value in document:
            yield from _values(value, key)
    else:
        yield key, document


class TestCanary:
    """I13, I14: what B's texts hold shows up nowhere that A looks, and is there for B."""

    def test_is_planted_in_every_text_of_b(self, world: World) -> None:
        """The search for it proves nothing about a column that does not have it."""
        kept = (world.b.account, world.b.organization, world.b.team)
        for row in kept:
            for field in row._meta.concrete_fields:
                chosen = isinstance(field, models.CharField | models.TextField) and not field.choices
                if chosen and field.name != "vat_id":
                    assert CANARY in getattr(row, field.attname), (row._meta.label, field.name)
        assert CANARY in world.b.person.email

    @pytest.mark.parametrize("operation", [each for each in ALL if each.name != BY_ADDRESS], ids=_name)
    def test_is_in_no_answer_mail_or_line_of_the_log(
        self, operation: Operation, world: World, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Whatever members of A do, in A or at B, neither the answer nor what is written meanwhile has it."""
        for caller in OF_A:
            world.client(caller)
        caplog.set_level(logging.DEBUG, "saas_kit")
        caplog.set_level(logging.DEBUG, "django.request")
        seen = set()
        for caller in OF_A:
            for tenant in (world.a, world.b):
                with rolled_back():
                    if operation.prepare and tenant is world.a:
                        operation.prepare(world)
                    response = operation.call(world, caller, path=tenant.path(operation.template))
                    seen.add(response.status_code)
                    assert CANARY not in response.content.decode(), caller
                    assert CANARY not in str(response.headers), caller
        assert CANARY not in caplog.text
        assert not any(CANARY in str(each.message()) for each in mail.outbox)
        assert CANARY not in repr(
            getattr(cache, "_cache", None)
        )  # of local memory; Redis has tests of its own
        assert seen & {200, 201, 204}, "nobody was let in, so that nothing was proved"

    def test_is_there_for_b(self, world: World) -> None:
        """The twin: the owner of B finds it in every list and object of B's own."""
        found = {
            name
            for name, response in _reads(world, "b_owner", world.b)
            if CANARY in response.content.decode()
        }
        own = {
            *("GET accounts/", "GET accounts/{id}/", "GET organizations/", "GET organizations/{id}/"),
            *("GET teams/", "GET teams/{id}/", "GET users/", "GET users/{id}/"),
        }
        assert found >= own

    def test_is_in_no_example_of_the_document(self, world: World) -> None:
        """The OpenAPI document is made without a look at anybody's rows."""
        text = json.dumps(schema(), default=str)
        for tenant in (world.a, world.b):
            for row in (tenant.organization, tenant.team, tenant.account):
                assert str(row.pk) not in text
        assert CANARY not in text
        assert '"/api/v1/teams/"' in text

    def test_is_in_no_record_of_what_a_did(self, world: World) -> None:
        """The audit log of A has what was done in A; what was done in B at the same time is in B's."""
        started = set(Event.objects.values_list("pk", flat=True))
        for caller, tenant, name in (("owner", world.a, "Ours"), ("b_owner", world.b, f"{CANARY} two")):
            body = {"organization": str(tenant.organization.pk), "name": name}
            assert world.client(caller).post("teams/", body).status_code == 201
        made = Event.objects.exclude(pk__in=started)
        of_a = list(made.filter(organization_id=world.a.organization.pk).values())
        of_b = list(made.filter(organization_id=world.b.organization.pk).values())
        assert of_a
        assert CANARY not in repr(of_a)
        assert CANARY in repr(of_b)


class TestCounts:
    """I2, I13: how much there is of B changes no number that A sees."""

    def test_are_the_same_however_much_b_has(
        self, world: World, make_team: Any, make_membership: Any, make_team_membership: Any
    ) -> None:
        """Every answer of A's is the same byte for byte after B has grown; B's own are not."""

        def answers(caller: str, tenant: Any) -> dict[str, Any]:
            lists = [
                each
                for each in READS
                if not each.template.endswith("{id}/") and each.template != "permissions/"
            ]
            client = world.client(caller)
            return {
                each.template: client.get(tenant.path(each.template), count="true").json() for each in lists
            }

        of_a, of_b = answers("account_owner", world.a), answers("b_owner", world.b)
        for number in range(3):
            member = make_membership(world.b.organization)
            make_team_membership(make_team(f"{CANARY} {number}", organization=world.b.organization))
            make_team_membership(world.b.team, user=member.user)
        assert answers("account_owner", world.a) == of_a
        changed = {path for path, answer in answers("b_owner", world.b).items() if answer != of_b[path]}
        assert changed >= {
            "teams/",
            "users/",
            "organizations/{organization_id}/members/",
            "teams/{team_id}/members/",
        }


class TestActsOnWhatWasAuthorized:
    """T4: the row that is decided about is the row that is acted on."""

    @pytest.mark.parametrize("method", ["PUT", "PATCH"])
    @pytest.mark.parametrize("noun", ["team", "organization", "account"])
    def test_ids_in_the_body_are_no_target(self, world: World, noun: str, method: str) -> None:
        """B's key as ``id`` in a body changes A's row, which the path names, or nothing; never B's."""
        path = world.a.path(f"{noun}s/{{id}}/")
        client = world.client("account_owner")
        theirs = getattr(world.b, noun)
        before = rows()
        label = theirs._meta.label

        changed = client.request(method, path, {"id": str(theirs.pk), "name": "Changed"})

        assert (changed.status_code, changed.json()["id"]) == (200, str(getattr(world.a, noun).pk))
        after = rows()
        assert after[label][theirs.pk] == before[label][theirs.pk]
        assert after[label][getattr(world.a, noun).pk]["name"] == "Changed"

    def test_place_in_the_body_moves_nothing(self, world: World) -> None:
        """B's organization or account in a body is refused, A2's too, and the row stays where it is."""
        client = world.client("owner")
        for noun, field, of in (
            ("team", "organization", "organization"),
            ("organization", "account", "account"),
        ):
            path = world.a.path(f"{noun}s/{{id}}/")
            for other in (world.b, world.a2):
                before = rows()
                refused = client.patch(path, {field: str(getattr(other, of).pk), "name": "Moved"})
                assert refused.status_code == 400
                assert [each["field"] for each in refused.json()["errors"]] == [field]
                assert rows() == before
            own = client.patch(path, {field: str(getattr(world.a, of).pk), "name": "Named"})
            assert (own.status_code, own.json()["name"]) == (200, "Named")


class TestKeys:
    """I23: nothing that can be counted up names what is a tenant's."""

    def test_of_tenants_are_uuids(self, world: World) -> None:
        """In the models: accounts, organizations, memberships and every tenant-owned row."""
        kept = (
            *(world.a.account, world.a.account_membership, world.a.organization, world.a.membership),
            *(world.a.team, world.a.team_membership, world.a.domain),
        )
        for row in kept:
            assert isinstance(row.pk, UUID), row._meta.label
        for model in owned_models():
            assert isinstance(model._meta.pk, models.UUIDField), model._meta.label

    def test_in_answers_no_number_is_a_key(self, world: World) -> None:
        """In the API: numbers are counts, and the keys of people only where the host's people have such."""
        numbered = not isinstance(world.a.person.pk, UUID)
        people = {"id", "user", "actor"} if numbered else set()
        for name, response in _reads(world, "account_owner", world.a):
            assert response.status_code == 200, name
            for key, value in _values(response.json()):
                if isinstance(value, int) and not isinstance(value, bool):
                    assert key in {"count", "member_count", *people}, (name, key)
                    if key == "id":
                        assert name.split()[1].startswith("users/") or "members" in name, name

    def test_keys_that_can_be_counted_up_find_nothing(self, world: World) -> None:
        """In paths: a number, a slug or a key with one digit changed is 404."""
        client = world.client("account_owner")
        for template in ("accounts/{id}/", "organizations/{id}/", "teams/{id}/"):
            key = world.a.part(template, "id").pk
            for other in ("1", "0", world.a.organization.slug, str(UUID(int=key.int + 1)), str(uuid4())):
                assert client.get(template.replace("{id}", other)).status_code == 404, other
            assert client.get(template.replace("{id}", str(key))).status_code == 200


def test_pages_are_capped(world: World, settings: Any) -> None:
    """I12: a page as large as one likes is a page of the maximum, and not the whole list."""
    settings.SAAS_KIT_API_MAX_PAGE_SIZE = 2
    client = world.client("owner")
    page = client.get("users/", page_size="100000").json()
    assert len(page["results"]) == 2
    assert page["next"]
