"""Messages that are written with what they tell of, and delivered after it."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar
from uuid import UUID

import pytest
from django.core import mail
from django.db import IntegrityError, OperationalError, connection, transaction
from django.test.utils import CaptureQueriesContext

from saas_kit.core.exceptions import Conflict
from saas_kit.email.exceptions import NothingLeftToSend
from saas_kit.email.messages import Message, secret
from saas_kit.email.models import OutboxMessage, State
from saas_kit.email.services import deliver_due, requeue, send
from tests.email.messages import Key, Notice

pytestmark = pytest.mark.django_db


@dataclass(frozen=True, kw_only=True)
class Note(Message):
    token: str = secret()
    name: str

    kind: ClassVar = "tests.note"
    subject: ClassVar = "A note for {name}"

    def render_text(self) -> str:
        return f"{self.name}: {self.token}\n"


class TestSend:
    def test_message_is_delivered_after_the_commit(self, on_commit):
        with on_commit():
            key = send(Note(token="canary", name="Ada"), to="ada@example.com")
            row = OutboxMessage.objects.get(pk=key)
            assert row.state == State.QUEUED
            assert "canary" not in f"{row.context} {row.secrets} {row!r}"
            assert not mail.outbox

        [sent] = mail.outbox
        row.refresh_from_db()
        assert sent.subject == "A note for Ada"
        assert sent.body == "Ada: canary\n"
        assert sent.message()["Message-ID"] == row.message_id
        assert (row.state, row.secrets, row.attempts) == (State.SENT, "", 1)
        assert row.sent_at is not None

    def test_rolled_back_change_sends_nothing(self, on_commit):
        """I79."""

        def change() -> None:
            with transaction.atomic():
                send(Note(token="canary", name="Ada"), to="ada@example.com")
                raise ZeroDivisionError

        with on_commit(), pytest.raises(ZeroDivisionError):
            change()

        assert not OutboxMessage.objects.exists()
        assert deliver_due() == 0
        assert not mail.outbox

    def test_one_cause_has_one_message(self, on_commit):
        with on_commit():
            first = send(Note(token="a", name="Ada"), to="ada@example.com", cause="x")
            second = send(Note(token="b", name="Ada"), to="ada@example.com", cause="x")

        assert first is not None
        assert second is None
        assert len(mail.outbox) == 1

    def test_other_causes_kinds_and_addresses_have_their_own(self, on_commit):
        with on_commit():
            send(Notice(), to="ada@example.com", cause="x")
            send(Notice(), to="ada@example.com", cause="y")
            send(Notice(), to="grace@example.com", cause="x")
            send(Note(token="a", name="Ada"), to="ada@example.com", cause="x")
            send(Notice(), to="ada@example.com")
            send(Notice(), to="ada@example.com")

        assert len(mail.outbox) == 6


class TestRequeue:
    def test_sent_message_is_sent_again(self, make_message, deliver):
        """I81: with the same Message-ID."""
        row = deliver(make_message())

        requeue(row)
        row = deliver(row)

        assert (row.state, row.attempts) == (State.SENT, 1)
        assert [each.message()["Message-ID"] for each in mail.outbox] == [row.message_id] * 2

    def test_one_that_was_given_up(self, make_message, deliver):
        """With its secret, which was never sent."""
        row = make_message(Key(token="canary"))
        OutboxMessage.objects.update(state=State.DEAD, attempts=18, last_error="550")

        requeue(row)
        row = deliver(row)

        assert (row.state, row.attempts, row.last_error) == (State.SENT, 1, "")
        assert mail.outbox[0].body == "canary\n"

    def test_secret_is_not_sent_again(self, make_message, deliver):
        """I81: of a message that was sent nothing secret is left."""
        row = deliver(make_message(Key(token="canary")))

        with pytest.raises(NothingLeftToSend):
            requeue(row)

        assert deliver(row).state == State.SENT
        assert len(mail.outbox) == 1

    @pytest.mark.parametrize("state", [State.QUEUED, State.SENDING])
    def test_one_that_is_on_its_way(self, make_message, state):
        row = make_message()
        OutboxMessage.objects.update(state=state)

        with pytest.raises(Conflict):
            requeue(row)


@pytest.mark.django_db(transaction=True)
class TestCommit:
    def test_savepoint_that_is_rolled_back(self):
        """I79: what it wrote is not sent, and what was written around it is."""
        with transaction.atomic():
            send(Notice(), to="before@example.com")
            with contextlib.suppress(ZeroDivisionError), transaction.atomic():
                send(Notice(), to="within@example.com")
                raise ZeroDivisionError
            send(Notice(), to="after@example.com")

        assert [each.to for each in mail.outbox] == [["before@example.com"], ["after@example.com"]]

    def test_first_message_is_the_one_that_is_rolled_back(self):
        """I79: the others are handed over all the same."""
        with transaction.atomic():
            with contextlib.suppress(ZeroDivisionError), transaction.atomic():
                send(Notice(), to="within@example.com")
                raise ZeroDivisionError
            send(Notice(), to="after@example.com")

        assert [each.to for each in mail.outbox] == [["after@example.com"]]

    def test_each_commit_is_handed_over(self):
        for number in range(3):
            with contextlib.suppress(ZeroDivisionError), transaction.atomic():
                send(Notice(), to=f"gone{number}@example.com")
                raise ZeroDivisionError
            with transaction.atomic():
                send(Notice(), to=f"person{number}@example.com")

        assert [each.to for each in mail.outbox] == [[f"person{number}@example.com"] for number in range(3)]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
class TestDatabaseThatFails:
    def test_connection_that_is_lost_before_the_commit(self):
        """I79: no row, no mail."""

        @transaction.atomic
        def change() -> None:
            send(Notice(), to="ada@example.com")
            end_backend(connection.connection.info.backend_pid)

        with pytest.raises(OperationalError):
            change()

        connection.close()
        assert not OutboxMessage.objects.exists()
        assert not mail.outbox

    def test_commit_that_is_refused(self, deferred):
        """I79: as it is where a deferred constraint is broken."""

        @transaction.atomic
        def change(*numbers: int) -> None:
            send(Notice(), to="ada@example.com")
            with connection.cursor() as cursor:
                cursor.executemany("INSERT INTO deferred VALUES (%s)", [[each] for each in numbers])

        with pytest.raises(IntegrityError):
            change(1, 1)
        assert not OutboxMessage.objects.exists()
        assert not mail.outbox

        change(1, 2)
        assert len(mail.outbox) == 1


@pytest.fixture
def deferred(transactional_db: None) -> Iterator[None]:
    """A table whose constraint is checked when a transaction commits."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE deferred (number int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    yield
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE deferred")


def end_backend(pid: int) -> None:
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    finally:
        other.close()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_one_cause_has_one_message(self, race):
        """I81: of ten who write it at the same moment, one does."""

        def write() -> Any:
            with transaction.atomic():
                return send(Notice(), to="ada@example.com", cause="x")

        outcomes = race(*[write] * 10)

        assert sum(each is not None for each in outcomes) == 1, outcomes
        assert OutboxMessage.objects.count() == 1
        assert len(mail.outbox) == 1

    def test_workers_share_what_is_due(self, race, make_messages):
        """I81: several at once deliver everything, and nothing twice."""
        make_messages(100)

        outcomes = race(*[deliver_due] * 5)

        assert sum(outcomes) == 100, outcomes
        sent = [each.message()["Message-ID"] for each in mail.outbox]
        assert len(sent) == len(set(sent)) == 100

    def test_nobody_waits_for_what_another_holds(self, make_messages):
        """A row that somebody has locked is left out; the others are delivered."""
        keys = make_messages(3)
        other = connection.copy()
        try:
            other.set_autocommit(False)
            with other.cursor() as cursor:
                cursor.execute(
                    "SELECT 1 FROM saas_kit_email_outboxmessage WHERE id = %s FOR UPDATE", [keys[0]]
                )
                assert deliver_due() == 2
        finally:
            other.close()
        assert deliver_due() == 1

    def test_index_is_used(self, make_messages):
        """What is due is found without a look at what was sent, however much that is."""
        make_messages(1)
        [row] = OutboxMessage.objects.all()
        OutboxMessage.objects.bulk_create(
            OutboxMessage(
                kind=row.kind, recipient=row.recipient, language="en", message_id="x", state=State.SENT
            )
            for _ in range(2000)
        )
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE saas_kit_email_outboxmessage")

        with CaptureQueriesContext(connection) as captured:
            assert deliver_due() == 1

        [taking] = [each["sql"] for each in captured.captured_queries if "SKIP LOCKED" in each["sql"]]
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {taking[taking.index('UPDATE') :]}")  # without the scope in front of it
            plan = "\n".join(line for [line] in cursor.fetchall())
        assert "using saas_kit_email_due" in plan
        assert "Seq Scan on saas_kit_email_outboxmessage" not in plan


@pytest.fixture
def make_messages(settings) -> Callable[[int], list[UUID | None]]:
    """Write messages that nobody delivers by itself, as the host has a queue that nobody reads."""

    def make(number: int) -> list[UUID | None]:
        settings.SAAS_KIT_CORE_CELERY_APP = "tests.email.outbox_worker.app"
        with transaction.atomic():
            keys = [send(Notice(), to=f"person{each}@example.com") for each in range(number)]
        settings.SAAS_KIT_CORE_CELERY_APP = ""
        return keys

    return make
