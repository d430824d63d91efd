"""Signing up through an invitation, in one step; and the domain that somebody new is taken in by."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.utils import timezone

from saas_kit.auth import services as auth
from saas_kit.auth.identity import has_verified_email, registered_at_field
from saas_kit.auth.models import Session
from saas_kit.email.models import OutboxMessage
from saas_kit.teams.models import TeamMembership
from saas_kit.tenancy import services as tenancy
from saas_kit.tenancy.models import (
    AccountMembership,
    EmailDomain,
    Enrollment,
    Invitation,
    Membership,
    Status,
    get_organization_model,
)
from tests.api_fixtures import ApiClient
from tests.auth.api.test_passwords import token_in

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]

PASSWORD = "correct horse battery"
ATTACKERS = "difference engine 1822"
EMAIL = "grace@example.com"
VERIFICATIONS = ("mandatory", "optional", "off")

every_verification = pytest.mark.parametrize("verification", VERIFICATIONS)


@pytest.fixture(autouse=True)
def _mandatory(settings) -> None:
    """Let nobody sign in before they prove their address, unless a test says otherwise."""
    settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = "mandatory"


@pytest.fixture
def client(client_for) -> ApiClient:
    """Nobody in particular."""
    return client_for()


@pytest.fixture
def inviter(make_membership) -> Any:
    """The membership of an admin, who invites."""
    return make_membership(role="admin")


@pytest.fixture
def invitation(inviter, make_invitation) -> Invitation:
    """An invitation to Grace, to be a viewer."""
    return make_invitation(inviter.organization, EMAIL, role="viewer", actor=inviter.user)


@pytest.fixture
def token(invitation, token_of) -> str:
    """The secret that only Grace's mailbox has."""
    return token_of(invitation)


@pytest.fixture
def sign_up(client, token, on_commit):
    """Register through the invitation, with all that follows the commit."""

    def sign_up(**body: Any) -> Any:
        values = {"email": EMAIL, "password": PASSWORD, "invitation_token": token, **body}
        with on_commit():
            return client.post("auth/register/", values)

    return sign_up


def code_of(answer: Any) -> tuple[int, str]:
    body = answer.json()
    return answer.status_code, body["errors"][0]["code"] if "errors" in body else body["code"]


def grace() -> Any:
    return get_user_model().objects.get(email=EMAIL)


def nothing_was_made(invitation: Invitation) -> bool:
    """Tell whether a sign-up that failed left everything as it was, and the invitation to be used again."""
    invitation.refresh_from_db()
    people = get_user_model().objects.filter(email__iexact=EMAIL)
    return invitation.status == "pending" and not people.exists()


class TestSignUp:
    @every_verification
    def test_member_at_once(self, sign_up, invitation, inviter, settings, verification):
        """I44: the address is proved, the role is the stored one, nothing of one's own is made; signed in at once."""
        settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = verification
        accounts, organizations = AccountMembership.objects.count(), get_organization_model().objects.count()

        answer = sign_up(email="GRACE@Example.com", organization_name="Mine")

        assert answer.status_code == 201, answer.json()
        body = answer.json()
        assert body["user"]["email"] == EMAIL
        assert body["user"]["email_verified"] is True
        (place,) = body["user"]["memberships"]
        assert (place["organization"], place["role"]) == (str(inviter.organization_id), "viewer")
        assert body["user"]["accounts"] == []
        assert AccountMembership.objects.count() == accounts
        assert get_organization_model().objects.count() == organizations
        invitation.refresh_from_db()
        assert (invitation.status, invitation.accepted_by_id) == ("accepted", grace().pk)
        assert grace().check_password(PASSWORD)

    def test_tokens_are_good(self, sign_up, client):
        body = sign_up().json()

        me = ApiClient(body["access"]).get("auth/me/").json()
        assert me["memberships"] == body["user"]["memberships"]
        assert client.post("auth/refresh/", {"refresh": body["refresh"]}).status_code == 200

    def test_teams_are_joined(self, inviter, make_team, make_invitation, token_of, sign_up):
        team = make_team(organization=inviter.organization)
        invitation = make_invitation(
            inviter.organization, EMAIL, actor=make_owner(inviter), team_ids=[team.pk]
        )

        assert sign_up(invitation_token=token_of(invitation)).status_code == 201

        assert TeamMembership.objects.get(team=team).membership.user == grace()

    def test_what_is_sent(self, sign_up, inviter, mailoutbox):
        """A welcome, and word to the inviter; no link to prove what is proved."""
        sign_up()

        sent = OutboxMessage.objects.exclude(kind="saas_kit_tenancy.invitation")
        assert set(sent.values_list("kind", "recipient")) == {
            ("saas_kit_auth.welcome", EMAIL),
            ("saas_kit_tenancy.member_joined", inviter.user.email),
        }

    def test_body_says_nothing_of_role_and_organization(self, sign_up, make_organization, inviter):
        """I48."""
        other = make_organization()

        answer = sign_up(role="owner", organization=str(other.pk))

        assert code_of(answer) == (400, "unknown")
        assert sign_up().status_code == 201
        assert Membership.objects.get(user=grace()).role == "viewer"

    def test_twice(self, sign_up):
        """I46: the token is good once."""
        assert sign_up().status_code == 201

        assert code_of(sign_up()) == (409, "already_accepted")
        assert Membership.objects.filter(user=grace()).count() == 1


def make_owner(membership: Any) -> Any:
    """Return the owner of the organization of a membership."""
    return Membership.objects.in_organization(membership.organization).owners().first().user


class TestRefused:
    """Each beside the sign-up that is good: nothing is made, and the invitation can still be used."""

    @pytest.mark.parametrize("token", ["x" * 43, "", "\x00", 7, ["x"], None, "x" * 5000], ids=repr)
    def test_what_is_no_token(self, sign_up, invitation, token):
        """Never a 500; 400 on the field, as of everything in a body that is not there."""
        answer = sign_up(invitation_token=token)

        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "invitation_token"
        assert nothing_was_made(invitation)

    def test_unknown_token_tells_nothing_of_an_address(self, sign_up, make_user):
        """I54: who has no token of the address learns nothing."""
        make_user("proved@example.com", email_verified=True)
        answers = [
            sign_up(email=f"{name}@example.com", invitation_token="x" * 43).json() | {"request_id": ""}
            for name in ("proved", "nobody")
        ]

        assert answers[0] == answers[1]
        assert answers[0]["errors"][0]["code"] == "invalid_token"

    def test_another_address(self, sign_up, invitation):
        """I43, T18: the token lets nobody in with an address of their own."""
        assert code_of(sign_up(email="eve@example.com")) == (403, "email_mismatch")
        assert nothing_was_made(invitation)
        assert not get_user_model().objects.filter(email="eve@example.com").exists()
        assert sign_up().status_code == 201

    @pytest.mark.parametrize("password", ["short", "password1", EMAIL])
    def test_bad_password(self, sign_up, invitation, password):
        assert sign_up(password=password).status_code == 400
        assert nothing_was_made(invitation)
        assert sign_up().status_code == 201

    def test_expired(self, sign_up, invitation):
        """I41, I47."""
        Invitation.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

        assert code_of(sign_up()) == (410, "invitation_expired")
        assert nothing_was_made(invitation)

    def test_replaced(self, sign_up, invitation, inviter, token_of):
        """I50: only the token of the last message is good."""
        tenancy.resend_invitation(invitation, actor=inviter.user)

        assert code_of(sign_up()) == (410, "invitation_revoked")
        assert nothing_was_made(invitation)
        assert sign_up(invitation_token=token_of(invitation)).status_code == 201

    def test_taken_back(self, sign_up, invitation, inviter):
        tenancy.revoke_invitation(invitation, actor=inviter.user)

        assert code_of(sign_up()) == (410, "invitation_revoked")
        assert not get_user_model().objects.filter(email=EMAIL).exists()

    def test_void(self, sign_up, invitation, inviter):
        """I47: the inviter may not invite any more; so it is when the organization is deleted."""
        tenancy.change_role(inviter, "viewer", actor=None)
        assert code_of(sign_up()) == (410, "invitation_revoked")
        assert nothing_was_made(invitation)

        tenancy.change_role(inviter, "admin", actor=None)
        tenancy.delete_organization(inviter.organization, actor=None)
        assert sign_up().status_code == 410
        assert nothing_was_made(invitation)

    def test_suspended(self, sign_up, invitation, inviter):
        tenancy.set_organization_status(inviter.organization, Status.SUSPENDED, actor=None)
        assert code_of(sign_up()) == (403, "suspended")
        assert nothing_was_made(invitation)

        tenancy.set_organization_status(inviter.organization, Status.ACTIVE, actor=None)
        assert sign_up().status_code == 201

    def test_no_seats(self, sign_up, invitation, settings):
        settings.SAAS_KIT_TENANCY_SEAT_LIMIT = f"{__name__}.one_seat"
        assert code_of(sign_up()) == (409, "no_seats_left")
        assert nothing_was_made(invitation)

        settings.SAAS_KIT_TENANCY_SEAT_LIMIT = ""
        assert sign_up().status_code == 201

    def test_second_factor_is_asked_for_inside(self, sign_up, inviter, make_invitation, token_of):
        """Whoever has none yet becomes a member all the same, and gets in once they have one."""
        get_organization_model().objects.filter(pk=inviter.organization_id).update(require_mfa=True)
        invitation = make_invitation(inviter.organization, EMAIL)

        answer = sign_up(invitation_token=token_of(invitation))

        assert answer.status_code == 201
        person = ApiClient(answer.json()["access"])
        inside = person.get(f"organizations/{inviter.organization_id}/members/")
        assert code_of(inside) == (403, "mfa_enrollment_required")

    def test_so_many_bad_tokens_from_a_network(self, sign_up, client, settings):
        """T18: tokens cannot be guessed at, whatever else is wrong counts for none, and all doors count together."""
        settings.SAAS_KIT_TENANCY_RATE_LIMITS = {"invitation_token": "3/h"}
        wrong = [sign_up(email="eve@example.com").status_code for _ in range(4)]
        assert wrong == [403] * 4

        guesses = [sign_up(invitation_token="x" * 43).status_code for _ in range(4)]

        assert guesses == [400] * 3 + [429]
        assert client.get(f"invitations/{'y' * 43}/").status_code == 429

    def test_registrations_of_a_network_are_counted(self, sign_up, settings):
        settings.SAAS_KIT_AUTH_RATE_LIMITS = {"register": "1/h"}

        assert [sign_up(password="short").status_code, sign_up().status_code] == [400, 201]
        assert sign_up().status_code == 429


def one_seat(organization: Any) -> int:
    return 1


class TestAddressWithAnAccount:
    @every_verification
    def test_proved(self, sign_up, invitation, make_user, settings, verification):
        """Whoever has the mailbox may know it: they sign in and accept."""
        settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = verification
        person = make_user(EMAIL, password=ATTACKERS, email_verified=True)

        answer = sign_up()

        assert code_of(answer) == (400, "email_taken")
        assert answer.json()["errors"][0]["field"] == "email"
        invitation.refresh_from_db()
        assert invitation.status == "pending"
        person.refresh_from_db()
        assert person.check_password(ATTACKERS)

    def test_deactivated(self, sign_up, make_user):
        make_user(EMAIL, is_active=False)

        assert code_of(sign_up()) == (400, "email_taken")

    @every_verification
    def test_unproved_gives_way(self, sign_up, client, settings, verification, on_commit, mailoutbox):
        """T17, M7: password, session, links and accounts of whoever registered before are of no use any more."""
        settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = "optional"
        body = {"email": EMAIL, "password": ATTACKERS, "organization_name": "Evil"}
        with on_commit():
            attacker = client.post("auth/register/", body).json()
        inside = ApiClient(attacker["access"])
        with on_commit():
            change = {"email": "evil@example.com", "current_password": ATTACKERS}
            assert inside.post("auth/email/change/", change).status_code == 204
        links = [
            token_in(mail) for mail in mailoutbox if "#token=" in mail.body and "invitation" not in mail.body
        ]
        assert len(links) == 2
        settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = verification

        answer = sign_up()

        assert answer.status_code == 201, answer.json()
        assert answer.json()["user"]["accounts"] == []
        assert [each["role"] for each in answer.json()["user"]["memberships"]] == ["viewer"]
        person = grace()
        assert str(person.pk) == str(attacker["user"]["id"])
        assert person.check_password(PASSWORD)
        assert has_verified_email(person)
        assert inside.get("auth/me/").status_code == 401
        assert client.post("auth/refresh/", {"refresh": attacker["refresh"]}).status_code == 401
        assert client.post("auth/login/", {"email": EMAIL, "password": ATTACKERS}).status_code == 401
        assert client.post("auth/login/", {"email": EMAIL, "password": PASSWORD}).status_code == 200
        assert client.post("auth/email/verify/", {"token": links[0]}).status_code == 410
        assert client.post("auth/email/change/confirm/", {"token": links[1]}).status_code == 410

    @pytest.mark.hosts("full", "default_user")  # whose people have names
    def test_names_of_somebody_else_are_gone(self, sign_up, make_user):
        make_user(EMAIL, password=ATTACKERS, first_name="Eve", last_name="http://evil.example")

        assert sign_up(first_name="Grace").status_code == 201

        assert (grace().first_name, grace().last_name) == ("Grace", "")

    def test_failure_takes_nothing_over(self, sign_up, make_user, invitation):
        person = make_user(EMAIL, password=ATTACKERS)

        assert code_of(sign_up(password=EMAIL)) == (400, "weak_password")

        person.refresh_from_db()
        assert person.check_password(ATTACKERS)
        assert not has_verified_email(person)
        invitation.refresh_from_db()
        assert invitation.status == "pending"


class TestRegistrationWithoutIt:
    def test_unproved_account_has_no_invitation(self, client, invitation, on_commit, inviter):
        """I55: who registers with an invited address and proves nothing has no token, membership or invitation."""
        with on_commit():
            answer = client.post("auth/register/", {"email": EMAIL, "password": PASSWORD})

        assert list(answer.json()) == ["detail"]
        assert client.post("auth/login/", {"email": EMAIL, "password": PASSWORD}).status_code == 401
        assert not Membership.objects.filter(organization=inviter.organization, user=grace()).exists()
        invitation.refresh_from_db()
        assert invitation.status == "pending"

    def test_answers_do_not_tell_who_is_invited(self, client, invitation, on_commit):
        """I54: an invited address is answered as any other."""
        with on_commit():
            answers = [
                client.post("auth/register/", {"email": email, "password": PASSWORD})
                for email in (EMAIL, "nobody@example.com")
            ]

        assert len({(each.status_code, each.content) for each in answers}) == 1

    def test_own_list_after_the_proof(self, client, client_for, invitation, on_commit, mailoutbox):
        """I52: somebody invited who signs up by themselves finds the invitation, and accepts it by its id."""
        with on_commit():
            client.post("auth/register/", {"email": EMAIL, "password": PASSWORD})
        assert client.post("auth/email/verify/", {"token": token_in(mailoutbox[-1])}).status_code == 204
        mine = client_for(grace())

        (found,) = mine.get("invitations/").json()["results"]
        assert found["id"] == str(invitation.pk)
        assert mine.post(f"invitations/{found['id']}/accept/").status_code == 200
        assert mine.get("invitations/").json()["results"] == []

    def test_own_list_before_the_proof(self, client, client_for, invitation, settings, on_commit):
        """I52: refused beside the permitted twin above."""
        settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = "optional"
        with on_commit():
            client.post("auth/register/", {"email": EMAIL, "password": PASSWORD})

        assert code_of(client_for(grace()).get("invitations/")) == (403, "email_unverified")


@pytest.fixture
def make_domain(make_organization):
    """Return a function that lets an organization take in people from a domain that is proved."""

    def make(organization: Any = None, *, enrollment: str = Enrollment.AUTOMATIC) -> Any:
        organization = organization or make_organization()
        EmailDomain.objects.create(
            organization=organization,
            domain="acme.example",
            enrollment=enrollment,
            role="member",
            verified_at=timezone.now(),
        )
        return organization

    return make


class TestDomain:
    """Somebody new joins by the domain of the address that they prove; nobody else does without being asked."""

    email = "new@acme.example"

    def register(self, client, on_commit) -> None:
        with on_commit():
            client.post("auth/register/", {"email": self.email, "password": PASSWORD})

    def places(self) -> set[Any]:
        memberships = Membership.objects.filter(user__email=self.email)
        return set(memberships.values_list("organization", flat=True))

    @pytest.mark.parametrize("verification", ["mandatory", "optional"])
    def test_by_the_proof(self, client, make_domain, on_commit, mailoutbox, settings, verification):
        settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = verification
        organization = make_domain()
        self.register(client, on_commit)
        assert organization.pk not in self.places()

        link = next(mail for mail in mailoutbox if "#token=" in mail.body)
        assert client.post("auth/email/verify/", {"token": token_in(link)}).status_code == 204

        # where nothing tells since when people are here, who has been signed in is not taken for new
        assert (organization.pk in self.places()) == (
            verification == "mandatory" or registered_at_field() is not None
        )

    @pytest.mark.parametrize("enrollment", [Enrollment.OFF, Enrollment.SUGGEST])
    def test_not_where_it_is_off_or_suggested(self, client, make_domain, on_commit, mailoutbox, enrollment):
        organization = make_domain(enrollment=enrollment)
        self.register(client, on_commit)

        assert client.post("auth/email/verify/", {"token": token_in(mailoutbox[-1])}).status_code == 204

        assert organization.pk not in self.places()

    @pytest.mark.hosts("full", "default_user")  # whose people know since when they are here
    def test_who_was_there_before_is_asked(self, client, make_domain, on_commit, mailoutbox, settings):
        """An account that is older than its first link proves its address late: that is no consent."""
        settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = "optional"
        self.register(client, on_commit)
        organization = make_domain()
        person = get_user_model().objects.get(email=self.email)
        people = get_user_model()._base_manager.filter(pk=person.pk)
        people.update(**{registered_at_field(): timezone.now() - timedelta(days=4)})

        link = next(mail for mail in mailoutbox if "#token=" in mail.body)
        assert client.post("auth/email/verify/", {"token": token_in(link)}).status_code == 204

        assert organization.pk not in self.places()
        assert tenancy.find_offer(person).organization_id == organization.pk

    def test_by_an_invitation_to_another_organization(
        self, client, make_domain, make_invitation, token_of, on_commit
    ):
        organization = make_domain()
        invitation = make_invitation(email=self.email)
        body = {"email": self.email, "password": PASSWORD, "invitation_token": token_of(invitation)}

        with on_commit():
            assert client.post("auth/register/", body).status_code == 201

        assert self.places() == {organization.pk, invitation.organization_id}

    def test_by_an_invitation_to_the_same_organization(
        self, client, make_domain, make_invitation, token_of, on_commit
    ):
        organization = make_domain()
        invitation = make_invitation(organization, self.email, role="viewer")
        body = {"email": self.email, "password": PASSWORD, "invitation_token": token_of(invitation)}

        with on_commit():
            assert client.post("auth/register/", body).status_code == 201

        assert Membership.objects.get(user__email=self.email).role == "viewer"


class TestKindsOfTokens:
    """I70, T19: a token does what it is for, and nothing else."""

    DOORS = (
        ("auth/email/verify/", "token"),
        ("auth/email/change/confirm/", "token"),
        ("auth/refresh/", "refresh"),
        ("auth/mfa/verify/", "mfa_token"),
    )

    @pytest.mark.parametrize(("path", "field"), DOORS)
    def test_invitation_elsewhere(self, client, token, invitation, path, field):
        more = {"code": "123456"} if "mfa" in path else {}

        assert client.post(path, {field: token, **more}).status_code in (400, 401)
        assert nothing_was_made(invitation)

    def test_invitation_as_a_reset(self, client, token, make_user):
        person = make_user(EMAIL, password=ATTACKERS, email_verified=True)
        body = {"token": token, "new_password": PASSWORD}

        assert client.post("auth/password/reset/confirm/", body).status_code == 400
        person.refresh_from_db()
        assert person.check_password(ATTACKERS)

    def test_invitation_as_a_bearer(self, token):
        assert ApiClient(token).get("auth/me/").status_code == 401

    def test_others_as_an_invitation(self, sign_up, client_for, make_user, on_commit, mailoutbox):
        person = make_user("other@example.com", password=PASSWORD)
        tokens = auth.open_session(person)
        with on_commit():
            auth.ask_for_verification(person)
            auth.request_password_reset(person.email)
        others = [tokens.access, tokens.refresh, *map(token_in, mailoutbox[-2:])]
        signed_in = client_for(make_user(EMAIL, email_verified=True))
        for other in others:
            assert sign_up(invitation_token=other).status_code == 400
            assert signed_in.get(f"invitations/{other}/").status_code == 404
            assert signed_in.post(f"invitations/{other}/accept/").status_code == 404
        assert not Membership.objects.filter(user__email=EMAIL).exists()
        assert Session.objects.filter(user=person, revoked_at=None).exists()
