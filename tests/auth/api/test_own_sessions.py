"""The devices that somebody is signed in on."""

from __future__ import annotations

from datetime import timedelta
from uuid import uuid4

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.utils import timezone, translation

from saas_kit.audit.models import Event
from saas_kit.auth import services
from saas_kit.auth.devices import device_of
from saas_kit.auth.identity import email_field
from saas_kit.auth.models import Session
from tests.auth.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
FIELDS = {
    "id",
    "created_at",
    "last_seen_at",
    "expires_at",
    "ip_address",
    "user_agent",
    "device",
    "current",
}


class TestList:
    def test_i74_shows_each_device_and_its_last_use(self, api, make_person):
        """I74: newest first; whichever asks is `current`."""
        person = make_person()
        body = {"email": getattr(person, email_field()), "password": PASSWORD}
        with time_machine.travel(timezone.now() - timedelta(minutes=4), tick=False):
            laptop = api("post", "login/", body, **{"User-Agent": FIREFOX}).json()
            phone = api("post", "login/", body, **{"User-Agent": "kit/1.0 (iPhone)"}).json()
        laptop = api("post", "refresh/", {"refresh": laptop["refresh"]}).json()

        for token, current in ((phone["access"], [True, False]), (laptop["access"], [False, True])):
            page = api("get", "sessions/", token=token).json()
            assert (page["next"], page["previous"]) == (None, None)
            assert [each["current"] for each in page["results"]] == current
        first, second = page["results"]
        assert set(first) == FIELDS
        assert (first["device"], second["device"]) == ("iPhone", "Firefox on Windows")
        assert (second["user_agent"], second["ip_address"]) == (FIREFOX, "127.0.0.1")
        assert second["last_seen_at"] > first["last_seen_at"] >= second["created_at"]

    def test_i74_shows_neither_others_nor_what_is_over(self, api, make_signed_in):
        """I74: ended, expired and of an old password: none is a device that one is signed in on."""
        own, other = make_signed_in(), make_signed_in()
        ended, expired = make_signed_in(own.user).session, make_signed_in(own.user).session
        services.revoke_session(ended, actor=own.user)
        Session.objects.filter(pk=expired.pk).update(expires_at=timezone.now())
        old = make_signed_in(own.user).session
        Session.objects.filter(pk=old.pk).update(password_fingerprint="x" * 64)

        for signed_in in (own, other):
            (only,) = api("get", "sessions/", token=signed_in.access).json()["results"]
            assert only["id"] == str(signed_in.session.pk)

    def test_a_session_from_before_a_new_secret_key_is_shown(self, api, make_signed_in, settings):
        settings.SAAS_KIT_AUTH_SIGNING_KEY = "k" * 48
        signed_in = make_signed_in()
        settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another" * 8

        (only,) = api("get", "sessions/", token=signed_in.access).json()["results"]

        assert only["current"] is True

    def test_pages_neither_repeat_nor_drop(self, api, make_signed_in):
        signed_in = make_signed_in()
        for _ in range(4):
            make_signed_in(signed_in.user)

        found, path = [], "sessions/?page_size=2"
        while path:
            page = api("get", path, token=signed_in.access).json()
            found += [each["id"] for each in page["results"]]
            path = page["next"] and page["next"].partition("/auth/")[2]

        keys = Session.objects.order_by("-created_at").values_list("pk", flat=True)
        assert found == [str(key) for key in keys]

    @pytest.mark.parametrize("others", [0, 5])
    def test_takes_the_callers_statement_and_one(
        self, api, make_signed_in, django_assert_num_queries, others
    ):
        signed_in = make_signed_in()
        for _ in range(others):
            make_signed_in(signed_in.user)

        with django_assert_num_queries(2):
            response = api("get", "sessions/", token=signed_in.access)

        assert len(response.json()["results"]) == others + 1

    def test_m4_anonymous_is_401(self, api, make_signed_in):
        signed_in = make_signed_in()

        assert api("get", "sessions/").status_code == 401
        assert api("delete", f"sessions/{signed_in.session.pk}/").status_code == 401
        assert Session.objects.live().exists()


class TestEnd:
    def test_t13_i74_one_device_is_signed_out_at_once(self, api, make_signed_in):
        """T13: its tokens are of no use from then on, those of the others are."""
        laptop = make_signed_in()
        phone = make_signed_in(laptop.user)

        assert api("delete", f"sessions/{phone.session.pk}/", token=laptop.access).status_code == 204

        assert api("get", "me/", token=phone.access).json()["code"] == "session_ended"
        assert api("post", "refresh/", {"refresh": phone.refresh}).json()["code"] == "session_ended"
        assert api("get", "me/", token=laptop.access).status_code == 200
        event = Event.objects.get(action="session.signed_out")
        assert (event.target_id, event.actor_id) == (str(phone.session.pk), laptop.user.pk)

    def test_the_present_one_can_be_ended(self, api, make_signed_in):
        signed_in = make_signed_in()

        assert api("delete", f"sessions/{signed_in.session.pk}/", token=signed_in.access).status_code == 204

        assert api("get", "me/", token=signed_in.access).status_code == 401

    def test_i3_somebody_elses_is_404_as_one_that_is_unknown(self, api, make_signed_in):
        own, other = make_signed_in(), make_signed_in()
        ended = make_signed_in(own.user).session
        services.revoke_session(ended, actor=None)

        for key in (other.session.pk, uuid4(), ended.pk):
            response = api("delete", f"sessions/{key}/", token=own.access)
            assert (response.status_code, response.json()["code"]) == (404, "not_found")

        assert set(Session.objects.live()) == {own.session, other.session}
        assert api("delete", f"sessions/{own.session.pk}/", token=own.access).status_code == 204

    def test_what_is_no_id_is_404(self, api, make_signed_in):
        assert api("delete", "sessions/x/", token=make_signed_in().access).status_code == 404

    def test_takes_as_many_statements_whatever_else_there_is(
        self, api, make_signed_in, django_assert_num_queries
    ):
        signed_in = make_signed_in()
        for _ in range(3):
            make_signed_in(signed_in.user)

        for session in Session.objects.exclude(pk=signed_in.session.pk):
            with django_assert_num_queries(7):
                assert api("delete", f"sessions/{session.pk}/", token=signed_in.access).status_code == 204


class TestAllAtOnce:
    """T13: sessions do not survive what ends them; each way is followed by both tokens of another device."""

    def outlives(self, api, signed_in):
        access = api("get", "me/", token=signed_in.access).status_code
        refresh = api("post", "refresh/", {"refresh": signed_in.refresh}).status_code
        return (access, refresh) != (401, 401)

    def test_t13_a_changed_password_ends_the_other_device(self, api, make_person, make_signed_in):
        person = make_person()
        first, second, stranger = make_signed_in(person), make_signed_in(person), make_signed_in()

        body = {"current_password": PASSWORD, "new_password": "another good one"}
        assert api("post", "password/change/", body, token=first.access).status_code < 300

        assert not self.outlives(api, second)
        assert self.outlives(api, stranger)

    def test_t13_a_disabled_person_is_out_on_both(self, api, make_person, make_signed_in):
        person = make_person()
        first, second, stranger = make_signed_in(person), make_signed_in(person), make_signed_in()

        services.deactivate_user(person, actor=None)

        assert not self.outlives(api, first)
        assert not self.outlives(api, second)
        assert self.outlives(api, stranger)

    def test_t13_i75_a_deleted_person_is_out(self, api, make_signed_in):
        signed_in, stranger = make_signed_in(), make_signed_in()

        get_user_model().objects.filter(pk=signed_in.user.pk).delete()

        assert not self.outlives(api, signed_in)
        assert self.outlives(api, stranger)


@pytest.mark.parametrize(
    ("user_agent", "device"),
    [
        (FIREFOX, "Firefox on Windows"),
        (
            (
                "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) "
                "Version/18.5 Safari/605.1.15"
            ),
            "Safari on macOS",
        ),
        (
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 "
                "Safari/537.36 Edg/138.0.0.0"
            ),
            "Edge on Windows",
        ),
        (
            (
                "Mozilla/5.0 (Linux; Android 14; SM-S911B) AppleWebKit/537.36 (KHTML, like Gecko) "
                "SamsungBrowser/28.0 Chrome/130.0.0.0 Mobile Safari/537.36"
            ),
            "Samsung Internet on Android",
        ),
        (
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
                "CriOS/138.0.7204.53 Mobile/15E148 Safari/604.1"
            ),
            "Chrome on iPhone",
        ),
        (
            (
                "Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/138.0.0.0 "
                "Safari/537.36"
            ),
            "Chrome on ChromeOS",
        ),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        ("curl/8.7.1", "curl"),
        ("Dalvik/2.1.0 (Linux; U; Android 14)", "Android"),
        ("something else", ""),
        ("", ""),
    ],
)
def test_devices_have_names_that_people_know_them_by(user_agent, device):
    assert device_of(user_agent) == device


@pytest.mark.parametrize(
    ("language", "device"),
    [("en", "Firefox on Linux"), ("de", "Firefox auf Linux"), ("fr", "Firefox sur Linux")],
)
def test_their_names_are_of_the_language_that_is_active(language, device):
    """They are in the middle of a message that is."""
    with translation.override(language):
        assert device_of("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0") == device
