"""Addresses that no mail goes to."""

from __future__ import annotations

import pytest
from django.core import mail

from saas_kit.email.models import OutboxMessage, State, Suppression, SuppressionReason
from saas_kit.email.providers import Fact, ProviderEvent
from saas_kit.email.services import (
    deliver_due,
    forget_recipient,
    lift_suppression,
    record_event,
    suppress,
    topics,
)
from tests.email.messages import Digest, Key, Notice

pytestmark = pytest.mark.django_db

# each is another way to write the one before
SPELLINGS = [("Ada@Example.com", "ada@example.com"), ("ada@bücher.example", "ada@xn--bcher-kva.example")]


class TestSuppress:
    @pytest.mark.parametrize(("suppressed", "written"), [*SPELLINGS, *(each[::-1] for each in SPELLINGS)])
    def test_nothing_goes_there_however_it_is_written(self, make_message, deliver, suppressed, written):
        suppress(suppressed, reason=SuppressionReason.STAFF)

        row = deliver(make_message(to=written))

        assert (row.state, row.attempts) == (State.SUPPRESSED, 0)
        assert not mail.outbox

    def test_other_addresses_get_theirs(self, make_message, deliver):
        suppress("ada@example.com", reason=SuppressionReason.STAFF)

        assert deliver(make_message(to="ada+x@example.com")).state == State.SENT

    def test_secret_of_what_is_not_sent_is_removed(self, make_message, deliver):
        """I81."""
        row = make_message(Key(token="canary"))
        assert row.secrets
        suppress("ada@example.com", reason=SuppressionReason.STAFF)

        assert deliver(row).state == State.SUPPRESSED
        assert row.secrets == ""

    def test_topic_stops_no_other_messages(self, make_message, deliver):
        suppress("ada@example.com", reason=SuppressionReason.UNSUBSCRIBED, topic="digests")

        assert deliver(make_message(Digest())).state == State.SUPPRESSED
        assert deliver(make_message(Notice())).state == State.SENT

    def test_twice_is_once(self):
        first = suppress("ada@example.com", reason=SuppressionReason.BOUNCED, detail="x" * 600)
        second = suppress("ADA@example.com", reason=SuppressionReason.STAFF)

        assert first == second
        assert second.reason == SuppressionReason.BOUNCED
        assert len(second.detail) == 500

    def test_message_that_was_waiting_is_not_sent(self, make_message):
        make_message()
        suppress("ada@example.com", reason=SuppressionReason.COMPLAINED)

        deliver_due()

        assert not mail.outbox

    def test_lifted_one_stops_nothing(self, make_message, deliver):
        suppression = suppress("ada@example.com", reason=SuppressionReason.STAFF)
        assert deliver(make_message()).state == State.SUPPRESSED

        lift_suppression(suppression)

        assert deliver(make_message()).state == State.SENT

    def test_whoever_is_erased_is_forgotten(self, make_message):
        make_message()
        suppress("ada@example.com", reason=SuppressionReason.STAFF)

        forget_recipient("ADA@example.com")

        assert not OutboxMessage.objects.exists()
        assert not Suppression.objects.exists()

    def test_topics_are_those_of_the_messages(self):
        assert "digests" in topics()
        assert "" not in topics()

    def test_class_that_is_gone_has_none(self, settings):
        """A check tells of it; looking for topics must not end that."""
        settings.SAAS_KIT_EMAIL_MESSAGES = {"tests.digest": "nowhere.Digest"}

        assert "digests" not in topics()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_provider_tells_everything_at_the_same_moment(self, make_message, deliver, race):
        """The last word is that of the furthest state, and the address is suppressed once."""
        row = deliver(make_message())

        def tell(fact):
            event = ProviderEvent(
                fact=fact,
                key=row.pk,
                message_id="",
                provider_id="",
                recipient=row.recipient,
                is_hard=True,
                detail="",
            )
            return lambda: record_event(event)

        facts = [Fact.DELIVERED, Fact.BOUNCED, Fact.OPENED, Fact.BOUNCED, Fact.DELIVERED, Fact.BOUNCED]
        outcomes = race(*map(tell, facts))

        row.refresh_from_db()
        assert outcomes == [None] * len(facts)
        assert row.state == State.BOUNCED
        assert row.opened_at is not None
        assert Suppression.objects.count() == 1
