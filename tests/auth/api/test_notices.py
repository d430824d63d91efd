"""What people are told of their accounts: a welcome, and sign-ins from where they have not been lately."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core import mail
from django.utils import timezone

from saas_kit.auth import services
from saas_kit.auth.models import Session
from saas_kit.email.models import OutboxMessage
from tests.auth.api.test_passwords import token_in
from tests.auth.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0"
CHROME = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0 Mobile Safari/537.36"
HOME = {"ip_address": "192.0.2.7", "user_agent": FIREFOX.format(140)}


def notices() -> list[OutboxMessage]:
    return list(OutboxMessage.objects.filter(kind="saas_kit_auth.new_sign_in").order_by("id"))


def welcomes() -> list[str]:
    return list(
        OutboxMessage.objects.filter(kind="saas_kit_auth.welcome").values_list("recipient", flat=True)
    )


@pytest.fixture
def person(make_person):
    """Somebody who has signed in at home before."""
    person = make_person(email_verified=True)
    services.open_session(person, **HOME)
    return person


class TestNewSignIn:
    def test_first_sign_in_of_an_account_is_no_news(self, person):
        assert notices() == []

    def test_another_device_is_told_of(self, person, on_commit):
        """OWASP ASVS 5.0, 6.3.5; what the client says of itself is not repeated."""
        with on_commit():
            services.open_session(person, ip_address="192.0.2.7", user_agent=f"{CHROME} call-me/1")

        [sent] = mail.outbox
        assert sent.to == [person.email]
        assert "Device: Chrome on Android" in sent.body
        assert "IP address: 192.0.2.7" in sent.body
        assert "call-me" not in sent.body

    @pytest.mark.parametrize(
        "place",
        [
            HOME,
            {**HOME, "user_agent": FIREFOX.format(141)},
            {**HOME, "ip_address": "::ffff:192.0.2.7"},
        ],
        ids=["the same", "an update", "mapped"],
    )
    def test_place_that_is_known_is_not(self, person, place):
        services.open_session(person, **place)

        assert notices() == []

    @pytest.mark.parametrize(
        "place",
        [
            {**HOME, "ip_address": "198.51.100.7"},
            {**HOME, "user_agent": CHROME},
            {**HOME, "user_agent": "strange/1"},
            {},
        ],
        ids=["network", "device", "unknown device", "nothing known"],
    )
    def test_place_that_is_not_known_is_told_of_once(self, person, place):
        for _ in range(2):
            services.open_session(person, **place)

        assert len(notices()) == 1

    def test_network_of_ipv6_is_known_by_its_prefix(self, person):
        services.open_session(person, **{**HOME, "ip_address": "2001:db8::1"})
        services.open_session(person, **{**HOME, "ip_address": "2001:db8::2"})
        services.open_session(person, **{**HOME, "ip_address": "2001:db8:0:1::2"})

        assert len(notices()) == 2

    def test_ended_sessions_are_remembered(self, person):
        services.revoke_sessions(person, actor=person)

        services.open_session(person, **HOME)

        assert notices() == []

    def test_sign_in_after_a_long_time_is_told_of(self, person):
        """ASVS 5.0, 6.3.5: the sessions from before are not kept any more."""
        Session.objects.all().delete()

        services.open_session(person, **HOME)

        assert len(notices()) == 1

    def test_place_of_somebody_else_does_not_count(self, person, make_person):
        other = make_person(email_verified=True)
        services.open_session(other, ip_address="198.51.100.7", user_agent=CHROME)

        services.open_session(person, ip_address="198.51.100.7", user_agent=CHROME)

        assert [each.recipient for each in notices()] == [person.email]

    def test_host_can_turn_it_off(self, person, settings):
        settings.SAAS_KIT_AUTH_NEW_SIGN_IN_NOTICES = False

        services.open_session(person)

        assert notices() == []

    def test_costs_one_statement(
        self, person, settings, django_assert_num_queries, django_assert_max_num_queries
    ):
        settings.SAAS_KIT_AUTH_NEW_SIGN_IN_NOTICES = False
        with django_assert_max_num_queries(20) as without:
            services.open_session(person, **HOME)
        settings.SAAS_KIT_AUTH_NEW_SIGN_IN_NOTICES = True
        for _ in range(3):
            with django_assert_num_queries(len(without) + 1):
                services.open_session(person, **HOME)

    def test_wrong_password_tells_nobody(self, person, api, on_commit):
        """A refusal beside its permitted twin."""
        with on_commit():
            assert (
                api("post", "login/", {"email": person.email, "password": PASSWORD[:-1]}).status_code == 401
            )
        assert notices() == []

        with on_commit():
            assert api("post", "login/", {"email": person.email, "password": PASSWORD}).status_code == 200
        assert len(notices()) == 1


class TestWelcome:
    def register(self, api, email="ada@example.com"):
        return api("post", "register/", {"email": email, "password": PASSWORD})

    def test_on_registering(self, api, on_commit):
        with on_commit():
            assert self.register(api).status_code == 201

        assert welcomes() == ["ada@example.com"]

    def test_not_before_an_address_that_has_to_be_proved_is(self, api, on_commit, settings):
        settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = "mandatory"
        with on_commit():
            assert self.register(api).status_code == 201
        assert welcomes() == []

        token = token_in(mail.outbox[-1])
        assert api("post", "email/verify/", {"token": token}).status_code == 204
        assert welcomes() == ["ada@example.com"]

    def test_proof_later_on_is_no_second_one(self, api, on_commit):
        with on_commit():
            self.register(api)
        token = token_in(next(each for each in mail.outbox if "#token=" in each.body))
        OutboxMessage.objects.all().delete()

        assert api("post", "email/verify/", {"token": token}).status_code == 204

        assert welcomes() == []

    def test_who_was_given_an_account_is_greeted_once_it_is_theirs(self, api, make_person, on_commit):
        person = make_person(password=None)
        with on_commit():
            services.ask_to_set_password(person)
        assert welcomes() == []

        body = {"token": token_in(mail.outbox[-1]), "new_password": PASSWORD}
        assert api("post", "password/reset/confirm/", body).status_code == 204

        assert welcomes() == [person.email]

    def test_reset_of_a_proved_account_is_none(self, api, make_person, on_commit):
        person = make_person(email_verified=True)
        with on_commit():
            services.request_password_reset(person.email)

        body = {"token": token_in(mail.outbox[-1]), "new_password": PASSWORD}
        assert api("post", "password/reset/confirm/", body).status_code == 204

        assert welcomes() == []

    def test_one_for_an_account(self, make_person):
        """I81."""
        person = make_person()
        for _ in range(2):
            services.welcome(person)

        assert welcomes() == [person.email]

    def test_whose_account_it_was_before_does_not_count(self, make_person):
        """T17: who takes an account over that somebody else had set up is new."""
        person = make_person()
        services.open_session(person)
        assert person.last_login <= timezone.now() + timedelta(seconds=1)

        services.claim_unverified(person)
        services.welcome(person)

        assert welcomes() == [person.email]
