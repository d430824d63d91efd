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
from saas_kit.email.models import OutboxMessage
from saas_kit.tenancy import unscoped
from saas_kit.tenancy.exceptions import InvitationRevoked
from saas_kit.tenancy.models import Account, AccountMembership, Invitation, Membership, RemovedMember
from saas_kit.tenancy.services import (
    accept_invitation,
    decline_invitation,
    delete_organization,
    find_invitation,
    remove_member,
    revoke_invitation,
)
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
        self,
        client: ApiClient,
        person: Any,
        events: Callable[..., list[Any]],
        make_membership: Any,
        make_account_membership: Any,
    ) -> None:
        """The audit log has the address from before; what is added when memberships end has it not."""
        make_membership(user=person)
        make_account_membership(user=person)
        assert _delete(client, RIGHT).status_code == 204
        before = len(events())
        assert any("ann@example.com" in each.target_label for each in events())

        _purge_later()

        added = events()[before:]
        ended = {"member.removed", "account_member.removed", "user.erased"}
        assert ended <= {each.action for each in added}
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


CANARY = "canary-7f3a"


def _tables_with(text: str) -> set[str]:
    found = set()
    with unscoped(reason="looking for somebody in every table"), connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            if any(text in str(value) for row in cursor.fetchall() for value in row):
                found.add(table)
    return found


def _invited() -> list[str]:
    with unscoped(reason="reading what is left"):
        return sorted(Invitation.objects.values_list("email", flat=True))


class TestInvitations:
    @pytest.fixture
    def invited(self, make_user: Any, make_invitation: Any, make_organization: Any) -> Any:
        """Somebody who was invited, with every outcome, to organizations of which one is deleted."""
        person = make_user(f"{CANARY}@example.com", password=PASSWORD)
        services.mark_verified(person)
        accepted, declined, revoked, _ = (make_invitation(email=person.email) for _ in range(4))
        accept_invitation(accepted, person)
        decline_invitation(declined, person)
        revoke_invitation(revoked, actor=None)
        with time_machine.travel(timezone.now() - timedelta(days=30), tick=False):
            make_invitation(email=person.email)
        gone = make_organization()
        make_invitation(gone, person.email)
        delete_organization(gone, actor=None)
        assert len(_invited()) == 6
        return person

    def test_i102_whom_they_were_invited_by_forgets_them(self, invited: Any, make_invitation: Any) -> None:
        """I102: nothing but the audit log, and mail about them to others, has their address; others' stay."""
        make_invitation(email="other@example.com")
        assert {"saas_kit_tenancy_invitation", "saas_kit_email_outboxmessage"} <= _tables_with(CANARY)

        services.erase_user(invited, actor=None)

        assert _tables_with(CANARY) <= {"saas_kit_audit_event", "saas_kit_email_outboxmessage"}
        assert not OutboxMessage.objects.filter(recipient__contains=CANARY).exists()
        assert _invited() == ["other@example.com"]

    def test_asking_removes_none_yet(self, invited: Any) -> None:
        """What will happen is tried and undone: until it is due they can be answered, and nothing is recorded."""
        services.request_erasure(invited, actor=invited)

        assert _invited() == [invited.email] * 6

    def test_the_record_names_nobody(self, invited: Any, events: Callable[..., list[Any]]) -> None:
        """Each organization finds in its audit log that the invitation went, and not whom it was for."""
        with unscoped(reason="reading what there is"):
            places = set(Invitation.objects.values_list("organization_id", flat=True))
        before = len(events())

        services.erase_user(invited, actor=None)

        deleted = events("invitation.deleted")
        assert {each.organization_id for each in deleted} == places
        assert {each.actor_id for each in deleted} == {None}
        assert not [each for each in events()[before:] if CANARY in f"{each.target_label}{each.changes}"]

    def test_what_was_accepted_by_a_former_address_goes_too(
        self, invited: Any, fresh: Callable[[Any], Any]
    ) -> None:
        """It is theirs as well; what was only sent there is left, as the address may be somebody else's by now."""
        person = fresh(invited)
        services.change_email(person, f"new-{CANARY}@example.org", actor=person)

        services.erase_user(person, actor=None)

        with unscoped(reason="reading what is left"):
            assert not Invitation.objects.filter(status="accepted").exists()

    def test_whoever_never_proved_an_address_takes_nothing_from_its_owner(
        self, make_user: Any, make_invitation: Any
    ) -> None:
        """Anybody can register with anybody's address: what is sent there stays, but for somebody who proved it."""
        impostor = make_user("owner@example.com")
        make_invitation(email="owner@example.com")
        services.erase_user(impostor, actor=None)
        assert _invited() == ["owner@example.com"]

        owner = make_user("owner@example.com")
        services.mark_verified(owner)
        services.erase_user(owner, actor=None)
        assert _invited() == []

    def test_what_they_sent_is_void(
        self, make_organization: Any, make_membership: Any, make_invitation: Any, token_of: Any
    ) -> None:
        """The link is of no use any more; a colleague's still is."""
        organization = make_organization()
        leaving, staying = (make_membership(organization, role="admin").user for _ in range(2))
        void, good = (make_invitation(organization, actor=each) for each in (leaving, staying))
        tokens = token_of(void), token_of(good)
        assert find_invitation(tokens[0]) == void

        services.erase_user(leaving, actor=None)

        with pytest.raises(InvitationRevoked):
            find_invitation(tokens[0])
        assert find_invitation(tokens[1]) == good

    def test_that_they_were_removed_is_forgotten(self, make_organization: Any, make_membership: Any) -> None:
        """And not of anybody else."""
        organization = make_organization()
        people = [make_membership(organization).user for _ in range(2)]
        with unscoped(reason="removing members"):
            for membership in Membership.objects.filter(user__in=people):
                remove_member(membership, actor=None)

        services.erase_user(people[0], actor=None)

        with unscoped(reason="reading what is left"):
            assert [each.user for each in RemovedMember.objects.select_related("user")] == [people[1]]

    def test_statements_do_not_grow_with_invitations(self, make_user: Any, make_invitation: Any) -> None:
        """As many for ten as for one."""

        def count(invitations: int) -> int:
            person = make_user()
            services.mark_verified(person)
            for _ in range(invitations):
                make_invitation(email=person.email)
            with CaptureQueriesContext(connection) as queries:
                services.request_erasure(person, actor=person)
                services.erase_user(person, actor=None)
            return len(queries)

        count(1)
        assert count(10) == count(1)
