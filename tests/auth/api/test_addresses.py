"""Changing one's address over HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from saas_kit.audit.models import Event
from saas_kit.auth import services
from saas_kit.auth.identity import has_verified_email
from tests.auth.api.test_passwords import NEW, token_in
from tests.auth.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]

CONFIRM = "email/change/confirm/"


@pytest.fixture
def ask(api, on_commit):
    """Ask to have another address."""

    def ask(signed_in, email="new@example.com", password=PASSWORD):
        with on_commit():
            return api(
                "post",
                "email/change/",
                {"email": email, "current_password": password},
                token=signed_in.access,
            )

    return ask


class TestChangeEmail:
    def test_confirmed_at_the_new_and_told_to_the_old(self, api, ask, make_signed_in, mailoutbox, on_commit):
        """I65, I74: nothing changes before the confirmation; then the other sessions end."""
        here = make_signed_in()
        elsewhere = make_signed_in(here.user)
        old = here.user.email

        assert ask(here).status_code == 204

        assert [mail.to for mail in mailoutbox] == [["new@example.com"]]
        assert "https://app.example.com/change-email#token=" in mailoutbox[0].body
        assert api("get", "me/", token=here.access).json()["email"] == old
        with on_commit():
            confirmed = api("post", CONFIRM, {"token": token_in(mailoutbox[0])}, token=here.access)
        assert confirmed.status_code == 204
        me = api("get", "me/", token=here.access).json()
        assert (me["email"], me["email_verified"]) == ("new@example.com", True)
        assert api("get", "me/", token=elsewhere.access).status_code == 401
        assert mailoutbox[-1].to == [old]
        assert "new@example.com" in mailoutbox[-1].body
        assert api("post", "login/", {"email": old, "password": PASSWORD}).status_code == 401
        assert api("post", "login/", {"email": "new@example.com", "password": PASSWORD}).status_code == 200
        assert Event.objects.filter(action="user.changed").exists()

    def test_confirming_from_elsewhere_ends_every_session(self, api, ask, make_signed_in, mailoutbox):
        """I74: a link that is opened on another device brings no session to keep."""
        here = make_signed_in()
        stranger = make_signed_in()
        ask(here)

        answer = api("post", CONFIRM, {"token": token_in(mailoutbox[0])}, token=stranger.access)

        assert answer.status_code == 204
        assert api("get", "me/", token=here.access).status_code == 401
        assert api("get", "me/", token=stranger.access).status_code == 200

    def test_password_is_needed(self, ask, make_signed_in, mailoutbox):
        """I65."""
        answer = ask(make_signed_in(), password="wrong")

        assert answer.status_code == 400
        assert answer.json()["errors"][0]["code"] == "wrong_password"
        assert mailoutbox == []

    def test_whether_somebody_has_it_is_not_said(self, ask, make_signed_in, make_person, mailoutbox):
        """T14: a taken address is answered as a free one is, and its owner is told."""
        make_person("taken@example.com")
        signed_in = make_signed_in()

        free, taken = ask(signed_in, "free@example.com"), ask(signed_in, "TAKEN@example.com")

        assert (free.status_code, free.content) == (taken.status_code, taken.content) == (204, b"")
        assert "already" in mailoutbox[1].subject
        assert "#token=" not in mailoutbox[1].body

    def test_taken_meanwhile(self, api, ask, make_signed_in, make_person, mailoutbox):
        """Nobody gets an address that somebody else has by then."""
        signed_in = make_signed_in()
        old = signed_in.user.email
        ask(signed_in)
        make_person("new@example.com")

        answer = api("post", CONFIRM, {"token": token_in(mailoutbox[0])})

        assert answer.status_code == 400
        assert answer.json()["errors"][0]["code"] == "email_taken"
        signed_in.user.refresh_from_db()
        assert signed_in.user.email == old

    @pytest.mark.parametrize("event", ["used", "newer", "password", "late", "deactivation"])
    def test_what_ends_the_link(self, api, ask, make_signed_in, mailoutbox, event):
        """I65, T17: another password ends a pending change, too."""
        signed_in = make_signed_in()
        ask(signed_in)
        token = token_in(mailoutbox[0])
        moment = timezone.now()
        if event == "used":
            assert api("post", CONFIRM, {"token": token}).status_code == 204
        elif event == "newer":
            ask(signed_in, "newer@example.com")
        elif event == "password":
            services.change_password(signed_in.user, NEW, actor=None)
        elif event == "late":
            moment += timedelta(hours=25)
        else:
            services.deactivate_user(signed_in.user, actor=None)

        with time_machine.travel(moment):
            assert api("post", CONFIRM, {"token": token}).status_code == 410

    @pytest.mark.parametrize(
        "email", ["", None, "text", ["a@example.com"], "ü@example.com", "a" * 250 + "@example.com"], ids=repr
    )
    def test_what_is_no_address(self, ask, make_signed_in, email):
        """400 with the field."""
        answer = ask(make_signed_in(), email)

        assert answer.status_code == 400
        assert answer.json()["errors"][0]["field"] == "email"

    def test_own_address(self, ask, make_signed_in):
        """The present address is no new one."""
        signed_in = make_signed_in()

        assert ask(signed_in, signed_in.user.email.upper()).status_code == 400

    def test_older_address_is_nobody_elses_proof(self, api, ask, make_signed_in, mailoutbox):
        """An address that was given up is not taken for proved when somebody comes back to it."""
        signed_in = make_signed_in()
        old = signed_in.user.email
        services.mark_verified(signed_in.user)
        ask(signed_in)
        api("post", CONFIRM, {"token": token_in(mailoutbox[0])})

        services.change_email(signed_in.user, old, actor=None)

        assert not has_verified_email(type(signed_in.user).objects.get(pk=signed_in.user.pk))
