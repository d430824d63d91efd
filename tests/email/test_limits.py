"""How many messages an address and an organization get; the rest wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.core import mail
from django.db.models import F
from django.db.models.functions import Now

from saas_kit.auth.messages import PasswordChanged
from saas_kit.email.messages import message_class, message_kinds
from saas_kit.email.models import OutboxMessage, State
from saas_kit.email.services import deliver_due, requeue
from tests.email.messages import Key

pytestmark = pytest.mark.django_db

MIDDLE_OF_A_WINDOW = datetime(2026, 3, 4, 12, 30, tzinfo=UTC)


@pytest.fixture(autouse=True)
def clock():
    """Stand still in the middle of an hour; the database has a clock of its own."""
    with time_machine.travel(MIDDLE_OF_A_WINDOW, tick=False) as clock:
        yield clock


@pytest.fixture
def limits(settings):
    def limit(**rates):
        settings.SAAS_KIT_EMAIL_RATE_LIMITS = rates

    return limit


def make_due():
    OutboxMessage.objects.update(due_at=MIDDLE_OF_A_WINDOW)


class TestAddress:
    def test_what_is_over_the_limit_waits(self, limits, make_message, clock):
        """It is not lost, its attempts are not counted, and it is sent when the window is over."""
        limits(address="2/h")
        rows = [make_message() for _ in range(3)]

        assert deliver_due() == 2
        assert len(mail.outbox) == 2
        waiting = OutboxMessage.objects.annotate(pause=F("due_at") - Now()).get(state=State.QUEUED)
        assert (waiting.attempts, waiting.lease, waiting.last_error) == (0, None, "")
        assert timedelta(minutes=29) < waiting.pause <= timedelta(minutes=30)
        assert deliver_due() == 0

        make_due()
        assert deliver_due() == 0
        make_due()
        clock.shift(timedelta(minutes=30))
        assert deliver_due() == 1
        assert OutboxMessage.objects.filter(state=State.SENT).count() == len(rows)

    def test_other_addresses_are_not_held_up(self, limits, make_message, deliver):
        limits(address="1/h")
        deliver(make_message())

        assert deliver(make_message()).state == State.QUEUED
        assert deliver(make_message(to="grace@example.com")).state == State.SENT

    def test_spelling_makes_no_other_address(self, limits, make_message, deliver):
        limits(address="1/h")
        deliver(make_message(to="ada@example.com"))

        assert deliver(make_message(to="ADA@example.com")).state == State.QUEUED

    def test_message_whose_cause_is_limited_is_not_counted(self, limits, make_message, deliver):
        limits(address="1/h")

        for _ in range(3):
            assert deliver(make_message(Key(token="t"))).state == State.SENT
        assert deliver(make_message()).state == State.SENT

    def test_security_notices_do_not_wait_for_what_others_cause(self, make_message, deliver):
        """Else whoever takes an account over could let its owner be told too late, by filling their mailbox first."""
        for _ in range(20):
            assert deliver(make_message()).state == State.SENT
        assert deliver(make_message()).state == State.QUEUED

        assert deliver(make_message(PasswordChanged())).state == State.SENT

    def test_of_sign_in_only_what_can_wait_does(self):
        limited = {
            kind
            for kind in message_kinds()
            if kind.startswith("saas_kit_auth.") and message_class(kind).is_limited
        }

        assert limited == {"saas_kit_auth.welcome"}

    def test_attempts_of_one_message_count_once(self, limits, make_message, deliver, use_backend):
        limits(address="2/h")
        row = make_message()
        use_backend("django.core.mail.backends.smtp.EmailBackend", {"host": "127.0.0.1", "port": 1})
        for _ in range(3):
            deliver(row)
            make_due()
        assert row.attempts == 3

        use_backend("django.core.mail.backends.locmem.EmailBackend")

        assert deliver(row).state == State.SENT
        assert deliver(make_message()).state == State.SENT
        assert deliver(make_message()).state == State.QUEUED

    def test_what_is_sent_again_on_purpose_is_counted(self, limits, make_message, deliver):
        limits(address="1/h")
        row = deliver(make_message())

        requeue(row)

        assert deliver(row).state == State.QUEUED

    def test_lifted_limit_holds_nothing_up(self, limits, make_message):
        limits(address=None, organization=None)
        for _ in range(25):
            make_message()

        assert deliver_due() == 25

    def test_host_that_says_nothing_has_the_limit_of_the_kit(self, make_message):
        for _ in range(25):
            make_message()

        assert deliver_due() == 20


class TestOrganization:
    def test_what_is_over_the_limit_waits(self, limits, make_message, make_organization, deliver):
        limits(organization="1/h")
        first, second = make_organization(), make_organization()
        OutboxMessage.objects.all().delete()

        def about(organization, name):
            return deliver(make_message(to=f"{name}@example.com", organization=organization)).state

        assert about(first, "a") == State.SENT
        assert about(first, "b") == State.QUEUED
        assert about(second, "c") == State.SENT
        assert deliver(make_message(to="b@example.com")).state == State.SENT

    def test_what_waits_for_it_is_not_counted_for_the_address(
        self, limits, make_message, make_organization, deliver
    ):
        limits(address="1/h", organization="1/h")
        organization = make_organization()
        OutboxMessage.objects.all().delete()
        deliver(make_message(to="a@example.com", organization=organization))
        deliver(make_message(to="b@example.com", organization=organization))

        assert deliver(make_message(to="b@example.com")).state == State.SENT


def test_without_a_cache_messages_are_sent(settings, make_message, deliver, caplog):
    """People wait for them; who could cause too many is limited elsewhere, by what fails closed."""
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
        }
    }

    assert deliver(make_message()).state == State.SENT
    assert "could not be counted, and is sent" in caplog.text
