"""Tokens in cookies, as a browser keeps them and sends them back."""

from __future__ import annotations

import threading
from datetime import timedelta
from http.cookies import SimpleCookie

import jwt
import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator

from saas_kit.auth import services
from saas_kit.auth.identity import email_field
from saas_kit.auth.models import Session
from tests.auth.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]

PREFIX = "/api/v1/auth/"
ORIGIN = "https://testserver"
ACCESS, REFRESH = "__Secure-saas_kit_access", "__Secure-saas_kit_refresh"
TRANSPORT = {"X-Token-Transport": "cookie"}


@pytest.fixture(autouse=True)
def _cookies_are_on(settings):
    settings.SAAS_KIT_AUTH_COOKIES = True


class Browser:
    """Keeps cookies, and sends each to the paths that it is for; its front end sends the CSRF token of its cookie."""

    def __init__(self, origin=ORIGIN):
        self.jar = {}
        self.origin = origin

    def __call__(self, method, path, body=None, *, csrf=None, **headers):
        path = path if path.startswith("/") else PREFIX + path
        if csrf is None:
            csrf = self.jar["csrftoken"].value if "csrftoken" in self.jar else ""
        headers = {"X-CSRFToken": csrf, "Origin": self.origin, **headers}
        client = Client(enforce_csrf_checks=True)
        for name, cookie in self.jar.items():
            if path.startswith(cookie["path"] or "/"):
                client.cookies[name] = cookie.value
        data = {"data": body or {}, "content_type": "application/json"} if method != "get" else {}
        response = getattr(client, method)(path, secure=True, headers=headers, **data)
        for name, cookie in response.cookies.items():
            if cookie["max-age"] == 0:
                self.jar.pop(name, None)
            else:
                self.jar[name] = cookie
        return response

    def sign_in(self, user):
        body = {"email": getattr(user, email_field()), "password": PASSWORD}
        response = self("post", "login/", body, **TRANSPORT)
        assert response.status_code == 200, response.content
        return response

    @property
    def tokens(self):
        return {name for name in self.jar if name != "csrftoken"}


@pytest.fixture
def person(make_person):
    return make_person()


@pytest.fixture
def browser(person):
    """The browser of somebody who is signed in."""
    browser = Browser()
    browser.sign_in(person)
    return browser


def is_csrf_failure(response):
    return (response.status_code, response.json()["code"]) == (403, "csrf_failed")


class TestSignIn:
    def test_i77_no_script_can_read_the_tokens(self, person):
        """I77: HttpOnly, Secure, SameSite, each on its path, as long as its token is good; none is in the body."""
        response = Browser().sign_in(person)

        assert (response.json()["access"], response.json()["refresh"]) == (None, None)
        access, refresh = response.cookies[ACCESS], response.cookies[REFRESH]
        for cookie in (access, refresh):
            assert cookie["httponly"] is True
            assert cookie["secure"] is True
            assert cookie["samesite"] == "Lax"
            assert cookie["domain"] == ""
            assert cookie.value not in response.content.decode()
        assert (access["path"], refresh["path"]) == ("/api/v1/", "/api/v1/auth/")
        assert 295 <= access["max-age"] <= 300
        assert timedelta(days=14) - timedelta(seconds=refresh["max-age"]) < timedelta(seconds=5)
        assert not response.cookies["csrftoken"]["httponly"]

    def test_i77_m5_who_does_not_ask_gets_none(self, person):
        """I77: the transport is the client's choice; other clients see no cookie at all."""
        response = Browser()(
            "post", "login/", {"email": getattr(person, email_field()), "password": PASSWORD}
        )

        assert response.json()["access"]
        assert not response.cookies

    @pytest.mark.hosts("full", "default_user")
    def test_i77_registering_signs_in_as_well(self):
        browser = Browser()

        response = browser("post", "register/", {"email": "a@example.com", "password": PASSWORD}, **TRANSPORT)

        assert (response.status_code, response.json()["access"]) == (201, None)
        assert browser("get", "me/").status_code == 200

    @pytest.mark.hosts("full")
    def test_i77_so_does_a_second_factor(self, make_protected):
        """I77: the first factor sets nothing, the second sets the cookies."""
        protected, browser = make_protected(), Browser()

        answer = browser.sign_in(protected.user).json()
        assert not browser.tokens
        body = {"mfa_token": answer["mfa_token"], "code": protected.app.code()}
        response = browser("post", "mfa/verify/", body, **TRANSPORT)

        assert (response.status_code, response.json()["refresh"]) == (200, None)
        assert browser.tokens == {ACCESS, REFRESH}

    def test_the_csrf_token_is_another_after_a_sign_in(self, person):
        """Whoever knew it before does not know it after."""
        browser = Browser()
        browser.sign_in(person)
        before = browser.jar["csrftoken"].value

        browser.sign_in(person)

        assert browser.jar["csrftoken"].value != before

    @pytest.mark.parametrize(
        ("overrides", "names", "attributes"),
        [
            (
                {"COOKIE_SECURE": False, "COOKIE_SAMESITE": "Strict"},
                ("saas_kit_access", "saas_kit_refresh"),
                {"secure": "", "samesite": "Strict", "domain": ""},
            ),
            (
                {"COOKIE_DOMAIN": "example.com", "COOKIE_PATH": "/", "COOKIE_SAMESITE": "None"},
                (ACCESS, REFRESH),
                {"secure": True, "samesite": "None", "domain": "example.com"},
            ),
            (
                {"COOKIE_PATH": "/"},
                ("__Host-saas_kit_access", REFRESH),
                {"secure": True, "samesite": "Lax", "domain": ""},
            ),
        ],
    )
    def test_i77_attributes_follow_the_settings_and_names_the_attributes(
        self, settings, person, overrides, names, attributes
    ):
        for name, value in overrides.items():
            setattr(settings, f"SAAS_KIT_AUTH_{name}", value)
        browser = Browser()

        response = browser.sign_in(person)

        for name in names:
            cookie = response.cookies[name]
            assert {key: cookie[key] for key in attributes} == attributes
            assert cookie["httponly"] is True
        assert response.cookies[names[0]]["path"] == overrides.get("COOKIE_PATH", "/api/v1/")
        assert response.cookies[names[1]]["path"] == PREFIX
        assert browser("get", "me/").status_code == 200
        assert browser("post", "logout/").status_code == 204
        assert not browser.tokens


class TestRequests:
    def test_i77_the_cookie_signs_requests(self, browser):
        assert browser("get", "me/").status_code == 200
        del browser.jar[ACCESS]
        assert browser("get", "me/").json()["code"] == "not_authenticated"

    @pytest.mark.hosts("full", "default_user")
    def test_i77_what_changes_something_needs_the_csrf_token(self, browser):
        """I77: missing, wrong, from another site: 403; the right one passes, and reading needs none."""
        body = {"first_name": "Ann"}
        evil = Browser(origin="https://evil.example")
        evil.jar = browser.jar

        for call, csrf in ((browser, ""), (browser, "x" * 32), (browser, "x" * 64), (evil, None)):
            response = call("patch", "me/", body, csrf=csrf)
            assert is_csrf_failure(response)
            assert response.headers["Content-Type"] == "application/problem+json"
        assert browser("get", "me/", csrf="").json()["first_name"] == ""

        assert browser("patch", "me/", body).json()["first_name"] == "Ann"

    def test_i77_without_the_cookie_of_the_check_it_fails_as_well(self, browser):
        token = browser.jar.pop("csrftoken").value

        assert is_csrf_failure(browser("post", "logout/all/", csrf=token))
        assert browser("get", "me/").status_code == 200

    def test_a_bad_body_is_told_to_nobody_who_fails_the_check(self, browser):
        """403 comes before 400."""
        assert is_csrf_failure(browser("patch", "me/", {"unknown": 1}, csrf=""))
        assert browser("patch", "me/", {"unknown": 1}).status_code == 400

    def test_a_header_goes_before_the_cookie_and_needs_no_csrf_token(self, browser, make_signed_in):
        other = make_signed_in()

        response = browser("post", "logout/", csrf="", Authorization=f"Bearer {other.access}")

        assert response.status_code == 204
        assert Session.objects.live().count() == 1
        for header in ("Bearer", "Bearer over", f"Bearer {other.refresh}", "Basic eDp5"):
            assert browser("get", "me/", Authorization=header).status_code == 401

    def test_i70_the_cookies_are_not_interchangeable(self, browser):
        access, refresh = browser.jar[ACCESS].value, browser.jar[REFRESH].value
        browser.jar[ACCESS].set(ACCESS, refresh, refresh)
        browser.jar[REFRESH].set(REFRESH, access, access)

        assert browser("get", "me/").json()["code"] == "invalid_token"
        assert browser("post", "refresh/").json()["code"] == "invalid_token"
        assert Session.objects.live().exists()

    @pytest.mark.parametrize("value", ["", "x", "a.b.c", "é", "x" * 5000, '"', "\x01"])
    def test_m15_junk_in_a_cookie_is_401(self, browser, value):
        for name in (ACCESS, REFRESH):
            browser.jar[name] = next(iter(SimpleCookie({name: value}).values()))

        assert browser("get", "me/").status_code == 401
        assert browser("post", "refresh/").status_code == 401

    def test_a_session_that_has_ended_is_401(self, browser, person):
        services.revoke_sessions(person, actor=None)

        assert browser("get", "me/").json()["code"] == "session_ended"

    def test_off_cookies_are_ignored_altogether(self, settings, browser, person):
        settings.SAAS_KIT_AUTH_COOKIES = False

        assert browser("get", "me/").json()["code"] == "not_authenticated"
        assert browser("post", "logout/").status_code == 401
        assert browser("post", "refresh/", **TRANSPORT).status_code == 400
        response = browser.sign_in(person)
        assert response.json()["access"]
        assert not response.cookies


class TestRefresh:
    def test_i77_a_browser_gets_the_next_pair_in_cookies_only(self, browser):
        """I77: a script that calls refresh/ by itself, without asking for cookies, reads no token either."""
        before = {name: browser.jar[name].value for name in (ACCESS, REFRESH)}

        response = browser("post", "refresh/")

        assert response.json() == {"access": None, "refresh": None}
        assert all(browser.jar[name].value != value for name, value in before.items())
        assert browser("get", "me/").status_code == 200
        assert browser("post", "refresh/").status_code == 200

    def test_i77_needs_the_csrf_token_and_leaves_the_cookie_unused_without_it(self, browser):
        assert is_csrf_failure(browser("post", "refresh/", csrf=""))
        assert browser.tokens == {ACCESS, REFRESH}

        assert browser("post", "refresh/").status_code == 200

    def test_a_token_of_the_body_can_move_into_cookies(self, make_signed_in):
        """For a front end that kept tokens where scripts read them."""
        browser = Browser()

        body = {"refresh": make_signed_in().refresh}

        assert browser("post", "refresh/", body, **TRANSPORT).json()["access"] is None
        assert browser("get", "me/").status_code == 200

    def test_the_body_goes_before_the_cookie(self, browser, make_signed_in):
        other = make_signed_in()

        response = browser("post", "refresh/", {"refresh": other.refresh}, csrf="")

        assert response.json()["access"]
        assert not response.cookies

    def test_of_nobody_is_401(self):
        assert Browser()("post", "refresh/").json()["code"] == "not_authenticated"
        assert Browser()("post", "refresh/", {"refresh": None}).status_code == 400

    def test_i77_one_that_is_refused_deletes_the_cookies(self, browser, person):
        services.revoke_sessions(person, actor=None)

        assert browser("post", "refresh/").json()["code"] == "session_ended"
        assert not browser.tokens

    def test_t12_reuse_ends_the_session_and_deletes_the_cookies(self, browser):
        """T12: the cookie of a thief is of no use, and what they used it on is over."""
        thief = Browser()
        thief.jar = dict(browser.jar)
        assert browser("post", "refresh/").status_code == 200

        with time_machine.travel(timezone.now() + timedelta(seconds=11), tick=False):
            assert thief("post", "refresh/").status_code == 401
            assert not thief.tokens
            assert browser("get", "me/").json()["code"] == "session_ended"

    def test_t12_two_tabs_that_refresh_at_once_stay_signed_in(self, browser):
        """The answer to the slower tab must not delete what the faster one got."""
        slower = Browser()
        slower.jar = dict(browser.jar)
        assert browser("post", "refresh/").status_code == 200

        response = slower("post", "refresh/")

        assert (response.status_code, response.json()["code"]) == (401, "invalid_token")
        assert not response.cookies
        assert browser("post", "refresh/").status_code == 200

    @pytest.mark.postgresql
    @pytest.mark.django_db(transaction=True)
    def test_m1_i71_of_ten_tabs_one_wins_and_none_is_signed_out(self, person):
        browser = Browser()
        browser.sign_in(person)
        barrier, answers = threading.Barrier(10), []

        def refresh():
            tab = Browser()
            tab.jar = dict(browser.jar)
            try:
                barrier.wait(10)
                answers.append(tab("post", "refresh/"))
            finally:
                connection.close()

        threads = [threading.Thread(target=refresh) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(answer.status_code for answer in answers) == [200] + [401] * 9
        assert sum(bool(answer.cookies) for answer in answers) == 1


class TestSignOut:
    @pytest.mark.parametrize("path", ["logout/", "logout/all/"])
    def test_i77_deletes_the_cookies(self, browser, path):
        """I77: and needs the CSRF token, or any site could sign people out."""
        assert is_csrf_failure(browser("post", path, csrf=""))
        assert Session.objects.live().exists()

        response = browser("post", path)

        assert (response.status_code, response.content) == (204, b"")
        assert not browser.tokens
        assert not Session.objects.live().exists()
        for name, path in ((ACCESS, "/api/v1/"), (REFRESH, PREFIX)):
            assert response.cookies[name]["path"] == path
            assert response.cookies[name]["secure"] is True

    def test_i77_the_refresh_cookie_is_enough(self, browser):
        """The access cookie is gone after minutes, and the person still wants to sign out."""
        del browser.jar[ACCESS]
        assert is_csrf_failure(browser("post", "logout/", csrf=""))
        assert browser("post", "logout/all/").status_code == 401
        assert Session.objects.live().exists()

        assert browser("post", "logout/").status_code == 204

        assert not browser.tokens
        assert not Session.objects.live().exists()

    def test_i73_twice_is_204(self, browser):
        second = Browser()
        second.jar = dict(browser.jar)

        assert browser("post", "logout/").status_code == 204
        assert second("post", "logout/").status_code == 204

    def test_a_bad_header_is_not_made_good_by_a_cookie(self, browser):
        assert browser("post", "logout/", Authorization="Bearer over").status_code == 401
        assert Session.objects.live().exists()

    def test_ending_the_present_session_deletes_them_too(self, browser, make_signed_in, person):
        other = make_signed_in(person).session
        present = jwt.decode(browser.jar[ACCESS].value, options={"verify_signature": False})["sid"]

        assert browser("delete", f"sessions/{other.pk}/").status_code == 204
        assert browser.tokens == {ACCESS, REFRESH}
        assert browser("delete", f"sessions/{present}/").status_code == 204
        assert not browser.tokens

    def test_a_client_without_cookies_is_sent_none(self, make_signed_in):
        signed_in = make_signed_in()

        response = Browser()("post", "logout/", Authorization=f"Bearer {signed_in.access}")

        assert response.status_code == 204
        assert not response.cookies


class TestSchema:
    def document(self):
        return SchemaGenerator().get_schema(request=None, public=True)

    def test_describes_the_cookies_where_they_are_on(self):
        document = self.document()

        schemes = document["components"]["securitySchemes"]
        assert (schemes["sessionCookie"]["in"], schemes["sessionCookie"]["name"]) == ("cookie", ACCESS)
        assert schemes["refreshCookie"]["name"] == REFRESH
        me = document["paths"][f"{PREFIX}me/"]["get"]
        assert me["security"] == [{"sessionToken": []}, {"sessionCookie": []}]
        assert {"refreshCookie": []} in document["paths"][f"{PREFIX}logout/"]["post"]["security"]

    def test_and_not_where_they_are_off(self, settings):
        settings.SAAS_KIT_AUTH_COOKIES = False

        document = self.document()

        assert set(document["components"]["securitySchemes"]) == {"sessionToken"}
        assert document["paths"][f"{PREFIX}me/"]["get"]["security"] == [{"sessionToken": []}]
