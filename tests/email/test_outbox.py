"""Messages that are written with what they tell of, and delivered after it."""

from __future__ import annotations

import contextlib
import socket
import time
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
from saas_kit.email.services import deliver_due, delivery, forget_recipient, requeue, send
from tests.email.messages import Key, Notice
from tests.email.smtp_sink import SmtpSink

pytestmark = pytest.mark.django_db

SMTP = "django.core.mail.backends.smtp.EmailBackend"


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

    def test_each_block_of_a_test_has_its_own(self, on_commit):
        """What a test wrote before a block, whose callbacks nobody runs, is not delivered by it."""
        send(Notice(), to="before@example.com")
        with on_commit():
            send(Notice(), to="first@example.com")
        send(Notice(), to="between@example.com")
        with on_commit():
            send(Notice(), to="second@example.com")
            send(Notice(), to="third@example.com")

        assert [each.to for each in mail.outbox] == [
            ["first@example.com"],
            ["second@example.com"],
            ["third@example.com"],
        ]

    def test_callbacks_that_a_test_runs_itself(self, django_capture_on_commit_callbacks):
        """Each delivers its own message."""
        with django_capture_on_commit_callbacks() as callbacks:
            send(Notice(), to="first@example.com")
            send(Notice(), to="second@example.com")
        assert not mail.outbox

        callbacks[1]()

        assert [each.to for each in mail.outbox] == [["second@example.com"]]

    @pytest.mark.parametrize("address", ["", "  "])
    def test_nobody_is_sent_nothing(self, on_commit, address):
        """As a user of Django's may have no address; somebody who has one gets it."""
        with on_commit():
            assert send(Notice(), to=address) is None
            assert send(Notice(), to="ada@example.com") is not None

        assert [each.to for each in mail.outbox] == [["ada@example.com"]]
        assert OutboxMessage.objects.count() == 1


class TestForgetting:
    @pytest.mark.parametrize(("address", "left"), [("", 1), ("ada@example.com", 0)])
    def test_only_messages_to_an_address(self, make_message, address, left):
        make_message()
        forget_recipient(address)
        assert OutboxMessage.objects.count() == left

    def test_nobody_is_not_forgotten(self, make_message):
        """Rows without an address, as another version of the kit may have left them, are of many people."""
        row = make_message()
        OutboxMessage.objects.update(recipient="")

        forget_recipient("")

        assert OutboxMessage.objects.filter(pk=row.pk).exists()


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

    def test_messages_of_a_commit_share_a_connection(self, use_backend):
        """What else is due is left to those who look for it."""
        with SmtpSink() as sink:
            use_backend(SMTP, {"host": "127.0.0.1", "port": sink.port, "timeout": 5})
            older = OutboxMessage.objects.create(kind=Notice.kind, recipient="old@example.com", language="en")
            with transaction.atomic():
                keys = [send(Notice(), to=f"person{number}@example.com") for number in range(25)]

            assert sink.connections == 1
            assert len(sink.taken) == 25
        sent = OutboxMessage.objects.filter(state=State.SENT).values_list("pk", flat=True)
        assert set(sent) == set(keys)
        older.refresh_from_db()
        assert older.attempts == 0

    def test_silent_server_holds_a_commit_up_once(self, use_backend, silent_server):
        """And those that come soon after it not at all; what was not tried is due, for whoever looks for it."""
        use_backend(SMTP, {"host": "127.0.0.1", "port": silent_server, "timeout": 0.5})

        def write() -> None:
            with transaction.atomic():
                for number in range(20):
                    send(Notice(), to=f"person{number}@example.com")

        assert 0.4 < seconds(write) < 2
        assert sorted(OutboxMessage.objects.values_list("attempts", flat=True)) == [0] * 19 + [1]
        assert OutboxMessage.objects.due().count() == 19
        assert seconds(write) < 0.4
        assert OutboxMessage.objects.filter(attempts__gt=0).count() == 1

    def test_after_the_pause_it_is_tried_again(self, use_backend, silent_server, monkeypatch):
        use_backend(SMTP, {"host": "127.0.0.1", "port": silent_server, "timeout": 0.1})
        send(Notice(), to="first@example.com")
        use_backend("django.core.mail.backends.locmem.EmailBackend")

        send(Notice(), to="second@example.com")
        assert not mail.outbox

        monkeypatch.setattr(delivery, "_unreachable_at", delivery._unreachable_at - delivery.PAUSE)
        send(Notice(), to="third@example.com")
        assert [each.to for each in mail.outbox] == [["third@example.com"]]

    def test_one_who_looks_for_what_is_due_does_not_pause(self, use_backend, silent_server):
        """And where that reaches the server, messages are delivered at once again."""
        use_backend(SMTP, {"host": "127.0.0.1", "port": silent_server, "timeout": 0.1})
        send(Notice(), to="first@example.com")
        use_backend("django.core.mail.backends.locmem.EmailBackend")
        send(Notice(), to="second@example.com")

        assert deliver_due() == 1
        send(Notice(), to="third@example.com")

        assert [each.to for each in mail.outbox] == [["second@example.com"], ["third@example.com"]]


@pytest.fixture
def silent_server() -> Iterator[int]:
    """A port where somebody listens and never answers."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        yield listening.getsockname()[1]


def seconds(function: Callable[[], object]) -> float:
    start = time.monotonic()
    function()
    return time.monotonic() - start


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
        statement = taking[taking.index('SELECT "') :]  # without the scope in front of it
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN {statement}")
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
