"""Staff sign in to Django's admin: with limits of guessing, and with their second factor."""

from __future__ import annotations

from datetime import timedelta
from html.parser import HTMLParser

import pytest
import time_machine
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.test import Client, RequestFactory
from django.utils import timezone

from saas_kit.audit.models import Event
from saas_kit.auth import services
from saas_kit.auth.forms import AdminSignInForm
from saas_kit.auth.identity import has_verified_email, username_field
from tests.auth.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]

HOME, ABROAD = "192.0.2.1", "198.51.100.1"
TOO_MANY = "Too many attempts. Try again in "
WRONG = "Please enter the correct "
WRONG_CODE = "Enter the present code of your authenticator app, or an unused recovery code."


@pytest.fixture(autouse=True)
def clock():
    """Stand still in the middle of a window."""
    hour = timezone.now().replace(minute=2, second=0, microsecond=0)
    with time_machine.travel(hour, tick=False) as clock:
        yield clock


@pytest.fixture
def site(monkeypatch):
    """The host's admin with the form and its template, as the documentation says."""
    monkeypatch.setattr(admin.site, "login_form", AdminSignInForm)
    monkeypatch.setattr(admin.site, "login_template", "saas_kit_auth/admin/login.html")


@pytest.fixture
def make_staff(make_person):
    """Return a function that makes somebody who may use the admin."""

    def make(**fields):
        return make_person(is_staff=True, is_superuser=True, email_verified=True, **fields)

    return make


class Browser(HTMLParser):
    """Fills in the form of the admin: each field that the page has, with what is typed."""

    def __init__(self, ip: str = HOME) -> None:
        super().__init__()
        self.client = Client(enforce_csrf_checks=True, REMOTE_ADDR=ip)

    def open(self) -> None:
        self.fields: dict[str, str] = {}
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        page = self.client.get("/admin/login/", {"next": "/admin/"})
        assert page.status_code == 200
        self.feed(page.content.decode())

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        self.tags.append((tag, found))
        if tag == "input" and "name" in found:
            self.fields[found["name"]] = found.get("value") or ""

    def sign_in(self, person, password: str = PASSWORD, code: str | None = None) -> str:
        """Return what the page says, and nothing where it lets somebody in."""
        self.open()
        typed = {"username": person.get_username(), "password": password}
        if code is not None:
            assert "code" in self.fields
            typed["code"] = code
        answer = self.client.post("/admin/login/", {**self.fields, **typed})
        is_in = self.client.get("/admin/").status_code == 200
        assert is_in == (answer.status_code == 302)
        if is_in:
            assert answer["Location"] == "/admin/"
            return ""
        assert answer.status_code == 200
        assert password not in answer.content.decode()
        return answer.content.decode()


def sign_in(person, password=PASSWORD, code=None, *, ip=HOME):
    return Browser(ip).sign_in(person, password, code)


@pytest.mark.usefixtures("site")
class TestPassword:
    def test_five_wrong_ones_in_five_minutes(self, make_staff, clock):
        """I60: then not even the right password, from there; from elsewhere it is, and there after the wait."""
        person = make_staff()
        for _ in range(5):
            assert WRONG in sign_in(person, "wrong")

        assert f"{TOO_MANY}180 seconds." in sign_in(person)
        assert sign_in(person, ip=ABROAD) == ""
        clock.shift(timedelta(minutes=5))
        assert sign_in(person) == ""

    def test_right_ones_are_not_counted(self, make_staff):
        """I60: nobody is kept out for signing in often."""
        person = make_staff()

        assert [sign_in(person) for _ in range(7)] == [""] * 7

    def test_guesses_at_the_api_count_here_too(self, make_staff):
        """I60: the two doors have one limit."""
        person = make_staff()
        name = {"email": person.email} if username_field() is None else {"username": person.get_username()}
        for _ in range(5):
            body = {**name, "password": "wrong"}
            Client(REMOTE_ADDR=HOME).post("/api/v1/auth/login/", body, content_type="application/json")

        assert TOO_MANY in sign_in(person)

    def test_is_for_staff(self, make_person, make_staff):
        """Others are told what a wrong password is told, as by Django's own form."""
        person, deactivated = make_person(email_verified=True), make_staff(is_active=False)

        assert WRONG in sign_in(person)
        assert WRONG in sign_in(deactivated)
        assert sign_in(make_staff()) == ""

    def test_staff_need_not_have_proved_an_address(self, settings, monkeypatch):
        """I55 is for the API: whoever `createsuperuser` made gets in, and others who proved nothing do not."""
        settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = "mandatory"
        monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", PASSWORD)
        name = {} if username_field() is None else {"username": "root"}
        call_command("createsuperuser", interactive=False, verbosity=0, email="root@example.com", **name)
        root = get_user_model().objects.get(email="root@example.com")

        assert not has_verified_email(root)
        assert sign_in(root) == ""
        get_user_model().objects.filter(pk=root.pk).update(is_staff=False)
        assert WRONG in sign_in(root)

    def test_too_long_a_code_tries_no_password(self, make_staff, clock):
        """I60: what the form refuses anyway is no way to guess without being counted, or to learn anything."""
        person = make_staff()

        answers = {sign_in(person, password, "0" * 33) for password in (PASSWORD, "wrong")}

        assert all("at most 32 characters" in answer and WRONG not in answer for answer in answers)

    @pytest.mark.redis
    def test_what_cannot_be_counted_is_refused(self, make_staff, settings):
        """I109: with Redis out of reach nobody is let in, and the page says so."""
        person = make_staff()
        backend = "django.core.cache.backends.redis.RedisCache"
        settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "redis://127.0.0.1:1/0"}}

        assert "The service is not available right now." in sign_in(person)


@pytest.mark.usefixtures("site")
class TestSecondFactor:
    def test_app_is_asked_for(self, make_staff, make_protected):
        """I64, I68: a password alone does not let in whoever has an app, and each code does once."""
        protected = make_protected(make_staff())
        code = protected.app.code()

        assert WRONG_CODE in sign_in(protected.user)
        assert WRONG_CODE in sign_in(protected.user, code="")
        assert WRONG_CODE in sign_in(protected.user, code=protected.app.wrong_code())
        assert sign_in(protected.user, code=f" {code[:3]} {code[3:]} ") == ""
        assert WRONG_CODE in sign_in(protected.user, code=code)

    def test_code_without_the_password_is_not_used_up(self, make_staff, make_protected):
        """I68: nobody learns whether a code is right, or takes it away, without the password."""
        protected = make_protected(make_staff())
        code = protected.app.code()

        assert WRONG in sign_in(protected.user, "wrong", code)
        assert sign_in(protected.user, code=code) == ""

    def test_recovery_code_once(self, make_staff, make_protected):
        """I68: it stands in for the app, once."""
        protected = make_protected(make_staff())
        code, other, *_ = protected.recovery_codes

        assert sign_in(protected.user, code=code) == ""
        assert WRONG_CODE in sign_in(protected.user, code=code)
        assert sign_in(protected.user, code=other) == ""
        assert services.count_recovery_codes(protected.user) == len(protected.recovery_codes) - 2

    def test_five_wrong_codes_in_five_minutes(self, make_staff, make_protected, clock):
        """I68: then not even a right one, from wherever, for this person alone; each failure is recorded."""
        protected = make_protected(make_staff())
        wrong = protected.app.wrong_code()
        for code in ("", wrong, wrong, wrong, wrong):
            assert WRONG_CODE in sign_in(protected.user, code=code)

        assert Event.objects.filter(action="mfa.failed", target_id=str(protected.user.pk)).count() == 5
        assert TOO_MANY in sign_in(protected.user, code=protected.app.code(), ip=ABROAD)
        assert sign_in(make_staff()) == ""
        clock.shift(timedelta(minutes=5))
        assert sign_in(protected.user, code=protected.app.code()) == ""

    def test_right_codes_are_not_counted(self, make_staff, make_protected, clock):
        """I68: nobody is kept out for signing in often."""
        protected = make_protected(make_staff())
        for _ in range(7):
            assert sign_in(protected.user, code=protected.app.code()) == ""
            clock.shift(timedelta(seconds=30))

    def test_nobody_else_is_asked(self, make_staff):
        """Whoever has no second factor leaves the field empty, or gets in with whatever is in it."""
        person = make_staff()

        assert sign_in(person, code="") == ""
        assert sign_in(person, code="000000") == ""

    def test_others_are_not_asked_for_a_code(self, make_person, make_protected):
        """Whoever is no staff learns nothing of their second factor, and uses no code up."""
        protected = make_protected(make_person(email_verified=True))
        code = protected.app.code()

        page = sign_in(protected.user, code=code)

        assert WRONG in page
        assert WRONG_CODE not in page
        services.check_code(protected.user, code)

    def test_passkeys_need_a_code_that_stands_in(self, make_staff):
        """I64: a passkey cannot be used on the page and is not passed by; a recovery code is taken instead."""
        from allauth.mfa.models import Authenticator as Row

        from tests.auth.authenticator import enroll

        person = make_staff()
        enroll(person)
        code, *_ = services.renew_recovery_codes(person)
        assert WRONG_CODE in sign_in(person, code="000000")
        assert sign_in(person, code=code) == ""

        Row.objects.filter(user=person, type=Row.Type.RECOVERY_CODES).delete()

        assert "Passkeys cannot be used here." in sign_in(person, code="000000")


@pytest.mark.usefixtures("site")
class TestPage:
    def test_shows_the_field(self):
        """The page has Django's fields and the code's, each with a label and what it is described by."""
        browser = Browser()
        browser.open()
        attributes = [found for _, found in browser.tags]
        code = next(found for found in attributes if found.get("name") == "code")

        assert set(browser.fields) == {"csrfmiddlewaretoken", "username", "password", "code", "next"}
        assert browser.fields["next"] == "/admin/"
        assert code["autocomplete"] == "one-time-code"
        assert code["aria-describedby"] in {found.get("id") for found in attributes}
        assert {"id_username", "id_password", "id_code"} <= {found.get("for") for found in attributes}

    def test_works_under_a_strict_policy_for_content(self):
        """Nothing in the page is a script or a style of its own."""
        browser = Browser()
        browser.open()

        assert not [tag for tag, _ in browser.tags if tag == "style"]
        assert all(found.get("src") for tag, found in browser.tags if tag == "script")
        assert not [
            name for _, found in browser.tags for name in found if name == "style" or name.startswith("on")
        ]
        assert "/static/saas_kit_auth/admin/login.css" in {found.get("href") for _, found in browser.tags}


@pytest.mark.hosts("models_only")
def test_without_second_factors(make_person):
    """A host without `allauth.mfa` has no field for a code, and signs in as it did."""
    person = make_person(is_staff=True)

    def form(password):
        data = {"username": person.email, "password": password}
        return AdminSignInForm(RequestFactory().post("/admin/login/"), data)

    assert list(form(PASSWORD).fields) == ["username", "password"]
    assert not form("wrong").is_valid()
    right = form(PASSWORD)
    assert right.is_valid()
    assert right.get_user() == person
