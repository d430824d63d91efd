"""Changing and resetting passwords over HTTP."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
import time_machine
from django.db import DatabaseError
from django.utils import timezone

from saas_kit.audit.models import Event
from saas_kit.auth import services
from saas_kit.auth.exceptions import SessionEnded
from saas_kit.auth.models import OneTimeToken, Purpose, Session
from tests.auth.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]

NEW = "difference engine 1822"
RESET = "password/reset/"
CONFIRM = "password/reset/confirm/"


def token_in(mail) -> str:
    """Return the secret of the link in a message."""
    return re.search(r"#token=([\w-]+)", mail.body)[1]


class TestChange:
    def test_another_password_ends_the_other_sessions(self, api, make_signed_in, on_commit, mailoutbox):
        """I61, I74, T13: the session of the change goes on, the others are over, and a message tells of it."""
        here = make_signed_in()
        elsewhere = make_signed_in(here.user)

        with on_commit():
            answer = api(
                "post",
                "password/change/",
                {"current_password": PASSWORD, "new_password": NEW},
                token=here.access,
            )

        assert answer.status_code == 204
        assert api("get", "me/", token=here.access).status_code == 200
        assert api("get", "me/", token=elsewhere.access).status_code == 401
        assert api("post", "refresh/", {"refresh": elsewhere.refresh}).status_code == 401
        assert api("post", "refresh/", {"refresh": here.refresh}).status_code == 200
        assert api("post", "login/", {"email": here.user.email, "password": NEW}).status_code == 200
        assert [mail.to for mail in mailoutbox] == [[here.user.email]]
        assert "was changed" in mailoutbox[0].subject
        assert Event.objects.filter(action="password.changed", actor=here.user).exists()

    def test_present_password_is_needed(self, api, make_signed_in, mailoutbox):
        """M5, I61: a wrong or missing one changes nothing."""
        signed_in = make_signed_in()
        for body, code in (
            ({"current_password": "wrong", "new_password": NEW}, "wrong_password"),
            ({"new_password": NEW}, "required"),
            ({"current_password": "", "new_password": NEW}, "blank"),
        ):
            answer = api("post", "password/change/", body, token=signed_in.access)

            assert answer.status_code == 400
            assert answer.json()["errors"][0] | {"detail": ""} == {
                "field": "current_password",
                "code": code,
                "detail": "",
            }
        signed_in.user.refresh_from_db()
        assert signed_in.user.check_password(PASSWORD)
        assert mailoutbox == []

    def test_present_password_cannot_be_guessed(self, api, make_signed_in):
        """I61: after five wrong ones in a minute even the right one is refused, and is not a minute later."""
        signed_in = make_signed_in()
        body = {"current_password": "wrong", "new_password": NEW}
        with time_machine.travel(timezone.now(), tick=False) as clock:
            for _ in range(5):
                assert api("post", "password/change/", body, token=signed_in.access).status_code == 400
            body["current_password"] = PASSWORD

            answer = api("post", "password/change/", body, token=signed_in.access)

            assert answer.status_code == 429
            assert 1 <= int(answer["Retry-After"]) <= 60
            clock.shift(timedelta(seconds=61))
            assert api("post", "password/change/", body, token=signed_in.access).status_code == 204

    @pytest.mark.parametrize(
        ("password", "code"),
        [
            ("short", "min_length"),
            ("x" * 129, "max_length"),
            ("password1234"[:8], "weak_password"),
            ("nul\x00character", "invalid_characters"),
            (None, "null"),
            (["a", "b"], "invalid"),
            ({"a": 1}, "invalid"),
            ("", "blank"),
        ],
        ids=["short", "long", "common", "NUL", "null", "list", "object", "empty"],
    )
    def test_bad_new_password(self, api, make_signed_in, password, code):
        """I58: what is no password, or a bad one, is 400 with the field."""
        signed_in = make_signed_in()

        answer = api(
            "post",
            "password/change/",
            {"current_password": PASSWORD, "new_password": password},
            token=signed_in.access,
        )

        assert answer.status_code == 400
        error = answer.json()["errors"][0]
        assert (error["field"], error["code"]) == ("new_password", code)

    def test_reset_at_the_same_moment_stands(self, api, make_signed_in):
        """What was decided with a password that is another by now changes nothing."""
        signed_in = make_signed_in()
        services.require_password(signed_in.user, PASSWORD)
        owner = type(signed_in.user).objects.get(pk=signed_in.user.pk)
        owner.set_password("of the owner 1843")
        owner.save()

        with pytest.raises(SessionEnded):
            services.change_password(signed_in.user, NEW, actor=signed_in.user, keep=signed_in.session)

        owner.refresh_from_db()
        assert owner.check_password("of the owner 1843")

    def test_needs_somebody_signed_in(self, api):
        """I25."""
        assert api("post", "password/change/", {}).status_code == 401


class TestRequestReset:
    def test_link_is_sent_to_the_owner(self, api, make_person, mailoutbox, on_commit, settings):
        """I66, M6, T15: the link begins with the front end's address, whatever the request says of hosts."""
        settings.ALLOWED_HOSTS = ["*"]
        person = make_person()
        evil = "evil.example"

        with on_commit():
            answer = api(
                "post",
                RESET,
                {"email": person.email.upper()},
                Host=evil,
                Origin=f"https://{evil}",
                Referer=f"https://{evil}/",
                Forwarded=f"host={evil}",
                **{"X-Forwarded-Host": evil},
            )

        assert answer.status_code == 204
        (mail,) = mailoutbox
        assert mail.to == [person.email]
        assert "https://app.example.com/reset-password#token=" in mail.body
        assert evil not in mail.body + mail.subject + str(mail.extra_headers)

    def test_nobody_learns_who_has_an_account(self, api, make_person, mailoutbox, on_commit):
        """I62, T14: unknown, deactivated and known addresses are answered alike."""
        gone = make_person(is_active=False)
        person = make_person()

        with on_commit():
            answers = [
                api("post", RESET, {"email": email})
                for email in ("nobody@example.com", gone.email, person.email)
            ]

        assert {(each.status_code, each.content) for each in answers} == {(204, b"")}
        assert [mail.to for mail in mailoutbox] == [[person.email]]

    def test_three_messages_an_hour(self, api, make_person, mailoutbox, on_commit):
        """I62: further requests are answered alike and send nothing."""
        person = make_person()

        with on_commit():
            codes = {api("post", RESET, {"email": person.email}).status_code for _ in range(5)}

        assert codes == {204}
        assert len(mailoutbox) == 3

    @pytest.mark.parametrize(
        "email",
        [["v@example.com", "e@example.com"], {"a": "v@example.com"}, "no address", "", None, "a" * 300, 7],
        ids=["list", "object", "text", "empty", "null", "long", "number"],
    )
    def test_one_address_is_one_text(self, api, email, mailoutbox):
        """T16 (CVE-2023-7028): anything but one address is 400, and nothing is sent."""
        assert api("post", RESET, {"email": email}).status_code == 400
        assert mailoutbox == []

    def test_secret_is_not_stored(self, api, make_person, mailoutbox, on_commit):
        """The database has its hash only, and the audit log nothing of it."""
        with on_commit():
            api("post", RESET, {"email": make_person().email})

        secret = token_in(mailoutbox[0])
        stored = OneTimeToken.objects.get()
        assert secret not in repr(stored.__dict__)
        assert secret not in repr(list(Event.objects.values()))


class TestReset:
    @pytest.fixture
    def ask(self, api, mailoutbox, on_commit):
        """Ask for a link, and return its secret."""

        def ask(person) -> str:
            with on_commit():
                assert api("post", RESET, {"email": person.email}).status_code == 204
            return token_in(mailoutbox[-1])

        return ask

    def test_link_sets_another_password_once(self, api, ask, make_signed_in):
        """I63, I74, T16: the second use is 400, and all sessions are over."""
        signed_in = make_signed_in()
        token = ask(signed_in.user)

        answer = api("post", CONFIRM, {"token": token, "new_password": NEW})

        assert answer.status_code == 204
        assert api("post", CONFIRM, {"token": token, "new_password": NEW}).status_code == 400
        assert api("get", "me/", token=signed_in.access).status_code == 401
        assert api("post", "refresh/", {"refresh": signed_in.refresh}).status_code == 401
        assert api("post", "login/", {"email": signed_in.user.email, "password": NEW}).status_code == 200

    def test_older_of_two_links_is_over(self, api, ask, make_person):
        """I63, T16."""
        person = make_person()
        older, newer = ask(person), ask(person)

        assert api("post", CONFIRM, {"token": older, "new_password": NEW}).status_code == 400
        assert api("post", CONFIRM, {"token": newer, "new_password": NEW}).status_code == 204

    def test_an_hour_later_it_is_over(self, api, ask, make_person):
        """I63."""
        token = ask(make_person())

        with time_machine.travel(timezone.now() + timedelta(minutes=61)):
            assert api("post", CONFIRM, {"token": token, "new_password": NEW}).status_code == 400

    @pytest.mark.parametrize("event", ["login", "password", "email", "deactivation"])
    def test_what_ends_it(self, api, ask, make_person, event):
        """I63: a sign-in, another password, another address, and deactivation end a link."""
        person = make_person()
        token = ask(person)
        if event == "login":
            assert api("post", "login/", {"email": person.email, "password": PASSWORD}).status_code == 200
        elif event == "password":
            person.set_password("set by other means 1")
            person.save()
        elif event == "email":
            services.change_email(person, "another@example.com", actor=None)
        else:
            services.deactivate_user(person, actor=None)

        answer = api("post", CONFIRM, {"token": token, "new_password": NEW})

        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "token"

    def test_weak_password_leaves_the_link_good(self, api, ask, make_person):
        """A rule that the password breaks is told, and the person can try again."""
        token = ask(make_person())

        refused = api("post", CONFIRM, {"token": token, "new_password": "password1"})

        assert refused.json()["errors"][0]["code"] == "weak_password"
        assert api("post", CONFIRM, {"token": token, "new_password": NEW}).status_code == 204

    def test_sign_up_of_somebody_else_is_undone(self, api, ask, make_signed_in):
        """T17: what an attacker did with an unproved address of the victim's dies with the victim's reset."""
        attacker = make_signed_in()
        victim = attacker.user
        services.request_email_change(victim, "attacker@example.com", actor=victim)
        pending = OneTimeToken.objects.get(purpose=Purpose.CHANGE_EMAIL)

        token = ask(victim)
        assert api("post", CONFIRM, {"token": token, "new_password": NEW}).status_code == 204

        assert api("get", "me/", token=attacker.access).status_code == 401
        assert api("post", "login/", {"email": victim.email, "password": PASSWORD}).status_code == 401
        pending.refresh_from_db()
        assert pending.ended_at is not None
        mine = api("post", "login/", {"email": victim.email, "password": NEW}).json()
        assert mine["user"]["email_verified"] is True

    def test_tokens_of_other_kinds_are_of_no_use(self, api, make_signed_in):
        """I70, T19: what was made for something else is 400 here."""
        signed_in = make_signed_in()
        others = [
            services.issue_token(purpose, signed_in.user, lifetime=timedelta(hours=1))
            for purpose in Purpose
            if purpose != Purpose.RESET_PASSWORD
        ]
        for token in (*others, signed_in.access[:200], "", "x", None, ["x"]):
            assert api("post", CONFIRM, {"token": token, "new_password": NEW}).status_code == 400
        assert Session.objects.live().count() == 1

    def test_guessing_tokens_is_limited(self, api):
        """Sixty wrong ones an hour from one network, then 429."""
        codes = [
            api("post", CONFIRM, {"token": f"wrong{number}", "new_password": NEW}).status_code
            for number in range(61)
        ]

        assert codes == [400] * 60 + [429]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_no_two_doors_wait_for_each_other(race, make_person):
    """What holds a person and what holds a token of theirs take them in one order: no deadlock in twenty rounds."""
    for number in range(20):
        person = make_person(f"person{number}@example.com")
        services.request_email_change(person, f"new{number}@example.com", actor=person)
        proof, change, reset = (
            services.issue_token(purpose, person, lifetime=timedelta(hours=1), email=email)
            for purpose, email in (
                (Purpose.VERIFY_EMAIL, person.email),
                (Purpose.CHANGE_EMAIL, f"new{number}@example.com"),
                (Purpose.RESET_PASSWORD, person.email),
            )
        )
        outcomes = race(
            lambda token=proof: services.verify_email(token),
            lambda token=change: services.confirm_email_change(token),
            lambda token=reset: services.reset_password(token, NEW),
            lambda person=person: services.register_again(person, password=NEW),
        )
        assert not [each for each in outcomes if isinstance(each, DatabaseError)], outcomes
