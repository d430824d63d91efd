"""How often a password may be guessed."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from saas_kit.audit.models import Event
from saas_kit.auth import services
from saas_kit.auth.models import Session
from saas_kit.auth.services.sign_in import _have_signed_in_from
from tests.auth.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]

HOME, ABROAD = "192.0.2.1", "198.51.100.1"


@pytest.fixture
def sign_in():
    """Try to sign in from an address of the network."""

    def sign_in(email: str, password: str = "wrong", *, ip: str = ABROAD):
        body = {"email": email, "password": password}
        return Client(REMOTE_ADDR=ip).post("/api/v1/auth/login/", body, content_type="application/json")

    return sign_in


@pytest.fixture(autouse=True)
def clock():
    """Stand still in the middle of a window."""
    hour = timezone.now().replace(minute=2, second=0, microsecond=0)
    with time_machine.travel(hour, tick=False) as clock:
        yield clock


class TestLogin:
    def test_five_wrong_ones_in_five_minutes(self, sign_in, make_person, clock):
        """I60: then 429 with `Retry-After`, even for the right password; and again the right one after it."""
        person = make_person()
        codes = [sign_in(person.email).status_code for _ in range(6)]
        assert codes == [401] * 5 + [429]

        answer = sign_in(person.email, PASSWORD)

        assert answer.status_code == 429
        assert answer.json()["code"] == "rate_limited"
        assert 1 <= int(answer["Retry-After"]) <= 300
        clock.shift(timedelta(minutes=5))
        assert sign_in(person.email, PASSWORD).status_code == 200

    def test_owner_signs_in_from_elsewhere(self, sign_in, make_person, clock):
        """I60: one network cannot lock the owner of an account out, however long it goes on."""
        person = make_person()
        for _ in range(11):
            for _ in range(8):
                assert sign_in(person.email).status_code in (401, 429)
            clock.shift(timedelta(minutes=5))

        assert sign_in(person.email, PASSWORD, ip=HOME).status_code == 200

    def test_open_sessions_go_on(self, api, sign_in, make_signed_in):
        """Whoever is signed in stays so, whatever others try."""
        signed_in = make_signed_in()
        for _ in range(8):
            sign_in(signed_in.user.email)

        assert api("get", "me/", token=signed_in.access).status_code == 200
        assert api("post", "refresh/", {"refresh": signed_in.refresh}).status_code == 200

    def test_guessing_from_many_networks(self, sign_in, make_person):
        """I60: twenty an hour for one account; then only a network that its person has signed in from is heard."""
        person = make_person()
        services.open_session(person, ip_address=HOME)
        codes = [sign_in(person.email, ip=f"203.0.113.{number}").status_code for number in range(25)]

        assert codes == [401] * 20 + [429] * 5
        assert sign_in(person.email, PASSWORD, ip=ABROAD).status_code == 429
        assert sign_in(person.email, PASSWORD, ip=HOME).status_code == 200

    def test_trying_one_password_on_many_accounts(self, sign_in):
        """A network tries a hundred times an hour, whatever the accounts."""
        codes = [sign_in(f"person{number}@example.com").status_code for number in range(101)]

        assert codes == [401] * 100 + [429]

    def test_unknown_address_is_counted_alike(self, sign_in, make_person):
        """T14: a limit that is there for accounts only would tell which there are."""
        known, unknown = make_person().email, "nobody@example.com"

        assert [sign_in(known).status_code for _ in range(7)] == [
            sign_in(unknown).status_code for _ in range(7)
        ]

    def test_right_ones_are_not_counted(self, sign_in, make_person):
        """Somebody who signs in often is not slowed down."""
        person = make_person()

        assert {sign_in(person.email, PASSWORD).status_code for _ in range(12)} == {200}

    def test_spelling_of_an_address_is_no_way_around(self, sign_in, make_person):
        """I45: another case of letters is the same account."""
        person = make_person()
        codes = [
            sign_in(person.email.upper() if number % 2 else person.email).status_code for number in range(6)
        ]

        assert codes[-1] == 429

    def test_networks_of_version_six(self, sign_in, make_person):
        """I107: another address of one /64 is the same network."""
        person = make_person()
        codes = [sign_in(person.email, ip=f"2001:db8::{number}").status_code for number in range(1, 7)]

        assert codes == [401] * 5 + [429]

    def test_forwarded_addresses_are_not_believed(self, make_person):
        """I107, M9: a header that anybody can send gives no new count."""
        person = make_person()
        codes = []
        for number in range(6):
            headers = {"X-Forwarded-For": f"203.0.113.{number}", "X-Real-IP": f"203.0.113.{number}"}
            body = {"email": person.email, "password": "wrong"}
            answer = Client(REMOTE_ADDR=ABROAD, headers=headers).post(
                "/api/v1/auth/login/", body, content_type="application/json"
            )
            codes.append(answer.status_code)

        assert codes == [401] * 5 + [429]

    @pytest.mark.parametrize(("proxies", "behind"), [(0, ""), (1, f", {HOME}"), (2, f", {HOME}, 10.0.0.2")])
    def test_made_up_addresses_in_front_of_a_proxys(self, make_person, settings, proxies, behind):
        """I107, T20: behind one proxy or two, nothing that a client writes gives a new count; its address is kept."""
        settings.SAAS_KIT_CORE_TRUSTED_PROXIES = proxies
        person = make_person(email_verified=True)

        def attempt(forwarded, password="wrong"):
            body = {"email": person.email, "password": password}
            client = Client(REMOTE_ADDR=ABROAD, headers={"X-Forwarded-For": forwarded})
            return client.post("/api/v1/auth/login/", body, content_type="application/json").status_code

        assert attempt(f"203.0.113.1{behind}", PASSWORD) == 200
        assert Session.objects.get().ip_address == (HOME if proxies else ABROAD)
        assert [attempt(f"203.0.113.{number}{behind}") for number in range(6)] == [401] * 5 + [429]
        elsewhere = behind.replace(HOME, "192.0.2.99")
        assert attempt(f"203.0.113.1{elsewhere}") == (401 if proxies else 429)

    def test_versions_of_an_address(self, sign_in, make_person):
        """I107: an IPv4 address in the notation of IPv6 is the same network."""
        person = make_person()
        addresses = [ABROAD, f"::ffff:{ABROAD}"]
        codes = [sign_in(person.email, ip=addresses[number % 2]).status_code for number in range(6)]

        assert codes == [401] * 5 + [429]

    @pytest.mark.parametrize(
        ("known", "now", "heard"),
        [
            (HOME, f"::ffff:{HOME}", True),
            (f"::ffff:{HOME}", HOME, True),
            ("2001:db8::1", "2001:db8::ffff:1", True),
            ("2001:db8::1", "2001:db8:0:1::1", False),
            (None, HOME, False),
        ],
    )
    def test_network_of_an_earlier_session_is_heard(self, sign_in, make_person, settings, known, now, heard):
        """I60: addresses of one network change, and whose network it is stays the owner's."""
        settings.SAAS_KIT_AUTH_RATE_LIMITS = {"login_account": "1/h"}
        person = make_person(email_verified=True)
        services.open_session(person, ip_address=known)
        assert sign_in(person.email, ip="203.0.113.1").status_code == 401

        assert sign_in(person.email, PASSWORD, ip=now).status_code == (200 if heard else 429)

    def test_earlier_sessions_are_looked_at_within_bounds(self, make_person, django_assert_max_num_queries):
        """The latest hundred: one statement, whatever was before."""
        person = make_person()
        services.open_session(person, ip_address=HOME)
        own = type(person)._default_manager.filter(pk=person.pk)
        for _ in range(99):
            services.open_session(person, ip_address=ABROAD)

        with django_assert_max_num_queries(1):
            assert _have_signed_in_from(HOME, own)
        services.open_session(person, ip_address=ABROAD)
        assert not _have_signed_in_from(HOME, own)

    def test_host_can_lift_and_tighten(self, sign_in, make_person, settings):
        """SAAS_KIT_AUTH_RATE_LIMITS replaces single limits."""
        person = make_person()
        settings.SAAS_KIT_AUTH_RATE_LIMITS = {"login": "1/m", "login_network": None}

        assert [sign_in(person.email).status_code for _ in range(2)] == [401, 429]

    def test_no_address_is_in_the_cache(self, sign_in, make_person, settings):
        """I127: what is counted is kept under a hash."""
        settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
        person = make_person()
        sign_in(person.email)

        keys = list(cache._cache)
        assert keys
        assert not any(person.email in str(key) or ABROAD in str(key) for key in keys)


@pytest.mark.hosts("default_user")
class TestUsernames:
    """Where people have a username beside their address."""

    @pytest.fixture
    def attempt(self):
        def attempt(password: str = "wrong", *, ip: str = ABROAD, **name: str) -> int:
            body = {**name, "password": password}
            client = Client(REMOTE_ADDR=ip)
            return client.post("/api/v1/auth/login/", body, content_type="application/json").status_code

        return attempt

    def test_address_and_username_are_one_account(self, attempt, make_person):
        """I60: who knows both has no more attempts than who knows one; another account has its own."""
        make_person("ann@example.com", username="ann", email_verified=True)
        make_person("bob@example.com", username="bob", email_verified=True)
        names = [{"email": "ann@example.com"}, {"username": "ann"}]

        assert [attempt(**names[number % 2]) for number in range(7)] == [401] * 5 + [429] * 2
        assert attempt(PASSWORD, username="bob") == 200

    @pytest.mark.parametrize(
        "name", [{"email": "ann@example.com"}, {"username": "ann"}], ids=["email", "username"]
    )
    def test_guessing_from_many_networks(self, attempt, make_person, name):
        """I60: the network of an earlier session is heard by either name."""
        person = make_person("ann@example.com", username="ann", email_verified=True)
        services.open_session(person, ip_address=HOME)
        codes = [attempt(ip=f"203.0.113.{number}", username="ann") for number in range(22)]

        assert codes == [401] * 20 + [429] * 2
        assert attempt(PASSWORD, ip=ABROAD, **name) == 429
        assert attempt(PASSWORD, ip=HOME, **name) == 200

    def test_another_case_of_letters_tells_nothing(self, attempt, make_person):
        """T14: a name that is nobody's is counted with the name that it may be, whoever has that."""
        make_person("ann@example.com", username="ann", email_verified=True)

        def codes(name):
            return [attempt(username=name.upper()) for _ in range(5)] + [attempt(username=name)]

        assert codes("ann") == codes("nobody") == [401] * 5 + [429]

    def test_statements(self, attempt, make_person, django_assert_num_queries):
        """T14: the same work, whoever has the name; the search is made once more, for the limit."""
        make_person("ann@example.com", username="ann", email_verified=True)
        for name in (
            {"username": "ann"},
            {"username": "nobody"},
            {"email": "ann@example.com"},
            {"email": "no@x.example"},
        ):
            with django_assert_num_queries(2):
                assert attempt(**name) == 401


class TestMail:
    @pytest.fixture
    def ask(self, on_commit):
        """Ask for a link to set a new password."""

        def ask(email: str, *, ip: str = ABROAD) -> int:
            client = Client(REMOTE_ADDR=ip)
            with on_commit():
                return client.post(
                    "/api/v1/auth/password/reset/", {"email": email}, content_type="application/json"
                ).status_code

        return ask

    def test_one_network_causes_so_many(self, ask, make_person, mailoutbox):
        """I60: thirty an hour to whomever; it is answered alike, and other networks are heard."""
        people = [make_person(email_verified=True) for _ in range(32)]

        assert {ask(person.email) for person in people} == {204}
        assert len(mailoutbox) == 30
        assert ask(people[-1].email, ip=HOME) == 204
        assert len(mailoutbox) == 31

    def test_network_does_not_use_up_what_others_may_send(self, ask, make_person, mailoutbox, settings):
        """What is not sent because of the network is not counted for the address."""
        settings.SAAS_KIT_AUTH_RATE_LIMITS = {"mail_network": "1/h"}
        person = make_person(email_verified=True)
        for _ in range(5):
            ask(person.email)

        assert [ask(person.email, ip=f"203.0.113.{number}") for number in range(3)] == [204] * 3
        assert len(mailoutbox) == 3

    def test_calls_without_a_network_are_not_counted_for_one(self, make_person):
        """Commands and tasks have none, and are not each other's limit."""
        assert all(services.may_mail("reset_password", f"person{number}@example.com") for number in range(40))

    def test_one_person_asks_for_so_many_addresses(self, api, make_signed_in, mailoutbox, on_commit):
        """Ten an hour, then 429; another person is heard."""
        ann, bob = make_signed_in(), make_signed_in()

        def change(signed_in, number):
            body = {"email": f"new{number}@example.com", "current_password": PASSWORD}
            with on_commit():
                return api("post", "email/change/", body, token=signed_in.access).status_code

        assert [change(ann, number) for number in range(11)] == [204] * 10 + [429]
        assert change(bob, 11) == 204
        assert len(mailoutbox) == 11
        assert Event.objects.filter(action="email.change_requested").count() == 11


@pytest.mark.redis
def test_what_cannot_be_counted_is_refused(sign_in, make_person, settings):
    """I109, M12: with Redis out of reach signing in is 503 at once, and open sessions go on."""
    person = make_person()
    tokens = services.open_session(person)
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }

    answer = sign_in(person.email, PASSWORD)

    assert answer.status_code == 503
    assert answer.json()["code"] == "unavailable"
    assert int(answer["Retry-After"]) > 0
    me = Client().get("/api/v1/auth/me/", headers={"Authorization": f"Bearer {tokens.access}"})
    assert me.status_code == 200
