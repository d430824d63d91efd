"""Sign-in over HTTP."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import time_machine
from allauth.account.models import EmailAddress
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import RequestFactory
from django.utils import timezone
from rest_framework.request import Request

from saas_kit.auth import services
from saas_kit.auth.api.authentication import SessionTokenAuthentication
from saas_kit.auth.identity import email_field, has_verified_email
from saas_kit.auth.models import Session
from tests.auth.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]

JUNK = ["[]", '"x"', "null", "1", "true", "{", "", "[" * 10_000, '{"a":1,"a":2}', '{"refresh": NaN}', "\x00"]


def errors_of(response):
    assert response.headers["Content-Type"] == "application/problem+json"
    return [(error["field"], error["code"]) for error in response.json()["errors"]]


class TestRegister:
    def test_answers_the_person_and_tokens(self, api):
        response = api("post", "register/", {"email": "Ann@Example.com", "password": PASSWORD})

        assert response.status_code == 201
        body = response.json()
        assert {"user", "access", "refresh"} == set(body)
        assert body["user"]["email"] == "ann@example.com"
        assert (body["user"]["email_verified"], body["user"]["mfa_enabled"]) == (False, False)
        assert api("get", "me/", token=body["access"]).json()["id"] == body["user"]["id"]
        assert api("post", "refresh/", {"refresh": body["refresh"]}).status_code == 200

    def test_m21_wants_no_username_and_one_password(self, api):
        assert api("post", "register/", {"email": "ann@example.com", "password": PASSWORD}).status_code == 201

        response = api(
            "post", "register/", {"email": "bob@example.com", "password1": PASSWORD, "password2": PASSWORD}
        )
        assert ("password", "required") in errors_of(response)
        assert ("password1", "unknown") in errors_of(response)

    def test_m5_sets_no_cookie_and_opens_no_django_session(self, api):
        """Trap 3 of dj-rest-auth."""
        response = api("post", "register/", {"email": "ann@example.com", "password": PASSWORD})

        assert response.status_code == 201
        assert not response.cookies

    @pytest.mark.parametrize("again", ["ann@example.com", "ANN@EXAMPLE.COM"])
    def test_i54_m7_a_taken_address_is_400(self, api, again):
        """An address belongs to one person, verified or not, and so far the answer says that it is taken."""
        api("post", "register/", {"email": "ann@example.com", "password": PASSWORD})

        for verified in (False, True):
            EmailAddress.objects.update(verified=verified)
            response = api("post", "register/", {"email": again, "password": "another password 7"})
            assert response.status_code == 400
            assert errors_of(response) == [("email", "email_taken")]

        assert get_user_model().objects.count() == 1
        assert api("post", "register/", {"email": "bob@example.com", "password": PASSWORD}).status_code == 201

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({"email": "ann@example.com"}, "password"),
            ({"password": PASSWORD}, "email"),
            ({"email": "ann", "password": PASSWORD}, "email"),
            ({"email": ["a@example.com", "b@example.com"], "password": PASSWORD}, "email"),
            ({"email": {"a": 1}, "password": PASSWORD}, "email"),
            ({"email": "x" * 300 + "@example.com", "password": PASSWORD}, "email"),
            ({"email": "a\x00@example.com", "password": PASSWORD}, "email"),
            ({"email": "a\ud800@example.com", "password": PASSWORD}, "email"),
            ({"email": "a@" + "\ua7dc" * 60 + ".com", "password": PASSWORD}, "email"),
            ({"email": "\N{LATIN SMALL LETTER DOTLESS I}@example.com", "password": PASSWORD}, "email"),
            ({"email": "ann@example.com", "password": "short"}, "password"),
            ({"email": "ann@example.com", "password": "x-" * 65}, "password"),
            ({"email": "ann@example.com", "password": "nul \x00 inside"}, "password"),
            ({"email": "ann@example.com", "password": "password"}, "password"),
            ({"email": "ann@example.com", "password": 12345678}, "password"),
            ({"email": "ann@example.com", "password": PASSWORD, "is_staff": True}, "is_staff"),
            ({"email": "ann@example.com", "password": PASSWORD, "id": "x"}, "id"),
        ],
    )
    def test_i58_bad_input_is_400_with_its_field(self, api, body, field):
        response = api("post", "register/", body)

        assert response.status_code == 400
        assert field in dict(errors_of(response))
        assert not get_user_model().objects.exists()

    def test_i58_a_password_is_taken_as_it_is(self, api):
        password = "  " + "ψ" * 124 + "  "
        assert api("post", "register/", {"email": "ann@example.com", "password": password}).status_code == 201

        assert api("post", "login/", {"email": "ann@example.com", "password": password}).status_code == 200
        for wrong in (password.strip(), password[:72], password[:-1]):
            assert api("post", "login/", {"email": "ann@example.com", "password": wrong}).status_code == 401

    @pytest.mark.hosts("full", "default_user")
    def test_takes_names(self, api):
        body = {"email": "ann@example.com", "password": PASSWORD, "first_name": "Ann", "last_name": "Lee"}

        user = api("post", "register/", body).json()["user"]

        assert (user["first_name"], user["last_name"]) == ("Ann", "Lee")

    @pytest.mark.postgresql
    @pytest.mark.django_db(transaction=True)
    def test_i57_parallel_registrations_make_one_person(self, api, settings):
        settings.SAAS_KIT_AUTH_RATE_LIMITS = {"register": None}
        for number in range(5):
            barrier, statuses = threading.Barrier(5), []

            def register(number=number, barrier=barrier, statuses=statuses):
                try:
                    barrier.wait(10)
                    body = {"email": f"Race{number}@example.com", "password": PASSWORD}
                    statuses.append(api("post", "register/", body).status_code)
                finally:
                    connection.close()

            threads = [threading.Thread(target=register) for _ in range(5)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

            assert sorted(statuses) == [201, 400, 400, 400, 400]
        assert get_user_model().objects.count() == 5


class TestLogin:
    def test_m5_answers_tokens_in_the_body_and_sets_no_cookie(self, api, make_person):
        person = make_person("ann@example.com")

        response = api("post", "login/", {"email": "ANN@Example.com", "password": PASSWORD})

        assert response.status_code == 200
        body = response.json()
        assert {"mfa_required", "access", "refresh", "user"} == set(body)
        assert body["mfa_required"] is False
        assert body["user"]["id"] in (person.pk, str(person.pk))
        assert not response.cookies

    def test_trap_4_sets_last_login(self, api, make_person):
        person = make_person("ann@example.com")
        assert person.last_login is None

        api("post", "login/", {"email": "ann@example.com", "password": PASSWORD})

        person.refresh_from_db()
        assert person.last_login is not None

    def test_keeps_where_from(self, api, make_person):
        make_person("ann@example.com")

        api("post", "login/", {"email": "ann@example.com", "password": PASSWORD}, **{"User-Agent": "Safari"})

        session = Session.objects.get()
        assert (session.ip_address, session.user_agent) == ("127.0.0.1", "Safari")

    def test_i59_failures_are_alike(self, api, make_person):
        make_person("ann@example.com")
        make_person("nopassword@example.com", password=None)
        services.deactivate_user(make_person("gone@example.com"), actor=None)
        attempts = [
            ("ann@example.com", "wrong password"),
            ("nobody@example.com", PASSWORD),
            ("gone@example.com", PASSWORD),
            ("nopassword@example.com", PASSWORD),
            ("ann@example.com", PASSWORD + " "),
        ]

        answers = [
            api("post", "login/", {"email": email, "password": password}) for email, password in attempts
        ]

        bodies = [{**answer.json(), "request_id": None} for answer in answers]
        assert {answer.status_code for answer in answers} == {401}
        assert bodies[0]["code"] == "invalid_credentials"
        assert all(body == bodies[0] for body in bodies)
        assert {answer.headers["WWW-Authenticate"] for answer in answers} == {"Bearer"}
        assert not Session.objects.exists()
        assert api("post", "login/", {"email": "ann@example.com", "password": PASSWORD}).status_code == 200

    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "password"),
            ({"password": PASSWORD}, "email"),
            ({"email": "ann@example.com"}, "password"),
            ({"email": None, "password": PASSWORD}, "email"),
            ({"email": "ann@example.com", "password": None}, "password"),
            ({"email": "ann@example.com", "password": ""}, "password"),
            ({"email": "ann@example.com", "password": "x" * 5000}, "password"),
            ({"email": "ann@example.com", "password": "a\x00b"}, "password"),
            ({"email": "ann@example.com", "password": PASSWORD, "otp": "1"}, "otp"),
        ],
    )
    def test_bad_input_is_400_with_its_field(self, api, make_person, body, field):
        make_person("ann@example.com")

        response = api("post", "login/", body)

        assert response.status_code == 400
        assert field in dict(errors_of(response))

    def test_is_not_hindered_by_a_token_that_is_over(self, api, make_person):
        """A client that still sends the old header can sign in anew."""
        make_person("ann@example.com")

        body = {"email": "ann@example.com", "password": PASSWORD}

        assert api("post", "login/", body, token="over").status_code == 200

    @pytest.mark.hosts("default_user")
    def test_takes_a_username_where_there_is_one(self, api, make_person):
        make_person("ann@example.com", username="ann")

        assert api("post", "login/", {"username": "ann", "password": PASSWORD}).status_code == 200
        assert api("post", "login/", {"username": "bob", "password": PASSWORD}).status_code == 401
        assert errors_of(api("post", "login/", {"password": PASSWORD})) == [("email", "required")]

    @pytest.mark.hosts("full", "custom_organization")
    def test_knows_no_username_where_there_is_none(self, api, make_person):
        make_person("ann@example.com")
        body = {"email": "ann@example.com", "password": PASSWORD, "username": "ann"}

        assert errors_of(api("post", "login/", body)) == [("username", "unknown")]


class TestRefresh:
    def test_m1_gives_a_new_pair_once(self, api, make_signed_in):
        signed_in = make_signed_in()

        response = api("post", "refresh/", {"refresh": signed_in.refresh})

        assert response.status_code == 200
        assert {"access", "refresh"} == set(response.json())
        assert api("get", "me/", token=response.json()["access"]).status_code == 200
        again = api("post", "refresh/", {"refresh": signed_in.refresh})
        assert (again.status_code, again.json()["code"]) == (401, "invalid_token")
        assert again.headers["WWW-Authenticate"] == "Bearer"

    def test_i72_reuse_ends_every_token_of_the_session(self, api, make_signed_in):
        signed_in = make_signed_in()
        newest = api("post", "refresh/", {"refresh": signed_in.refresh}).json()

        with time_machine.travel(timezone.now() + timedelta(seconds=11), tick=False):
            assert api("post", "refresh/", {"refresh": signed_in.refresh}).status_code == 401

            assert api("post", "refresh/", {"refresh": newest["refresh"]}).status_code == 401
            for token in (newest["access"], signed_in.access):
                response = api("get", "me/", token=token)
                assert (response.status_code, response.json()["code"]) == (401, "session_ended")

    @pytest.mark.django_db(transaction=True)
    def test_i72_ends_it_for_good_under_atomic_requests(self, api, make_signed_in, monkeypatch):
        """The error's answer must not roll the end of the session back."""
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)  # noqa: FBT003
        signed_in = make_signed_in()
        assert api("post", "refresh/", {"refresh": signed_in.refresh}).status_code == 200

        with time_machine.travel(timezone.now() + timedelta(seconds=11), tick=False):
            assert api("post", "refresh/", {"refresh": signed_in.refresh}).status_code == 401

        assert Session.objects.get().revoked_at is not None

    def test_m3_i75_of_somebody_deleted_is_401(self, api, make_signed_in):
        signed_in = make_signed_in()
        signed_in.user.delete()

        assert api("post", "refresh/", {"refresh": signed_in.refresh}).status_code == 401
        assert api("get", "me/", token=signed_in.access).status_code == 401

    @pytest.mark.parametrize("body", JUNK)
    def test_m3_i120_junk_is_400(self, api, body):
        assert api("post", "refresh/", body).status_code == 400

    @pytest.mark.parametrize("value", [None, True, [], {}, "", "x" * 5000])
    def test_m3_a_value_that_is_no_token_is_400(self, api, value):
        response = api("post", "refresh/", {"refresh": value})

        assert response.status_code == 400
        assert "refresh" in dict(errors_of(response))

    @pytest.mark.parametrize("value", [1, "x", "a.b.c", "é.é.é"])
    def test_text_that_is_not_our_token_is_401(self, api, value):
        assert api("post", "refresh/", {"refresh": value}).status_code == 401

    @pytest.mark.postgresql
    @pytest.mark.django_db(transaction=True)
    def test_m1_i71_ten_parallel_refreshes_are_one_200(self, api, make_signed_in):
        for _ in range(5):
            signed_in = make_signed_in()
            barrier, answers = threading.Barrier(10), []

            def refresh(token=signed_in.refresh, barrier=barrier, answers=answers):
                try:
                    barrier.wait(10)
                    answers.append(api("post", "refresh/", {"refresh": token}))
                finally:
                    connection.close()

            threads = [threading.Thread(target=refresh) for _ in range(10)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()

            assert sorted(answer.status_code for answer in answers) == [200] + [401] * 9
            winner = next(answer.json() for answer in answers if answer.status_code == 200)
            assert api("get", "me/", token=winner["access"]).status_code == 200
            assert api("post", "refresh/", {"refresh": winner["refresh"]}).status_code == 200


class TestLogout:
    def test_m4_i73_ends_every_token_of_the_session_at_once(self, api, make_signed_in):
        signed_in = make_signed_in()
        other_device = make_signed_in(signed_in.user)
        assert api("get", "me/", token=signed_in.access).status_code == 200

        response = api("post", "logout/", token=signed_in.access)

        assert (response.status_code, response.content) == (204, b"")
        assert api("get", "me/", token=signed_in.access).json()["code"] == "session_ended"
        assert api("post", "refresh/", {"refresh": signed_in.refresh}).json()["code"] == "session_ended"
        assert api("get", "me/", token=other_device.access).status_code == 200

    def test_i73_twice_is_204(self, api, make_signed_in):
        signed_in = make_signed_in()

        assert api("post", "logout/", token=signed_in.access).status_code == 204
        assert api("post", "logout/", token=signed_in.access).status_code == 204

    def test_i73_takes_the_refresh_token_of_the_session(self, api, make_signed_in):
        signed_in = make_signed_in()

        assert (
            api("post", "logout/", {"refresh": signed_in.refresh}, token=signed_in.access).status_code == 204
        )
        assert not Session.objects.live().exists()

    def test_i73_another_persons_refresh_token_is_400_and_ends_nothing(self, api, make_signed_in):
        signed_in, other = make_signed_in(), make_signed_in()

        response = api("post", "logout/", {"refresh": other.refresh}, token=signed_in.access)

        assert response.status_code == 400
        assert errors_of(response) == [("refresh", "invalid_token")]
        assert Session.objects.live().count() == 2
        assert api("post", "refresh/", {"refresh": other.refresh}).status_code == 200

    @pytest.mark.parametrize("body", [junk for junk in JUNK if junk])
    def test_m3_i73_junk_is_400_and_ends_nothing(self, api, make_signed_in, body):
        signed_in = make_signed_in()

        assert api("post", "logout/", body, token=signed_in.access).status_code == 400
        assert api("get", "me/", token=signed_in.access).status_code == 200

    @pytest.mark.parametrize("value", [None, 1, [], "", "x", "a.b.c"])
    def test_m3_a_bad_refresh_token_is_400_and_ends_nothing(self, api, make_signed_in, value):
        signed_in = make_signed_in()

        response = api("post", "logout/", {"refresh": value}, token=signed_in.access)

        assert response.status_code == 400
        assert [field for field, _ in errors_of(response)] == ["refresh"]
        assert api("get", "me/", token=signed_in.access).status_code == 200

    @pytest.mark.parametrize("path", ["logout/", "logout/all/"])
    def test_i25_anonymous_is_401(self, api, make_signed_in, path):
        signed_in = make_signed_in()

        response = api("post", path, {"refresh": signed_in.refresh})

        assert (response.status_code, response.json()["code"]) == (401, "not_authenticated")
        assert Session.objects.live().exists()

    def test_i74_everywhere(self, api, make_signed_in):
        phone = make_signed_in()
        laptop, other = make_signed_in(phone.user), make_signed_in()

        assert api("post", "logout/all/", token=phone.access).status_code == 204

        for ended in (phone, laptop):
            assert api("get", "me/", token=ended.access).status_code == 401
            assert api("post", "refresh/", {"refresh": ended.refresh}).status_code == 401
        assert api("get", "me/", token=other.access).status_code == 200

    def test_a_session_that_is_over_cannot_end_the_others(self, api, make_signed_in):
        stolen = make_signed_in()
        present = make_signed_in(stolen.user)
        services.revoke_session(stolen.session, actor=stolen.user)

        assert api("post", "logout/all/", token=stolen.access).status_code == 401
        assert api("get", "me/", token=present.access).status_code == 200


class TestMe:
    def test_is_the_caller(self, api, make_signed_in):
        signed_in = make_signed_in()
        EmailAddress.objects.filter(user=signed_in.user).update(verified=True)

        response = api("get", "me/", token=signed_in.access)

        body = response.json()
        assert response.status_code == 200
        assert str(body["id"]) == str(signed_in.user.pk)
        assert body["email"] == getattr(signed_in.user, email_field())
        assert body["email_verified"] is True
        assert {"is_active", "mfa_enabled"} <= set(body)
        assert not {"password", "is_staff", "is_superuser", "username"} & set(body)
        assert response.headers["Cache-Control"] == "private, no-store"

    def test_i74_of_somebody_deactivated_is_401(self, api, make_signed_in):
        signed_in, other = make_signed_in(), make_signed_in()

        services.deactivate_user(signed_in.user, actor=None)

        assert api("get", "me/", token=signed_in.access).json()["code"] == "session_ended"
        assert api("get", "me/", token=other.access).status_code == 200

    def test_i74_of_somebody_whose_flag_was_cleared_is_401(self, api, make_signed_in):
        signed_in = make_signed_in()

        get_user_model().objects.filter(pk=signed_in.user.pk).update(is_active=False)

        assert api("get", "me/", token=signed_in.access).status_code == 401

    def test_m2_i74_of_somebody_with_another_password_is_401(self, api, make_signed_in):
        """The refresh token too; who kept their password stays signed in, and who changed it can sign in."""
        signed_in, unchanged = make_signed_in(), make_signed_in()

        signed_in.user.set_password("another good one")
        signed_in.user.save()

        assert api("get", "me/", token=signed_in.access).json()["code"] == "session_ended"
        response = api("post", "refresh/", {"refresh": signed_in.refresh})
        assert (response.status_code, response.json()["code"]) == (401, "session_ended")
        assert api("get", "me/", token=unchanged.access).status_code == 200
        assert api("post", "refresh/", {"refresh": unchanged.refresh}).status_code == 200
        email = getattr(signed_in.user, email_field())
        response = api("post", "login/", {"email": email, "password": "another good one"})
        assert api("get", "me/", token=response.json()["access"]).status_code == 200

    def test_i69_of_an_expired_session_is_401(self, api, make_signed_in):
        signed_in = make_signed_in()

        Session.objects.update(expires_at=timezone.now())

        assert api("get", "me/", token=signed_in.access).status_code == 401

    @pytest.mark.hosts("full", "default_user")
    def test_patch_changes_names(self, api, make_signed_in):
        token = make_signed_in().access

        body = api("patch", "me/", {"first_name": "Ann"}, token=token).json()
        assert (body["first_name"], body["last_name"]) == ("Ann", "")
        body = api("patch", "me/", {"last_name": "Lee"}, token=token).json()
        assert (body["first_name"], body["last_name"]) == ("Ann", "Lee")

    @pytest.mark.hosts("full", "default_user")
    def test_put_replaces_names(self, api, make_signed_in):
        token = make_signed_in().access
        api("patch", "me/", {"first_name": "Ann", "last_name": "Lee"}, token=token)

        body = api("put", "me/", {"last_name": "Day"}, token=token).json()

        assert (body["first_name"], body["last_name"]) == ("", "Day")

    def test_what_was_read_can_be_sent_back(self, api, make_signed_in):
        token = make_signed_in().access
        body = api("get", "me/", token=token).json()

        assert api("put", "me/", body, token=token).json() == body

    def test_i9_t8_nothing_else_can_be_changed(self, api, make_signed_in):
        signed_in = make_signed_in()

        for body in ({"is_active": False}, {"id": "x"}, {"email_verified": True}, {"mfa_enabled": True}):
            assert api("patch", "me/", body, token=signed_in.access).status_code == 200
        for name in ("is_staff", "is_superuser", "password", "groups", "last_login"):
            response = api("patch", "me/", {name: True}, token=signed_in.access)
            assert errors_of(response) == [(name, "unknown")]

        after = get_user_model().objects.get(pk=signed_in.user.pk)
        assert (after.is_active, after.is_staff, after.is_superuser) == (True, False, False)
        assert after.password == signed_in.user.password
        assert not EmailAddress.objects.filter(verified=True).exists()

    def test_the_address_is_immutable_here(self, api, make_signed_in, make_person):
        """Whether somebody else has it is not said."""
        signed_in = make_signed_in()
        make_person("taken@example.com")

        for email in ("new@example.com", "taken@example.com"):
            response = api("patch", "me/", {"email": email}, token=signed_in.access)
            assert errors_of(response) == [("email", "immutable")]
        same = getattr(signed_in.user, email_field()).upper()
        assert api("patch", "me/", {"email": same}, token=signed_in.access).status_code == 200

    def test_i121_a_stale_if_match_is_412(self, api, make_signed_in):
        token = make_signed_in().access
        etag = api("get", "me/", token=token).headers["ETag"]

        assert api("patch", "me/", {}, token=token, **{"If-Match": '"stale"'}).status_code == 412
        assert api("patch", "me/", {}, token=token, **{"If-Match": etag}).status_code == 200

    def test_one_statement_knows_the_caller(self, api, make_signed_in, django_assert_num_queries):
        """The session, the person and what is known of them."""
        token = make_signed_in().access

        request = Request(RequestFactory().get("/", headers={"Authorization": f"Bearer {token}"}))
        with django_assert_num_queries(1):
            user, session = SessionTokenAuthentication().authenticate(request)
            assert (session.is_live, session.user, has_verified_email(user)) == (True, user, False)


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("get", "login/", "POST"),
        ("get", "register/", "POST"),
        ("get", "refresh/", "POST"),
        ("get", "logout/", "POST"),
        ("put", "logout/all/", "POST"),
        ("post", "me/", "GET, PUT, PATCH, DELETE, HEAD"),
        ("options", "login/", "POST"),
        ("trace", "me/", "GET, PUT, PATCH, DELETE, HEAD"),
    ],
)
def test_i36_a_method_that_is_not_there_is_405_for_anybody(api, method, path, allow):
    response = api(method, path)

    assert response.status_code == 405
    assert response.headers["Allow"] == allow


@pytest.mark.parametrize("path", ["login/", "register/", "refresh/", "logout/"])
@pytest.mark.parametrize(
    "content_type", ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"]
)
def test_other_media_types_are_415(api, make_signed_in, path, content_type):
    response = api.client.post(
        f"/api/v1/auth/{path}",
        data=b"email=a",
        content_type=content_type,
        headers={"Authorization": f"Bearer {make_signed_in().access}"},
    )

    assert response.status_code == 415
