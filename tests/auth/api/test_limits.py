"""How often a password may be guessed."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from saas_kit.auth import services
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

    def test_host_can_lift_and_tighten(self, sign_in, make_person, settings):
        """SAAS_KIT_AUTH_RATE_LIMITS replaces single limits."""
        person = make_person()
        settings.SAAS_KIT_AUTH_RATE_LIMITS = {"login": "1/m", "login_network": None}

        assert [sign_in(person.email).status_code for _ in range(2)] == [401, 429]

    def test_no_address_is_in_the_cache(self, sign_in, make_person):
        """I127: what is counted is kept under a hash."""
        person = make_person()
        sign_in(person.email)

        keys = list(getattr(cache, "_cache", {}))
        assert not any(person.email in str(key) or ABROAD in str(key) for key in keys)


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
