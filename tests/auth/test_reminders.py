"""People who registered and did not prove their address are reminded, once."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.db.models.signals import post_save
from django.utils import translation

from saas_kit.auth.exceptions import TokenGone
from saas_kit.auth.messages import VerifyEmailReminder
from saas_kit.auth.models import OneTimeToken
from saas_kit.auth.services import (
    ask_for_verification,
    change_email,
    erase_user,
    mark_verified,
    may_mail,
    register_again,
    request_erasure,
    verify_email,
)
from saas_kit.auth.services.reminders import remind_unverified
from saas_kit.auth.tasks import remind_people
from saas_kit.email.models import OutboxMessage
from saas_kit.email.services import read_message

pytestmark = pytest.mark.django_db

PASSWORD = "analytical engine 1843"


@pytest.fixture
def make_registered(make_user) -> Callable[..., Any]:
    """Make somebody who registered some time ago and was sent a link."""

    def make(ago: timedelta = timedelta(hours=25), **fields: Any) -> Any:
        user = make_user(password=PASSWORD, **fields)
        ask_for_verification(user)
        age_links(user, ago)
        return user

    return make


def age_links(user: Any, by: timedelta) -> None:
    for token in OneTimeToken.objects.filter(user=user):
        OneTimeToken.objects.filter(pk=token.pk).update(
            created_at=token.created_at - by, expires_at=token.expires_at - by
        )


def reminders(user: Any) -> list[OutboxMessage]:
    return list(
        OutboxMessage.objects.filter(kind=VerifyEmailReminder.kind, recipient=user.email).order_by("id")
    )


def secret_of(row: OutboxMessage) -> str:
    return read_message(row).token


def last_link(user: Any) -> str:
    return secret_of(
        OutboxMessage.objects.filter(recipient=user.email).order_by("-id").exclude(secrets="")[0]
    )


class TestWho:
    @pytest.mark.parametrize(
        ("ago", "expected"),
        [
            (timedelta(hours=23, minutes=59), 0),
            (timedelta(hours=24, minutes=1), 1),
            (timedelta(hours=71, minutes=59), 1),
            (timedelta(hours=72, minutes=1), 0),
        ],
    )
    def test_after_a_day_and_not_much_later(self, make_registered, ago, expected):
        """People who registered long before there were reminders are left alone."""
        user = make_registered(ago)

        assert remind_unverified() == expected
        assert len(reminders(user)) == expected

    def test_setting_says_when(self, make_registered, settings):
        make_registered(timedelta(hours=3))
        settings.SAAS_KIT_AUTH_VERIFY_EMAIL_REMINDER = timedelta(hours=2)

        assert remind_unverified() == 1

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("SAAS_KIT_AUTH_VERIFY_EMAIL_REMINDER", timedelta(0)),
            ("SAAS_KIT_AUTH_EMAIL_VERIFICATION", "off"),
        ],
    )
    def test_nobody_where_it_is_off(self, make_registered, settings, name, value):
        make_registered()
        setattr(settings, name, value)

        assert remind_unverified() == 0

    @pytest.mark.parametrize("mode", ["mandatory", "optional"])
    def test_where_addresses_are_proved(self, make_registered, settings, mode):
        settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = mode
        make_registered()

        assert remind_unverified() == 1

    @pytest.mark.parametrize(
        "change",
        [
            lambda user: verify_email(last_link(user)),
            mark_verified,
            lambda user: type(user)._base_manager.filter(pk=user.pk).update(is_active=False),
            lambda user: request_erasure(user, actor=user),
            lambda user: change_email(user, "another@example.com", actor=None),
            lambda user: erase_user(user, actor=None),
        ],
        ids=["proved", "proved-otherwise", "inactive", "wants-erasure", "another-address", "erased"],
    )
    def test_not_who_need_not_be_reminded(self, make_registered, change):
        user, other = make_registered(), make_registered()
        change(user)

        assert remind_unverified() == 1
        assert len(reminders(other)) == 1


class TestReminder:
    def test_it_has_another_link(self, make_registered):
        """The one before is over; the new one proves the address."""
        user = make_registered()
        before = last_link(user)

        remind_unverified()

        [row] = reminders(user)
        assert secret_of(row) != before
        with pytest.raises(TokenGone):
            verify_email(before)
        verify_email(secret_of(row))

    def test_nobody_is_reminded_twice(self, make_registered):
        """However often the task is done, and however often somebody registers with the address."""
        user = make_registered()
        assert remind_unverified() == 1
        link = last_link(user)
        age_links(user, timedelta(hours=25))

        assert remind_unverified() == 0
        assert last_link(user) == link

        register_again(user, password="another engine 1844")
        age_links(user, timedelta(hours=25))
        assert remind_unverified() == 0
        assert len(reminders(user)) == 1

    def test_it_is_within_the_limits_of_mail(self, make_registered):
        """It counts as a link that was asked for, and waits where there were too many."""
        user, other = make_registered(), make_registered()
        while may_mail("verify_email", user.email):
            pass

        assert remind_unverified() == 1
        assert not reminders(user)
        assert len(reminders(other)) == 1

    def test_it_is_in_the_language_of_the_registration(self, make_user):
        with translation.override("de"):
            user = make_user(password=PASSWORD)
            ask_for_verification(user)
        age_links(user, timedelta(hours=25))

        remind_unverified()

        assert reminders(user)[0].language == "de"

    def test_what_goes_wrong_with_one_stops_no_other(self, make_registered, caplog):
        """Here a receiver of the host's raises; the person's link is as it was."""
        first, second = make_registered(), make_registered()
        link = last_link(first)

        def refuse(*, instance: OutboxMessage, **kwargs: Any) -> None:
            if instance.recipient == first.email:
                raise ZeroDivisionError

        post_save.connect(refuse, sender=OutboxMessage)
        try:
            assert remind_unverified(batch_size=1) == 1
        finally:
            post_save.disconnect(refuse, sender=OutboxMessage)

        assert len(reminders(second)) == 1
        assert f"Person {first.pk} could not be reminded" in caplog.text
        verify_email(link)

    def test_people_are_read_in_batches(self, make_registered):
        people = [make_registered() for _ in range(5)]

        assert remind_unverified(batch_size=2) == 5
        assert all(len(reminders(each)) == 1 for each in people)

    def test_text_names_the_link(self, make_registered, settings):
        settings.SAAS_KIT_EMAIL_FRONTEND_URL = "https://app.example.com"
        user = make_registered()
        remind_unverified()

        message = read_message(reminders(user)[0])

        assert message.link in message.render_text()
        assert message.link in message.render_html()
        assert "last time that we ask" in message.render_text()


class TestCommand:
    def test_dry_run_sends_nothing(self, make_registered):
        user = make_registered()
        output = StringIO()

        call_command("saas_kit_remind_people", "--dry-run", stdout=output)

        assert output.getvalue() == "people: 1 would be reminded\n"
        assert not reminders(user)

    def test_it_says_how_many(self, make_registered):
        make_registered()
        output = StringIO()

        call_command("saas_kit_remind_people", stdout=output)

        assert output.getvalue() == "people: 1 reminded\n"

    def test_task(self, make_registered):
        user = make_registered()

        remind_people()

        assert len(reminders(user)) == 1


@pytest.mark.postgresql
@pytest.mark.hosts("full")
@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_several_at_once_remind_once(self, make_registered, race):
        people = [make_registered() for _ in range(5)]

        outcomes = race(*[remind_unverified] * 4)

        assert sum(outcomes) == 5
        assert all(len(reminders(each)) == 1 for each in people)

    def test_proof_during_the_reminder(self, make_registered, race, settings, mailoutbox):
        """Whichever is first: who proved their address with the old link is not reminded after it."""
        settings.SAAS_KIT_EMAIL_FRONTEND_URL = "https://app.example.com"
        user = make_registered()
        [link] = re.findall(r"#token=(\S+)", mailoutbox[-1].body)

        reminded, proved = race(remind_unverified, lambda: verify_email(link))

        assert (reminded == 1) == isinstance(proved, TokenGone)
        assert len(reminders(user)) == reminded
