"""Invitations over HTTP: to an organization, to whoever has the token, and to the person that they are for."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django import VERSION
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection
from django.db.models.signals import pre_save
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from django.utils.log import AdminEmailHandler

from saas_kit.auth.models import Session
from saas_kit.auth.tokens import AccessToken
from saas_kit.email.models import OutboxMessage, State
from saas_kit.teams.models import TeamMembership
from saas_kit.tenancy import services
from saas_kit.tenancy.models import Invitation, InvitationToken, Membership, Status
from tests.api_fixtures import ApiClient, World, rows

FIELDS = {
    *("id", "organization", "email", "role", "teams", "message"),
    *("status", "delivery_status", "invited_by", "expires_at", "created_at"),
}
RECEIVED_FIELDS = {
    *("id", "organization", "organization_name", "inviter_name", "email", "role"),
    *("message", "status", "expires_at", "created_at"),
}
ADMINS = [("Ada", "ada@example.com")] if VERSION < (6, 0) else ["ada@example.com"]
NEW = {"email": "new@example.com", "role": "member"}


def _path(organization: Any, invitation: Any = None, action: str = "") -> str:
    path = f"organizations/{organization.pk}/invitations/"
    return f"{path}{invitation.pk}/{action}" if invitation is not None else path + action


def _code(response: Any) -> tuple[int, str]:
    return response.status_code, response.json()["code"]


def _fields(response: Any) -> list[tuple[str | None, str]]:
    assert response.status_code == 400, response.content
    return [(each["field"], each["code"]) for each in response.json()["errors"]]


def _fail(**kwargs: Any) -> None:
    raise RuntimeError


@contextmanager
def _reporting(include_html: bool) -> Iterator[None]:
    """Have faults reported to the admins as Django does."""
    handler, logger = AdminEmailHandler(include_html=include_html), logging.getLogger("django.request")
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


@pytest.fixture
def organization(make_organization: Any) -> Any:
    """One with an owner and no other members."""
    return make_organization("Acme Berlin")


@pytest.fixture
def owner(organization: Any) -> Any:
    """Its owner."""
    return organization.memberships.get().user


@pytest.fixture
def client(owner: Any, client_for: Callable[..., ApiClient]) -> ApiClient:
    """The owner's client."""
    return client_for(owner)


@pytest.fixture
def client_of(make_user: Any, client_for: Callable[..., ApiClient]) -> Callable[..., ApiClient]:
    """Make the person that an invitation is for, and their client."""

    def make(invitation: Any, *, verified: bool = True) -> ApiClient:
        return client_for(make_user(invitation.email, email_verified=verified))

    return make


class TestCreate:
    def test_answers_the_invitation(
        self, client: ApiClient, organization: Any, owner: Any, make_team: Any, token_of: Any
    ) -> None:
        """I40: 201 with the invitation and without its token."""
        team = make_team(organization=organization)
        body = {**NEW, "email": "New@Example.com", "teams": [str(team.pk)], "message": "Hello."}

        response = client.post(_path(organization), body)

        answer, invitation = response.json(), Invitation.objects.get()
        assert response.status_code == 201, answer
        assert set(answer) == FIELDS
        assert answer["email"] == "new@example.com"
        assert answer["teams"] == [str(team.pk)]
        assert (answer["status"], answer["delivery_status"]) == ("pending", "queued")
        assert answer["organization"] == str(organization.pk)
        assert str(answer["invited_by"]["id"]) == str(owner.pk)
        assert response.headers["ETag"] == client.get(_path(organization, invitation)).headers["ETag"]
        assert token_of(invitation) not in response.content.decode() + str(response.headers)

    def test_again_is_sent_again(self, client: ApiClient, organization: Any, token_of: Any) -> None:
        """I50: 200, one invitation, another token; the fourth time within an hour is 429 with Retry-After."""
        assert client.post(_path(organization), NEW).status_code == 201
        old = token_of(Invitation.objects.get())

        answers = [client.post(_path(organization), {**NEW, "role": "viewer"}) for _ in range(4)]

        assert [each.status_code for each in answers] == [200, 200, 200, 429]
        assert 0 < int(answers[-1].headers["Retry-After"]) <= 3600
        assert answers[0].json()["role"] == "viewer"
        assert Invitation.objects.count() == 1
        assert _code(ApiClient().get(f"invitations/{old}/")) == (410, "invitation_revoked")

    def test_member_is_told(self, client: ApiClient, organization: Any, owner: Any) -> None:
        """I51: 409 for somebody whom the inviter can see among the members anyway."""
        response = client.post(_path(organization), {**NEW, "email": owner.email})

        assert _code(response) == (409, "already_member")

    def test_answers_tell_nothing_of_accounts(
        self, client: ApiClient, organization: Any, make_user: Any
    ) -> None:
        """I51: registered, unregistered and disabled addresses get one answer, by as many statements."""
        make_user("registered@example.com", email_verified=True)
        disabled = make_user("disabled@example.com")
        disabled.is_active = False
        disabled.save()
        seen = set()

        for name in ("unverified", "registered", "disabled"):
            with CaptureQueriesContext(connection) as statements:
                response = client.post(_path(organization), {**NEW, "email": f"{name}@example.com"})
            answer = response.json()
            same = {key: value for key, value in answer.items() if key not in ("id", "email")}
            times = {"expires_at": None, "created_at": None}
            seen.add((response.status_code, str({**same, **times}), len(statements)))

        assert len(seen) == 1, seen

    @pytest.mark.parametrize(
        ("change", "error"),
        [
            ({"email": "x"}, ("email", "invalid")),
            ({"email": ""}, ("email", "blank")),
            ({"email": ["a@example.com", "b@example.com"]}, ("email", "invalid")),
            ({"email": "\u00e4@example.com"}, ("email", "invalid")),
            ({"role": "boss"}, ("role", "unknown_role")),
            ({"role": ""}, ("role", "blank")),
            ({"message": "x" * 2001}, ("message", "max_length")),
            ({"message": "a\x00b"}, ("message", "invalid_characters")),
            ({"teams": ["x"]}, ("teams.0", "invalid")),
            ({"teams": "x"}, ("teams", "not_a_list")),
            ({"teams": [str(uuid4())]}, ("teams", "does_not_exist")),
            ({"teams": [str(uuid4())] * 21}, ("teams", "max_length")),
            ({"expires_at": "2020-01-01T00:00:00Z"}, ("expires_at", "invalid")),
            ({"expires_at": "2120-01-01T00:00:00Z"}, ("expires_at", "invalid")),
            ({"token": "x"}, ("token", "unknown")),
        ],
    )
    def test_bad_input_is_named(self, client: ApiClient, organization: Any, change: Any, error: Any) -> None:
        response = client.post(_path(organization), {**NEW, **change})

        assert error in _fields(response)
        assert not Invitation.objects.exists()
        assert not OutboxMessage.objects.exists()

    def test_role_above_ones_own(self, organization: Any, make_membership: Any, client_for: Any) -> None:
        admin = client_for(make_membership(organization, role="admin").user)

        assert _code(admin.post(_path(organization), {**NEW, "role": "owner"})) == (403, "role_too_high")
        assert admin.post(_path(organization), {**NEW, "role": "admin"}).status_code == 201

    def test_no_seats(self, client: ApiClient, organization: Any, settings: Any) -> None:
        settings.SAAS_KIT_TENANCY_SEAT_LIMIT = "tests.tenancy.sample_seats.three"
        for name in ("a", "b"):
            assert (
                client.post(_path(organization), {**NEW, "email": f"{name}@example.com"}).status_code == 201
            )

        assert _code(client.post(_path(organization), NEW)) == (409, "no_seats_left")

    def test_suspended(self, client: ApiClient, organization: Any) -> None:
        services.set_organization_status(organization, Status.SUSPENDED, actor=None)

        assert _code(client.post(_path(organization), NEW)) == (403, "suspended")


class TestManage:
    def test_is_read(self, client: ApiClient, organization: Any, make_invitation: Any) -> None:
        """A list and one of it have the same shape; what the system sent is by nobody."""
        invitation = make_invitation(organization)

        (listed,) = client.get(_path(organization)).json()["results"]

        assert listed == client.get(_path(organization, invitation)).json()
        assert listed["invited_by"] is None

    def test_cannot_be_changed(self, client: ApiClient, organization: Any, make_invitation: Any) -> None:
        """I49: there is no PATCH and no PUT; another address is another invitation."""
        path = _path(organization, make_invitation(organization))

        for method in ("PATCH", "PUT"):
            response = client.request(method, path, {"email": "eve@example.com"})
            assert response.status_code == 405
            assert "PATCH" not in response.headers["Allow"]

    def test_is_filtered_and_searched(
        self, client: ApiClient, organization: Any, make_invitation: Any
    ) -> None:
        """By status, the derived one too, by role, by address, and by a part of it."""
        make = partial(make_invitation, organization)
        made = {name: make(f"{name}@example.com") for name in ("pending", "expired", "revoked", "accepted")}
        make("declined@example.com", role="viewer")
        for name in ("revoked", "accepted", "declined"):
            Invitation.objects.filter(email=f"{name}@example.com").update(status=name)
        past = timezone.now() - timedelta(seconds=1)
        Invitation.objects.filter(pk__in=[made["expired"].pk, made["accepted"].pk]).update(expires_at=past)
        path = _path(organization)

        for name in ("pending", "expired", "revoked", "accepted", "declined"):
            (found,) = client.get(path, status=name).json()["results"]
            assert (found["email"], found["status"]) == (f"{name}@example.com", name)
        assert [each["email"] for each in client.get(path, role="viewer").json()["results"]] == [
            "declined@example.com"
        ]
        assert client.ids(path, email="PENDING@example.com") == {str(made["pending"].pk)}
        assert client.ids(path, search="evoke") == {str(made["revoked"].pk)}
        addresses = [each["email"] for each in client.get(path, ordering="email").json()["results"]]
        assert addresses == sorted(addresses)

    def test_costs_no_more_for_more(
        self, client: ApiClient, organization: Any, owner: Any, make_invitation: Any
    ) -> None:
        """However many there are, the list takes as many statements."""
        counts = []
        for _ in range(2):
            for _ in range(3):
                make_invitation(organization, actor=owner)
            with CaptureQueriesContext(connection) as statements:
                assert client.get(_path(organization)).status_code == 200
            counts.append(len(statements))

        assert counts[0] == counts[1], counts

    @pytest.mark.parametrize(
        ("state", "status"),
        [
            (State.QUEUED, "queued"),
            (State.SENDING, "queued"),
            (State.SENT, "sent"),
            (State.DELIVERED, "sent"),
            (State.COMPLAINED, "sent"),
            (State.BOUNCED, "bounced"),
            (State.DEAD, "bounced"),
            (State.SUPPRESSED, "bounced"),
            (None, "sent"),
        ],
    )
    def test_tells_what_became_of_the_message(
        self, client: ApiClient, organization: Any, make_invitation: Any, state: Any, status: str
    ) -> None:
        """A message that is no longer in the outbox was done with."""
        invitation = make_invitation(organization)
        mail = OutboxMessage.objects.filter(pk=invitation.mail_id)
        mail.update(state=state) if state else mail.delete()

        assert client.get(_path(organization, invitation)).json()["delivery_status"] == status

    def test_is_revoked(
        self, client: ApiClient, organization: Any, make_invitation: Any, token_of: Any, client_of: Any
    ) -> None:
        """I47: 204, then it is listed as revoked and its token is 410; a second time is 410."""
        invitation = make_invitation(organization)
        token = token_of(invitation)

        assert client.delete(_path(organization, invitation)).status_code == 204

        assert client.get(_path(organization, invitation)).json()["status"] == "revoked"
        invited = client_of(invitation)
        assert _code(invited.post(f"invitations/{token}/accept/")) == (410, "invitation_revoked")
        assert _code(client.delete(_path(organization, invitation))) == (410, "invitation_revoked")

    def test_stale_revocation(self, client: ApiClient, organization: Any, make_invitation: Any) -> None:
        """`If-Match` with a version that is not the present one is 412."""
        invitation = make_invitation(organization)
        stale = client.get(_path(organization, invitation)).headers["ETag"]
        client.post(_path(organization, invitation, "resend/"))

        assert client.delete(_path(organization, invitation), If_Match=stale).status_code == 412
        present = client.get(_path(organization, invitation)).headers["ETag"]
        assert client.delete(_path(organization, invitation), If_Match=present).status_code == 204

    def test_is_sent_again(
        self, client: ApiClient, organization: Any, owner: Any, make_invitation: Any, token_of: Any
    ) -> None:
        """I50: 200 with the invitation; the token before is 410, and the fourth time is 429."""
        invitation = make_invitation(organization)
        old = token_of(invitation)

        answers = [client.post(_path(organization, invitation, "resend/")) for _ in range(4)]

        assert [each.status_code for each in answers] == [200, 200, 200, 429]
        assert set(answers[0].json()) == FIELDS
        assert str(answers[0].json()["invited_by"]["id"]) == str(owner.pk)
        assert "Retry-After" in answers[-1].headers
        assert _code(ApiClient().get(f"invitations/{old}/")) == (410, "invitation_revoked")
        assert ApiClient().get(f"invitations/{token_of(invitation)}/").status_code == 200

    def test_answered_ones_are_not(
        self, client: ApiClient, organization: Any, make_invitation: Any, client_of: Any
    ) -> None:
        invitation = make_invitation(organization)
        client_of(invitation).post(f"invitations/{invitation.pk}/accept/")

        assert _code(client.post(_path(organization, invitation, "resend/"))) == (409, "already_accepted")
        assert _code(client.delete(_path(organization, invitation))) == (409, "already_accepted")


class TestBulk:
    def test_good_items_are_made(self, client: ApiClient, organization: Any, owner: Any) -> None:
        """Each item has an answer at its place; what is wrong with one stops no other."""
        items: list[Any] = [
            {"email": "a@example.com", "role": "member"},
            {"email": "x", "role": "member"},
            {"email": owner.email, "role": "member"},
            {"email": "A@example.com", "role": "viewer"},
            {"email": "b@example.com", "role": "boss"},
            {"email": "c@example.com", "role": "viewer", "nmae": "x"},
            "x",
            {"email": "d@example.com", "role": "viewer", "message": "Hello."},
        ]

        response = client.post(_path(organization, action="bulk/"), {"invitations": items})

        assert response.status_code == 200, response.content
        results = response.json()["results"]
        assert [each["index"] for each in results] == list(range(8))
        faults = {
            each["index"]: [(fault["field"], fault["code"]) for fault in each["errors"]]
            for each in results
            if "errors" in each
        }
        assert faults == {
            1: [("email", "invalid")],
            2: [(None, "already_member")],
            3: [("email", "duplicate")],
            4: [("role", "unknown_role")],
            5: [("nmae", "unknown")],
            6: [(None, "invalid")],
        }
        made = [each["invitation"] for each in results if "invitation" in each]
        assert [each["email"] for each in made] == ["a@example.com", "d@example.com"]
        assert set(made[0]) == FIELDS
        assert Invitation.objects.count() == OutboxMessage.objects.count() == 2
        assert Invitation.objects.get(email="a@example.com").role == "member"

    @pytest.mark.parametrize(
        "body", [{}, {"invitations": []}, {"invitations": [NEW] * 101}, {"invitations": "x"}]
    )
    def test_from_one_to_a_hundred(self, client: ApiClient, organization: Any, body: Any) -> None:
        assert [field for field, _ in _fields(client.post(_path(organization, action="bulk/"), body))] == [
            "invitations"
        ]

    def test_a_hundred(self, client: ApiClient, organization: Any) -> None:
        items = [{"email": f"p{number}@example.com", "role": "member"} for number in range(100)]

        response = client.post(_path(organization, action="bulk/"), {"invitations": items})

        assert all("invitation" in each for each in response.json()["results"])
        assert Invitation.objects.count() == 100

    def test_seats_run_out(self, client: ApiClient, organization: Any, settings: Any) -> None:
        settings.SAAS_KIT_TENANCY_SEAT_LIMIT = "tests.tenancy.sample_seats.three"
        items = [{"email": f"p{number}@example.com", "role": "member"} for number in range(4)]

        results = client.post(_path(organization, action="bulk/"), {"invitations": items}).json()["results"]

        assert [each.get("errors", [{}])[0].get("code") for each in results] == [
            *(None, None),
            *("no_seats_left", "no_seats_left"),
        ]


class TestPreview:
    def test_is_thin_and_public(
        self, organization: Any, owner: Any, make_invitation: Any, token_of: Any
    ) -> None:
        """Whoever has the token learns what it is about, and not the address in full; nothing changes."""
        invitation = make_invitation(organization, "grace@example.com", message="Secret plans.", actor=owner)
        token, before = token_of(invitation), rows()

        response = ApiClient().get(f"invitations/{token}/")

        assert response.status_code == 200
        answer = response.json()
        assert set(answer) == {"organization_name", "inviter_name", "email", "status", "expires_at"}
        assert answer["organization_name"] == "Acme Berlin"
        assert answer["inviter_name"]
        assert (answer["email"], answer["status"]) == ("g***@e***.com", "pending")
        assert rows() == before

    def test_tells_the_status(self, make_invitation: Any, token_of: Any, client_of: Any) -> None:
        """What ended is shown as it is; a token that nobody has is 404."""
        invitation = make_invitation()
        token = token_of(invitation)
        Invitation.objects.update(expires_at=timezone.now())

        assert ApiClient().get(f"invitations/{token}/").json()["status"] == "expired"
        assert _code(ApiClient().get(f"invitations/{'x' * 43}/")) == (404, "not_found")

    def test_an_id_is_no_token(self, make_invitation: Any, client_of: Any) -> None:
        """What the organization knows, its id, opens nothing to strangers."""
        invitation = make_invitation()

        assert ApiClient().get(f"invitations/{invitation.pk}/").status_code == 404

    @pytest.mark.parametrize("verb", ["GET", "HEAD"])
    def test_scanners_change_nothing(
        self, make_invitation: Any, token_of: Any, client_of: Any, verb: str
    ) -> None:
        """I42: accepting and declining need POST, whoever's mail scanner follows links."""
        invitation = make_invitation()
        token, client = token_of(invitation), client_of(invitation)
        before = rows()

        for action in ("accept", "decline"):
            response = client.request(verb, f"invitations/{token}/{action}/")
            assert response.status_code == 405
            assert response.headers["Allow"] == "POST"

        assert client.request(verb, f"invitations/{token}/").status_code == 200
        assert rows() == before

    def test_guessing_is_limited(self, make_invitation: Any, token_of: Any, settings: Any) -> None:
        """Tokens that are no good are counted for their network; good ones are not."""
        settings.SAAS_KIT_TENANCY_RATE_LIMITS = {"invitation_token": "3/h"}
        token = token_of(make_invitation())
        for _ in range(5):
            assert ApiClient().get(f"invitations/{token}/").status_code == 200
        for number in range(3):
            assert ApiClient().get(f"invitations/{number}/").status_code == 404

        assert _code(ApiClient().get("invitations/other/")) == (429, "rate_limited")


class TestAccept:
    def test_makes_a_member(
        self, organization: Any, make_team: Any, make_invitation: Any, token_of: Any, client_of: Any
    ) -> None:
        """I46, I48: 200 with the membership as it was offered, whatever the body says; the second time is 409."""
        team = make_team(organization=organization)
        invitation = make_invitation(organization, role="viewer", team_ids=[team.pk])
        path, client = f"invitations/{token_of(invitation)}/accept/", client_of(invitation)
        evil = {"role": "owner", "organization": str(uuid4()), "user": str(uuid4())}

        response = client.post(path, evil)

        answer = response.json()
        assert response.status_code == 200, answer
        membership = Membership.objects.get(pk=answer["id"])
        assert set(answer) == {"id", "organization", "user", "role", "created_at"}
        assert (answer["organization"], answer["role"]) == (str(organization.pk), "viewer")
        assert (membership.user.email, membership.role) == (invitation.email, "viewer")
        assert TeamMembership.objects.get(membership=membership).team == team
        assert _code(client.post(path)) == (409, "already_accepted")
        assert client.get(f"organizations/{organization.pk}/").status_code == 200

    def test_needs_somebody_signed_in(self, make_invitation: Any, token_of: Any, client_of: Any) -> None:
        invitation = make_invitation()
        path = f"invitations/{token_of(invitation)}/accept/"

        assert ApiClient().post(path).status_code == 401
        assert client_of(invitation).post(path).status_code == 200

    def test_other_and_unverified_addresses(
        self, make_invitation: Any, make_user: Any, client_for: Any, client_of: Any, token_of: Any
    ) -> None:
        """I43, I44, T18: 403 with a code that says which, and it stays pending."""
        invitation = make_invitation()
        path = f"invitations/{token_of(invitation)}/accept/"
        stranger = client_for(make_user(email_verified=True))

        assert _code(stranger.post(path)) == (403, "email_mismatch")
        assert _code(client_of(invitation, verified=False).post(path)) == (403, "email_unverified")

        invitation.refresh_from_db()
        assert invitation.status == "pending"

    def test_what_is_gone(
        self, organization: Any, make_membership: Any, make_invitation: Any, token_of: Any, client_of: Any
    ) -> None:
        """I47: expired, of an inviter who was demoted, and of a deleted organization are 410; unknown is 404."""
        admin = make_membership(organization, role="admin")
        expired, void = (make_invitation(organization, actor=admin.user) for _ in range(2))
        clients = {each.pk: client_of(each) for each in (expired, void)}
        tokens = {each.pk: token_of(each) for each in (expired, void)}
        Invitation.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
        services.change_role(admin, "member", actor=None)

        def accept(invitation: Any) -> Any:
            return clients[invitation.pk].post(f"invitations/{tokens[invitation.pk]}/accept/")

        assert _code(accept(expired)) == (410, "invitation_expired")
        assert _code(accept(void)) == (410, "invitation_revoked")
        services.change_role(admin, "admin", actor=None)
        services.delete_organization(organization, actor=None)
        assert _code(accept(void)) == (410, "invitation_revoked")
        assert _code(clients[void.pk].post(f"invitations/{'x' * 43}/accept/")) == (404, "not_found")

    def test_suspended(self, organization: Any, make_invitation: Any, client_of: Any) -> None:
        invitation = make_invitation(organization)
        services.set_account_status(organization.account, Status.SUSPENDED, actor=None)

        response = client_of(invitation).post(f"invitations/{invitation.pk}/accept/")

        assert _code(response) == (403, "suspended")

    def test_token_opens_its_own_organization_only(self, world: World, token_of: Any, client_of: Any) -> None:
        """I53: below another organization there is no such path, and narrowing to one is 404."""
        token, client = token_of(world.a.invitation), client_of(world.a.invitation)

        for path in (
            f"organizations/{world.b.organization.pk}/invitations/{token}/accept/",
            f"organizations/{world.b.organization.pk}/invitations/{world.a.invitation.pk}/resend/",
        ):
            assert client.post(path).status_code == 404
        narrowed = client.post(f"invitations/{token}/accept/", X_Organization=str(world.b.organization.pk))
        assert narrowed.status_code == 404
        assert client.post(f"invitations/{token}/accept/").json()["organization"] == str(
            world.a.organization.pk
        )

    @pytest.mark.postgresql
    @pytest.mark.django_db(transaction=True)
    def test_twenty_at_once(self, race: Any, make_invitation: Any, token_of: Any, client_of: Any) -> None:
        """I46: one 200 and nineteen 409, and one membership."""
        invitation = make_invitation()
        path, client = f"invitations/{token_of(invitation)}/accept/", client_of(invitation)
        cache.clear()

        answers = race(*[lambda: ApiClient(client.token).post(path).status_code] * 20)

        assert sorted(answers) == [200] + [409] * 19
        assert Membership.objects.filter(organization=invitation.organization_id).count() == 2


class TestDecline:
    def test_ends_it(self, make_invitation: Any, token_of: Any, client_of: Any) -> None:
        """204, and then it cannot be accepted any more."""
        invitation = make_invitation()
        token, client = token_of(invitation), client_of(invitation)

        assert client.post(f"invitations/{token}/decline/").status_code == 204

        assert _code(client.post(f"invitations/{token}/accept/")) == (410, "invitation_declined")

    def test_only_the_invited_person_does(
        self, make_invitation: Any, make_user: Any, client_for: Any, token_of: Any, client_of: Any
    ) -> None:
        """Whoever has the link and another address, or is not signed in, declines nothing."""
        invitation = make_invitation()
        path = f"invitations/{token_of(invitation)}/decline/"

        assert ApiClient().post(path).status_code == 401
        assert _code(client_for(make_user(email_verified=True)).post(path)) == (403, "email_mismatch")
        assert _code(client_of(invitation, verified=False).post(path)) == (403, "email_unverified")


class TestReceived:
    def test_lists_ones_own(self, make_invitation: Any, client_of: Any, token_of: Any) -> None:
        """I52: what is open for the caller's own address, from every organization, and no token."""
        first = make_invitation(email="ada@example.com", message="One")
        second = make_invitation(email="ada@example.com")
        make_invitation(email="eve@example.com")
        client = client_of(first)

        response = client.get("invitations/", count="true")

        answer = response.json()
        assert answer["count"] == 2
        assert {each["id"] for each in answer["results"]} == {str(first.pk), str(second.pk)}
        assert set(answer["results"][0]) == RECEIVED_FIELDS
        for each in (first, second):
            assert token_of(each) not in response.content.decode()

    def test_holds_what_is_open(self, make_invitation: Any, client_of: Any) -> None:
        """Neither what ended nor what expired, nor of a deleted organization."""
        invitations = [make_invitation(email="ada@example.com") for _ in range(4)]
        kept, revoked, expired, deleted = invitations
        services.revoke_invitation(revoked, actor=None)
        Invitation.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
        services.delete_organization(deleted.organization, actor=None)

        assert client_of(kept).ids("invitations/") == {str(kept.pk)}

    def test_needs_a_verified_address(self, make_invitation: Any, client_of: Any) -> None:
        """I52: whoever merely claims the address learns nothing, and accepts nothing by an id."""
        invitation = make_invitation()
        client = client_of(invitation, verified=False)

        assert _code(client.get("invitations/")) == (403, "email_unverified")
        for action in ("accept", "decline"):
            for key in (invitation.pk, uuid4()):
                assert _code(client.post(f"invitations/{key}/{action}/")) == (403, "email_unverified")

    @pytest.mark.parametrize(("action", "status"), [("accept", 200), ("decline", 204)])
    def test_is_answered_by_its_id(
        self, make_invitation: Any, make_user: Any, client_for: Any, client_of: Any, action: str, status: int
    ) -> None:
        """I52: the verified owner of the address needs no token; to anybody else the id is unknown."""
        invitation = make_invitation()
        path = f"invitations/{invitation.pk}/{action}/"
        stranger = client_for(make_user(email_verified=True))

        assert _code(stranger.post(path)) == (404, "not_found")
        assert client_of(invitation).post(path).status_code == status

    def test_filters(self, make_invitation: Any, client_of: Any) -> None:
        first = make_invitation(email="ada@example.com")
        second = make_invitation(email="ada@example.com")
        client = client_of(first)

        assert client.ids("invitations/", organization=first.organization_id) == {str(first.pk)}
        assert client.ids("invitations/", search=second.organization.name) == {str(second.pk)}
        assert _fields(client.get("invitations/", status="pending")) == [("status", "unknown_parameter")]

    def test_costs_no_more_for_more(self, make_invitation: Any, client_of: Any, make_membership: Any) -> None:
        first = make_invitation(email="ada@example.com")
        client, counts = client_of(first), []
        for _ in range(2):
            for _ in range(3):
                admin = make_membership(role="admin")
                make_invitation(admin.organization, "ada@example.com", actor=admin.user)
            with CaptureQueriesContext(connection) as statements:
                assert client.get("invitations/").status_code == 200
            counts.append(len(statements))

        assert counts[0] == counts[1], counts

    def test_by_a_token_of_an_organization(
        self, make_invitation: Any, make_membership: Any, make_user: Any, client_for: Any
    ) -> None:
        """Narrowed to an organization that the caller is in, the list holds what is of that one."""
        invitation = make_invitation()
        person = make_user(invitation.email, email_verified=True)
        elsewhere = make_membership(user=person).organization
        client = client_for(person)

        header = {"X-Organization": str(elsewhere.pk)}
        assert client.request("GET", "invitations/", headers=header).json()["results"] == []
        assert client.ids("invitations/") == {str(invitation.pk)}

    @pytest.mark.parametrize("action", ["accept", "decline"])
    @pytest.mark.parametrize("by", ["token", "id"])
    def test_narrowed_to_one_organization_answers_no_other_s(
        self, action: str, by: str, make_invitation: Any, make_membership: Any, client_of: Any, token_of: Any
    ) -> None:
        """I53: it is 404 as the list has it not, although the caller is in both; nothing is answered meanwhile."""
        invitation = make_invitation()
        client = client_of(invitation)
        person = get_user_model()._default_manager.get(email=invitation.email)
        elsewhere = make_membership(user=person).organization
        path = f"invitations/{token_of(invitation) if by == 'token' else invitation.pk}/{action}/"

        assert _code(client.post(path, X_Organization=str(elsewhere.pk))) == (404, "not_found")
        session = Session.objects.get(user=person)
        bound = ApiClient(str(AccessToken.for_session(session, organization=str(elsewhere.pk))))
        assert _code(bound.post(path)) == (404, "not_found")

        assert client.post(path).status_code in (200, 204)

    @pytest.mark.parametrize(("address", "status"), [("", 200), ("192.0.2.7", 429)])
    def test_bad_tokens_of_one_network_are_counted(
        self, address: str, status: int, make_invitation: Any, token_of: Any, settings: Any
    ) -> None:
        """Where no address is known, one client's bad tokens do not shut out all others."""
        settings.SAAS_KIT_TENANCY_RATE_LIMITS = {"invitation_token": "2/h"}
        token, client = token_of(make_invitation()), Client(REMOTE_ADDR=address)

        for _ in range(2):
            assert client.get(f"/api/v1/invitations/{'x' * 43}/").status_code == 404

        assert client.get(f"/api/v1/invitations/{token}/").status_code == status


class TestSecrecy:
    def test_token_is_in_no_log(
        self,
        make_invitation: Any,
        token_of: Any,
        client_of: Any,
        client_for: Any,
        make_user: Any,
        caplog: Any,
    ) -> None:
        """I40: neither Django's log nor the kit's has the token of a path, whatever the answer is."""
        invitation = make_invitation()
        token, client = token_of(invitation), client_of(invitation)
        stranger = client_for(make_user(email_verified=True))
        unknown = "y" * 43

        with caplog.at_level(logging.DEBUG):
            statuses = [
                ApiClient().get(f"invitations/{token}/").status_code,
                ApiClient().get(f"invitations/{unknown}/").status_code,
                ApiClient().post(f"invitations/{token}/accept/").status_code,
                stranger.post(f"invitations/{token}/accept/").status_code,
                stranger.request("PUT", f"invitations/{token}/", {}).status_code,
                client.post(f"invitations/{token}/accept/").status_code,
                client.post(f"invitations/{token}/accept/").status_code,
            ]

        assert statuses == [200, 404, 401, 403, 405, 200, 409]
        assert token not in caplog.text
        assert unknown not in caplog.text
        assert "/api/v1/invitations/***/accept/" in caplog.text

    @pytest.mark.parametrize(
        "shape",
        [
            "invitations/{token}",
            "invitations/{token}/acept/",
            "organizations/{organization}/invitations/{token}/accept/",
            "organizations/{organization}/invitations/{token}/",
        ],
    )
    def test_token_is_in_no_log_of_another_path(
        self, shape: str, make_invitation: Any, token_of: Any, client_of: Any, caplog: Any
    ) -> None:
        """I40: neither where no view is, so that none hides it; the rest of the path is logged."""
        invitation = make_invitation()
        token, client = token_of(invitation), client_of(invitation)
        path = shape.format(token=token, organization=invitation.organization_id)

        with caplog.at_level(logging.DEBUG):
            assert client.post(path, {}).status_code == 404

        assert token not in caplog.text
        hidden = shape.format(token="***", organization=invitation.organization_id)
        assert f"Not Found: /api/v1/{hidden}" in caplog.text

    def test_token_is_in_no_log_of_a_refused_host(
        self, make_invitation: Any, token_of: Any, caplog: Any
    ) -> None:
        """I40: no view sees the request at all."""
        token = token_of(make_invitation())

        with caplog.at_level(logging.DEBUG):
            response = ApiClient().request("GET", f"invitations/{token}/", headers={"Host": "ev il"})

        assert response.status_code == 400
        assert token not in caplog.text
        assert "django.security.DisallowedHost" in {each.name for each in caplog.records}

    @pytest.mark.parametrize("include_html", [False, True])
    def test_token_is_in_no_error_mail(
        self, include_html: bool, make_invitation: Any, token_of: Any, settings: Any, mailoutbox: Any
    ) -> None:
        """I40: the report of a fault tells neither the path, as any server passes it, nor what functions were given."""
        settings.ADMINS = ADMINS
        settings.SAAS_KIT_TENANCY_RATE_LIMITS = {"invitation_token": "no rate"}  # so that the preview fails
        token = token_of(make_invitation())
        path = f"/api/v1/invitations/{token}/"

        mailoutbox.clear()
        with _reporting(include_html):
            response = Client(raise_request_exception=False).get(
                path,
                RAW_URI=f"{path}?x=1",
                REQUEST_URI=path.replace(token[0], f"%{ord(token[0]):x}", 1),
                HTTP_REFERER=f"https://app.example.com/invitations?token={token}",
            )

        assert response.status_code == 500
        message = mailoutbox[0]
        told = [str(message.subject), message.body, *(each[0] for each in message.alternatives)]
        assert len(told) == (3 if include_html else 2)
        for each in told:
            assert token not in each
            assert token[1:] not in each
        assert "RAW_URI = '/api/v1/invitations/***/?x=1'" in message.body
        assert "PATH_INFO = '/api/v1/invitations/***/'" in message.body

    @pytest.mark.parametrize("action", ["accept", "decline"])
    def test_token_is_in_no_error_mail_of_an_answer(
        self, action: str, make_invitation: Any, token_of: Any, client_of: Any, settings: Any, mailoutbox: Any
    ) -> None:
        """I40: nor does the report tell what the services that the view calls were given."""
        settings.ADMINS = ADMINS
        invitation = make_invitation()
        token, header = token_of(invitation), {"Authorization": f"Bearer {client_of(invitation).token}"}
        mailoutbox.clear()
        pre_save.connect(_fail, sender=Invitation)
        try:
            with _reporting(include_html=True):
                client = Client(raise_request_exception=False, headers=header)
                response = client.post(f"/api/v1/invitations/{token}/{action}/")
        finally:
            pre_save.disconnect(_fail, sender=Invitation)

        assert response.status_code == 500
        (report, _) = mailoutbox[0].alternatives[0]
        assert f"{action}_invitation" in report
        assert token not in report

    def test_token_is_in_no_row(
        self, make_invitation: Any, token_of: Any, client_of: Any, events: Any
    ) -> None:
        """I40, I41: after it was made, sent, looked at and used, the database has its hash."""
        invitation = make_invitation()
        token = token_of(invitation)
        client_of(invitation).post(f"invitations/{token}/accept/")

        assert token not in str(rows())
        assert not any(token in f"{each.changes}{each.target_label}" for each in events())
        assert InvitationToken.objects.count() == 1
