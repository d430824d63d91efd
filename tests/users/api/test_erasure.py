"""People ask over HTTP for their erasure, and what they belong to follows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.core.management import call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from saas_kit.auth import services
from saas_kit.auth.models import Erasure
from saas_kit.tenancy.models import Account, AccountMembership, Membership
from tests.api_fixtures import ApiClient

PASSWORD = "a long enough password"
RIGHT = {"current_password": PASSWORD}


@pytest.fixture
def person(make_user: Callable[..., Any]) -> Any:
    """Somebody with a password."""
    return make_user("ann@example.com", password=PASSWORD)


@pytest.fixture
def client(person: Any, client_for: Callable[..., ApiClient]) -> ApiClient:
    """The person's client."""
    return client_for(person)


def _delete(client: ApiClient, body: Any = None, **headers: str) -> Any:
    return client.request(
        "DELETE", "auth/me/", body, headers={k.replace("_", "-"): v for k, v in headers.items()}
    )


def _fault(response: Any) -> tuple[int, str, str | None]:
    body = response.json()
    first = body["errors"][0] if "errors" in body else {"code": body["code"], "field": None}
    return response.status_code, first["code"], first["field"]


def _sign_in(client: ApiClient, email: str = "ann@example.com") -> Any:
    return client.post("auth/login/", {"email": email, "password": PASSWORD})


def _purge_later() -> None:
    with time_machine.travel(timezone.now() + timedelta(days=15), tick=False):
        call_command("saas_kit_purge_people", verbosity=0)


class TestAsking:
    def test_the_password_is_needed(self, client: ApiClient, person: Any) -> None:
        """A wrong, missing, empty or misshapen one is 400 on its field and nothing happens; the right one is 204."""
        for body, code in (
            ({"current_password": "wrong"}, "wrong_password"),
            ({}, "required"),
            (None, "required"),
            ({"current_password": ""}, "blank"),
            ({"current_password": None}, "null"),
            ({"current_password": ["x"]}, "invalid"),
            ({"current_password": "x" * 100_000}, "max_length"),
        ):
            assert _fault(_delete(client, body)) == (400, code, "current_password"), body
        assert _fault(_delete(client, RIGHT | {"now": True})) == (400, "unknown", "now")
        assert not Erasure.objects.exists()

        assert _delete(client, RIGHT).status_code == 204
        assert Erasure.objects.get().user == person

    def test_i61_guessing_it_is_limited(self, client: ApiClient) -> None:
        """I61: five wrong ones in five minutes; then the right one is refused too, with 429."""
        for _ in range(5):
            assert _fault(_delete(client, {"current_password": "wrong"}))[0] == 400

        refused = _delete(client, RIGHT)

        assert _fault(refused) == (429, "rate_limited", None)
        assert 1 <= int(refused.headers["Retry-After"]) <= 60
        assert not Erasure.objects.exists()

    def test_i74_all_sessions_are_over(
        self, client: ApiClient, person: Any, client_for: Callable[..., ApiClient]
    ) -> None:
        """I74: of this device and of the others; asking again needs a session that there is not."""
        other = client_for(person)

        assert _delete(client, RIGHT).status_code == 204

        for each in (client, other):
            assert _fault(each.get("auth/me/"))[:2] == (401, "session_ended")
        assert _fault(_delete(client, RIGHT))[:2] == (401, "session_ended")

    def test_who_has_no_password_has_signed_in_just_now(
        self, make_user: Callable[..., Any], client_for: Callable[..., ApiClient], settings: Any
    ) -> None:
        """Signed in eleven minutes ago is 403; a minute ago is 204."""
        settings.SAAS_KIT_AUTH_ACCESS_TOKEN_LIFETIME = timedelta(hours=1)
        person = make_user()
        with time_machine.travel(timezone.now() - timedelta(minutes=11), tick=False):
            late = client_for(person)

        assert _fault(_delete(late))[:2] == (403, "sign_in_too_old")
        assert not Erasure.objects.exists()

        assert _delete(client_for(person)).status_code == 204

    def test_if_match_guards_it(self, client: ApiClient) -> None:
        """A version that is no longer the present one is 412."""
        assert _delete(client, RIGHT, If_Match='"other"').status_code == 412
        assert not Erasure.objects.exists()

        tag = client.get("auth/me/").headers["ETag"]
        assert _delete(client, RIGHT, If_Match=tag).status_code == 204

    def test_nobody_cannot(self, client_for: Callable[..., ApiClient]) -> None:
        assert _delete(client_for(), RIGHT).status_code == 401


class TestOwners:
    def test_who_alone_owns_what_others_share_cannot_go(
        self, client: ApiClient, person: Any, make_organization: Any, make_membership: Any
    ) -> None:
        """409 `last_owner`, and nothing has happened; once there is another owner it is 204."""
        organization = make_organization(owner=person)
        make_membership(organization)

        assert _fault(_delete(client, RIGHT))[:2] == (409, "last_owner")
        assert not Erasure.objects.exists()
        assert client.get("auth/me/").status_code == 200
        assert Membership.objects.filter(user=person, organization=organization).exists()

        make_membership(organization, role="owner")
        assert _delete(client, RIGHT).status_code == 204

    def test_who_alone_owns_a_shared_account_cannot_go(
        self, client: ApiClient, person: Any, make_account: Any, make_account_membership: Any
    ) -> None:
        """The same of an account; as one of two owners they can."""
        account = make_account(owner=person)
        make_account_membership(account)
        assert _fault(_delete(client, RIGHT))[:2] == (409, "last_owner")

        make_account_membership(account, role="owner")
        assert _delete(client, RIGHT).status_code == 204

    def test_asking_ends_no_membership_yet(
        self, client: ApiClient, person: Any, make_membership: Any, make_account: Any
    ) -> None:
        """What will happen is tried and undone: until it is due everything is as it was."""
        membership, account = make_membership(user=person), make_account(owner=person)

        assert _delete(client, RIGHT).status_code == 204

        assert Membership.objects.filter(pk=membership.pk).exists()
        assert Account.objects.filter(pk=account.pk).exists()


class TestGrace:
    def test_signing_in_cancels(self, client: ApiClient, person: Any) -> None:
        """Until it is due the person can sign in, and then it is off."""
        assert _delete(client, RIGHT).status_code == 204

        with time_machine.travel(timezone.now() + timedelta(days=13), tick=False):
            assert _sign_in(client).status_code == 200
        _purge_later()

        assert not Erasure.objects.exists()
        assert _sign_in(client).status_code == 200

    def test_i101_when_it_is_due_the_person_is_gone(
        self,
        client: ApiClient,
        person: Any,
        fresh: Callable[[Any], Any],
        make_membership: Any,
        make_account: Any,
        make_organization: Any,
        client_for: Callable[..., ApiClient],
    ) -> None:
        """I101: nobody can sign in; memberships are over, what was theirs alone is deleted, the row is nobody's."""
        shared = make_organization()
        make_membership(shared, user=person)
        alone = make_account(owner=person)
        assert _delete(client, RIGHT).status_code == 204

        _purge_later()

        assert _fault(_sign_in(client))[:2] == (401, "invalid_credentials")
        assert not Membership.objects.filter(user=person).exists()
        assert not AccountMembership.objects.filter(user=person, account__deleted_at__isnull=True).exists()
        assert not Account.objects.filter(pk=alone.pk).exists()
        assert Account.all_objects.filter(pk=alone.pk).exists()
        assert fresh(person).email.endswith("@erased.invalid")
        owner = Membership.objects.get(organization=shared).user
        people = client_for(owner).get("users/", search="ann@example.com").json()
        assert people["results"] == []

    def test_what_it_records_names_nobody(
        self, client: ApiClient, person: Any, events: Callable[..., list[Any]], make_membership: Any
    ) -> None:
        """The audit log has the address from before; what is added when memberships end has it not."""
        make_membership(user=person)
        assert _delete(client, RIGHT).status_code == 204
        before = len(events())
        assert any("ann@example.com" in each.target_label for each in events())

        _purge_later()

        added = events()[before:]
        assert {"member.removed", "user.erased"} <= {each.action for each in added}
        assert not [
            each for each in added if "ann@" in f"{each.target_label}{each.actor_label}{each.changes}"
        ]

    def test_who_became_the_only_owner_meanwhile_is_kept(
        self,
        client: ApiClient,
        person: Any,
        fresh: Callable[[Any], Any],
        events: Callable[..., list[Any]],
        make_organization: Any,
        make_membership: Any,
    ) -> None:
        """They are skipped and tried again; it is recorded once."""
        assert _delete(client, RIGHT).status_code == 204
        organization = make_organization(owner=person)
        make_membership(organization)

        _purge_later()
        _purge_later()
        assert fresh(person).email == "ann@example.com"
        assert [each.changes for each in events("erasure.refused")] == [{"code": [None, "last_owner"]}]

        make_membership(organization, role="owner")
        _purge_later()
        assert fresh(person).email != "ann@example.com"
        assert len(events("erasure.refused")) == 1

    def test_statements_do_not_depend_on_others(
        self, make_user: Any, make_organization: Any, make_membership: Any
    ) -> None:
        """Twenty colleagues cost nothing."""

        def count(organization: Any) -> int:
            person = make_membership(organization).user
            with CaptureQueriesContext(connection) as queries:
                services.request_erasure(person, actor=person)
                services.erase_user(person, actor=None)
            return len(queries)

        alone, shared = make_organization(), make_organization()
        for _ in range(20):
            make_membership(shared)
        count(alone)

        assert count(shared) == count(alone)
