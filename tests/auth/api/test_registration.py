"""Registering where addresses have to be proved, and where they need not be."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.db import connection

from saas_kit.auth import services
from saas_kit.auth.identity import has_verified_email
from saas_kit.auth.models import Session
from tests.auth.api.test_passwords import token_in
from tests.auth.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]

OTHER = "difference engine 1822"
VERIFY = "email/verify/"


def person_with(email: str):
    """Return who has an address."""
    return get_user_model().objects.get(email=email)


@pytest.fixture
def mandatory(settings) -> None:
    """Let nobody sign in before they prove their address."""
    settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = "mandatory"


@pytest.fixture
def register(api, on_commit):
    """Register, with all that follows the commit."""

    def register(email: str, password: str = PASSWORD, **body):
        with on_commit():
            return api("post", "register/", {"email": email, "password": password, **body})

    return register


@pytest.mark.usefixtures("mandatory")
class TestMandatory:
    def test_nobody_is_signed_in_before_the_proof(self, api, register, mailoutbox, on_commit):
        """I54, I55: the answer has no tokens, and the right password is no better than a wrong one."""
        answer = register("ada@example.com")

        assert answer.status_code == 201
        assert list(answer.json()) == ["detail"]
        assert Session.objects.count() == 0
        credentials = {"email": "ada@example.com", "password": PASSWORD}
        with on_commit():
            unproved = api("post", "login/", credentials)
            unknown = api("post", "login/", {**credentials, "email": "nobody@example.com"})
        assert unproved.status_code == unknown.status_code == 401
        assert unproved.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}

        # signing in with the right password brought a new link, which replaces the one before
        assert api("post", VERIFY, {"token": token_in(mailoutbox[-1])}).status_code == 204

        assert has_verified_email(person_with("ada@example.com"))
        assert api("post", "login/", credentials).status_code == 200

    def test_answers_do_not_tell_who_has_an_account(self, register, make_person, mailoutbox):
        """I54, M8: new, proved, unproved and deactivated addresses; the owner is told by a message."""
        make_person("proved@example.com", email_verified=True)
        make_person("unproved@example.com")
        make_person("gone@example.com", is_active=False)

        answers = [register(f"{name}@example.com") for name in ("new", "proved", "unproved", "gone")]

        assert len({(each.status_code, each.content) for each in answers}) == 1
        assert [(mail.to[0], "already" in mail.subject) for mail in mailoutbox] == [
            ("new@example.com", False),
            ("proved@example.com", True),
            ("unproved@example.com", False),
        ]

    @pytest.mark.parametrize("name", ["new", "proved", "unproved"])
    def test_bad_password_is_refused_for_every_address(self, register, make_person, name):
        """I54: a rule that is checked only for some addresses would tell which."""
        make_person("proved@example.com", email_verified=True)
        make_person("unproved@example.com")

        answer = register(f"{name}@example.com", "password1")

        assert answer.status_code == 400
        assert answer.json()["errors"][0]["code"] == "weak_password"

    @pytest.mark.hosts("full", "default_user")  # whose people have names
    def test_proved_account_is_left_alone(self, api, register, make_person):
        """Whoever registers with somebody's proved address changes nothing of theirs."""
        person = make_person("ada@example.com", email_verified=True)

        register("ada@example.com", OTHER, first_name="Eve")

        person.refresh_from_db()
        assert person.check_password(PASSWORD)
        assert person.first_name == ""
        assert api("post", "login/", {"email": person.email, "password": OTHER}).status_code == 401

    @pytest.mark.hosts("full", "default_user")  # whose people have names
    def test_latest_registration_counts(self, api, register, mailoutbox):
        """I56, M7, T17: the attacker's password and link are over once the owner of the address registers."""
        register("victim@example.com", OTHER, first_name="Eve")
        attackers = token_in(mailoutbox[0])

        register("VICTIM@Example.com", PASSWORD, first_name="Vic")

        person = person_with("victim@example.com")  # one person, whatever the case (I57)
        assert person.first_name == "Vic"
        assert len(mailoutbox) == 2
        assert api("post", VERIFY, {"token": attackers}).status_code == 410
        assert api("post", VERIFY, {"token": token_in(mailoutbox[1])}).status_code == 204
        assert api("post", "login/", {"email": person.email, "password": OTHER}).status_code == 401
        assert api("post", "login/", {"email": person.email, "password": PASSWORD}).status_code == 200

    def test_account_that_others_gave_is_not_taken(self, api, register, make_person, mailoutbox):
        """Registering with an address that was given an account sends a link, and sets no password."""
        person = make_person("given@example.com", None)

        register("given@example.com", OTHER)

        person.refresh_from_db()
        assert not person.has_usable_password()
        assert "/set-password#token=" in mailoutbox[0].body
        body = {"token": token_in(mailoutbox[0]), "new_password": PASSWORD}
        assert api("post", "password/reset/confirm/", body).status_code == 204
        assert api("post", "login/", {"email": person.email, "password": PASSWORD}).status_code == 200

    def test_right_password_brings_a_new_link(self, api, register, mailoutbox, on_commit):
        """Somebody who lost the message gets another by signing in, at most three an hour."""
        register("ada@example.com")

        with on_commit():
            for _ in range(4):
                api("post", "login/", {"email": "ada@example.com", "password": PASSWORD})

        assert len(mailoutbox) == 1 + 3

    def test_given_account_of_a_provider_is_emptied_first(self, api, register, mailoutbox, on_commit):
        """T17: an account that somebody made at a provider, with the victim's address, is the victim's alone."""
        with on_commit():
            attackers = services.create_user(email="victim@example.com", password=None)
            services.ask_for_verification(attackers)
        first = token_in(mailoutbox[0])

        register("victim@example.com", PASSWORD)

        assert api("post", VERIFY, {"token": first}).status_code == 410
        body = {"token": token_in(mailoutbox[1]), "new_password": PASSWORD}
        assert api("post", "password/reset/confirm/", body).status_code == 204
        assert has_verified_email(person_with("victim@example.com"))

    @pytest.mark.hosts("full", "default_user")  # whose people have names
    def test_names_of_somebody_else_are_gone(self, register):
        """T17: what the latest registration leaves out is empty, and not what the one before said."""
        register("victim@example.com", OTHER, first_name="Eve", last_name="http://evil.example")

        register("victim@example.com", PASSWORD, first_name="Vic")

        person = person_with("victim@example.com")
        assert (person.first_name, person.last_name) == ("Vic", "")

    def test_account_of_somebody_else_is_gone(self, register):
        """T17: the organization is named by the latest registration."""
        register("victim@example.com", OTHER, organization_name="Evil Org")

        register("victim@example.com", PASSWORD, organization_name="Victim Inc")

        from saas_kit.tenancy.models import Membership

        memberships = Membership.objects.filter(organization__deleted_at__isnull=True)
        (membership,) = memberships.filter(user=person_with("victim@example.com"))
        assert (membership.organization.name, membership.organization.slug) == ("Victim Inc", "victim-inc")


class TestOptional:
    def test_signed_in_and_asked_for_the_proof(self, api, register, mailoutbox):
        """The answer has tokens, and a link is sent; with it the session of the proof goes on."""
        tokens = register("ada@example.com").json()
        elsewhere = services.open_session(person_with("ada@example.com"))

        answer = api("post", VERIFY, {"token": token_in(mailoutbox[0])}, token=tokens["access"])

        assert answer.status_code == 204
        assert api("get", "me/", token=tokens["access"]).json()["email_verified"] is True
        assert api("get", "me/", token=elsewhere.access).status_code == 401

    def test_taken_address_is_told(self, register, make_person):
        """api.md: 400 `email_taken` on `email`."""
        make_person("ada@example.com")

        answer = register("ADA@example.com")

        assert answer.status_code == 400
        assert answer.json()["errors"][0]["code"] == "email_taken"

    def test_off_asks_for_nothing(self, register, mailoutbox, settings):
        """With verification off no link is sent, only a welcome."""
        settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = "off"

        assert register("ada@example.com").status_code == 201
        assert ["Welcome" in mail.subject for mail in mailoutbox] == [True]
        assert "token" not in mailoutbox[0].body

    def test_limit_of_one_network(self, api):
        """Twenty registrations an hour from one network, then 429; none is half made."""
        people = get_user_model().objects
        codes = [
            api("post", "register/", {"email": f"p{number}@example.com", "password": PASSWORD}).status_code
            for number in range(21)
        ]

        assert codes == [201] * 20 + [429]
        assert people.count() == 20

    def test_opened_elsewhere_the_link_ends_what_was_queued(self, api, register, mailoutbox, on_commit):
        """T17: sessions and a pending change of address of whoever registered are over, where they bring no session."""
        attacker = register("victim@example.com").json()
        body = {"email": "evil@example.com", "current_password": PASSWORD}
        with on_commit():
            assert api("post", "email/change/", body, token=attacker["access"]).status_code == 204

        assert api("post", VERIFY, {"token": token_in(mailoutbox[0])}).status_code == 204

        assert api("get", "me/", token=attacker["access"]).status_code == 401
        pending = token_in(mailoutbox[-1])
        assert api("post", "email/change/confirm/", {"token": pending}).status_code == 410


class TestResend:
    def test_new_link_replaces_the_old(self, api, register, mailoutbox, on_commit):
        """I56: the older link is 410."""
        register("ada@example.com")
        with on_commit():
            assert api("post", "email/resend/", {"email": "ADA@example.com"}).status_code == 204

        older, newer = (token_in(mail) for mail in mailoutbox if "#token=" in mail.body)
        assert api("post", VERIFY, {"token": older}).status_code == 410
        assert api("post", VERIFY, {"token": newer}).status_code == 204
        assert api("post", VERIFY, {"token": newer}).status_code == 410

    def test_nobody_learns_anything(self, api, make_person, mailoutbox, on_commit):
        """T14: unknown, proved, and deactivated addresses are answered alike, and get no message."""
        make_person("proved@example.com", email_verified=True)
        make_person("gone@example.com", is_active=False)

        with on_commit():
            answers = [
                api("post", "email/resend/", {"email": f"{name}@example.com"})
                for name in ("nobody", "proved", "gone")
            ]

        assert {(each.status_code, each.content) for each in answers} == {(204, b"")}
        assert mailoutbox == []


class TestVerify:
    @pytest.mark.parametrize("token", ["", "x", None, 7, ["x"], {"a": 1}, "x" * 5000, "\x00"], ids=repr)
    def test_what_is_no_token(self, api, token):
        """Never a 500."""
        assert api("post", VERIFY, {"token": token}).status_code == 400

    def test_address_that_was_given_up(self, api, register, mailoutbox):
        """A link to an address that is no longer the person's proves nothing."""
        register("ada@example.com")
        services.change_email(person_with("ada@example.com"), "countess@example.com", actor=None)

        assert api("post", VERIFY, {"token": token_in(mailoutbox[0])}).status_code == 410
        assert not has_verified_email(person_with("countess@example.com"))


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("mandatory")
def test_two_registrations_at_once_make_one_person(race):
    """I57, M7: none of the two fails, and one person has the address."""
    from tests.auth.api.conftest import Api

    codes = race(
        *[lambda: Api()("post", "register/", {"email": "ada@example.com", "password": PASSWORD}).status_code]
        * 4
    )

    assert connection.vendor == "postgresql"
    assert codes == [201] * 4
    assert get_user_model().objects.filter(email="ada@example.com").count() == 1
