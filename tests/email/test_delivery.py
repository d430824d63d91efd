"""What becomes of messages when servers refuse them, are slow or away, and when whoever delivers them ends."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import django
import pytest
import time_machine
from billiard.exceptions import SoftTimeLimitExceeded
from django.core.mail.backends.base import BaseEmailBackend
from django.db import connection
from django.db.models.functions import Now
from django.template import TemplateSyntaxError
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from saas_kit.auth.messages import ResetPassword
from saas_kit.email.messages import Message
from saas_kit.email.models import OutboxMessage, State, Suppression, SuppressionReason
from saas_kit.email.services import cancel_messages, deliver_due
from saas_kit.email.signals import message_given_up, message_sent
from tests.email.messages import Key, Notice
from tests.email.smtp_sink import SmtpSink

pytestmark = pytest.mark.django_db

ADA = "ada@example.com"
_during: list[Callable[[], None]] = []


@dataclass(frozen=True, kw_only=True)
class Eventful(Message):
    """One while which is rendered something else happens."""

    kind: ClassVar = "tests.eventful"
    subject: ClassVar = "Something happens"
    is_limited: ClassVar = False

    def render_text(self, **extra: Any) -> str:
        for each in _during:
            each()
        return "It happened.\n"

    def render_html(self, **extra: Any) -> str:
        return ""


@pytest.fixture
def during() -> Iterator[list[Callable[[], None]]]:
    """What happens while a message is being delivered."""
    yield _during
    _during.clear()


@pytest.fixture
def sink(use_backend: Callable[..., None]) -> Iterator[SmtpSink]:
    """A server, and a mailer that gives mail to it."""
    with SmtpSink() as running:
        use_smtp(use_backend, running)
        yield running


def use_smtp(use_backend: Callable[..., None], sink: SmtpSink, **options: Any) -> None:
    if django.VERSION < (6, 1):
        options = {
            {"username": "host_user", "password": "host_password"}.get(k, k): v for k, v in options.items()
        }
    settings = {"host": "127.0.0.1", "port": sink.port, "timeout": 5, **options}
    use_backend("django.core.mail.backends.smtp.EmailBackend", settings)


def make_due(*rows: OutboxMessage) -> None:
    """Let what was postponed be due now."""
    OutboxMessage.objects.filter(pk__in=[each.pk for each in rows]).update(due_at=Now())


def let_end(*rows: OutboxMessage) -> None:
    """Let the leases of messages be over."""
    OutboxMessage.objects.filter(pk__in=[each.pk for each in rows]).update(
        due_at=Now() - timedelta(seconds=1)
    )


def states(*rows: OutboxMessage) -> list[str]:
    for row in rows:
        row.refresh_from_db()
    return [row.state for row in rows]


class TestRefusal:
    @pytest.mark.parametrize("at", ["sender", "recipient", "data"])
    def test_what_is_refused_for_now_is_tried_again(self, sink, make_message, deliver, at):
        """I80, I81: later, and with the same Message-ID."""
        refuse(sink, at, "451 4.3.0 Not now")
        row = deliver(make_message(to=ADA))

        assert (row.state, row.attempts, row.lease) == (State.QUEUED, 1, None)
        assert "451" in row.last_error
        assert 20 < (row.due_at - timezone.now()).total_seconds() < 40
        assert deliver(row).attempts == 1, "it is not due"

        refuse(sink, at, "")
        make_due(row)
        row = deliver(row)

        assert (row.state, row.attempts, row.last_error) == (State.SENT, 2, "")
        assert sink.message_ids == [row.message_id]

    @pytest.mark.parametrize("at", ["recipient", "data"])
    def test_what_is_refused_for_good_is_given_up(self, sink, make_message, deliver, catch_signal, at):
        """I80: at once, and its signal is sent once."""
        refuse(sink, at, "550 5.1.1 Nobody of this name")
        with catch_signal(message_given_up) as given_up:
            row = deliver(make_message(to=ADA))
            make_due(row)
            assert deliver_due() == 0

        assert (row.state, row.attempts) == (State.DEAD, 1)
        assert "550" in row.last_error
        assert [each["message"].pk for each in given_up] == [row.pk]
        assert sink.attempts == 1

    def test_other_messages_are_delivered(self, sink, make_message):
        """What a server says of one message is not of the others of its round."""
        sink.recipient_answers[ADA] = "550 5.1.1 Nobody of this name"
        refused, taken = make_message(to=ADA), make_message(to="grace@example.com")

        assert deliver_due() == 2
        assert states(refused, taken) == [State.DEAD, State.SENT]

    def test_sender_that_is_refused_for_good_may_be_mended(self, sink, make_message, deliver):
        """F11: the sender is of the settings, not of the message."""
        sink.sender_answer = "550 5.7.1 Not from you"
        assert deliver(make_message()).state == State.QUEUED

    def test_pauses_get_longer_and_differ(self, sink, make_message):
        """F11: they double, and what failed together is not tried together."""
        sink.sender_answer = "451 4.3.0 Not now"
        rows = [make_message(to=f"person{number}@example.com") for number in range(10)]
        OutboxMessage.objects.update(attempts=4)

        deliver_due()

        for row in rows:
            row.refresh_from_db()
        pauses = [(row.due_at - timezone.now()).total_seconds() for row in rows]
        assert all(350 < pause < 610 for pause in pauses)  # eight minutes, and a quarter more or less
        assert max(pauses) - min(pauses) > 5

    def test_longest_pause(self, sink, make_message, deliver):
        sink.sender_answer = "451 4.3.0 Not now"
        row = make_message()
        OutboxMessage.objects.update(attempts=16)

        assert deliver(row).due_at - timezone.now() < timedelta(hours=7.5)

    @pytest.mark.parametrize("attempts", [60, 30_000])
    def test_after_any_number_of_attempts(self, sink, make_message, deliver, settings, attempts):
        settings.SAAS_KIT_EMAIL_MAX_ATTEMPTS = 32_767
        sink.sender_answer = "451 4.3.0 Not now"
        row = make_message()
        OutboxMessage.objects.update(attempts=attempts)

        row = deliver(row)

        assert (row.state, row.attempts) == (State.QUEUED, attempts + 1)
        assert timedelta(hours=4) < row.due_at - timezone.now() < timedelta(hours=7.5)


def refuse(sink: SmtpSink, at: str, answer: str) -> None:
    sink.sender_answer = answer if at == "sender" else ""
    sink.recipient_answers = {ADA: answer} if at == "recipient" else {}
    sink.data_answers = {ADA: answer} if at == "data" else {}


class TestOutage:
    def test_everything_arrives_afterwards(self, sink, make_message):
        """I80: a round ends at once where nobody answers, and what it had taken is free again."""
        rows = [make_message(to=f"person{number}@example.com") for number in range(15)]
        sink.stop()

        assert deliver_due() == 1
        assert set(states(*rows)) == {State.QUEUED}
        assert OutboxMessage.objects.due().count() == 14
        assert not OutboxMessage.objects.exclude(lease=None).exists()

        sink.start()
        make_due(*rows)
        assert deliver_due() == 15
        assert set(states(*rows)) == {State.SENT}
        assert sorted(sink.message_ids) == sorted(row.message_id for row in rows)

    def test_credentials_that_are_refused_may_be_mended(self, sink, make_message, use_backend):
        """F11: they are of the settings; the round ends, as no other message would be taken."""
        use_smtp(use_backend, sink, username="host", password="canary")
        rows = [make_message(), make_message()]

        assert deliver_due() == 1
        assert states(*rows) == [State.QUEUED, State.QUEUED]
        assert [row.attempts for row in rows] == [1, 0]
        assert "535" in rows[0].last_error
        assert "canary" not in rows[0].last_error

    def test_settings_that_are_wrong_may_be_mended(self, sink, make_message, deliver, use_backend):
        """A message is not refused for them, although Django complains as it does of wrong headers."""
        use_smtp(use_backend, sink, use_tls=True, use_ssl=True)

        row = deliver(make_message())

        assert row.state == State.QUEUED
        assert row.last_error.startswith(("ValueError", "InvalidMailer", "ImproperlyConfigured"))

    def test_server_that_is_too_slow(self, sink, make_message, use_backend):
        use_smtp(use_backend, sink, timeout=0.2)
        sink.seconds = 1
        rows = [make_message(), make_message()]

        assert deliver_due() == 1
        assert states(*rows) == [State.QUEUED, State.QUEUED]

    def test_server_that_is_gone_before_it_answers(self, sink, make_message, deliver):
        """I81: nobody can know whether it took the message, which it gets again with the same Message-ID."""
        sink.dropped_after_data = 1
        row, other = make_message(), make_message(to="grace@example.com")

        assert deliver_due() == 2
        assert states(row, other) == [State.QUEUED, State.SENT]

        make_due(row)
        assert deliver(row).state == State.SENT
        assert sink.message_ids == [row.message_id, other.message_id, row.message_id]


class TestGivingUp:
    def test_after_so_many_attempts(self, sink, make_message, deliver, catch_signal, settings):
        """I80: what never succeeds ends."""
        settings.SAAS_KIT_EMAIL_MAX_ATTEMPTS = 3
        sink.sender_answer = "451 4.3.0 Not now"
        row = make_message()

        with catch_signal(message_given_up) as given_up:
            for expected in (State.QUEUED, State.QUEUED, State.DEAD):
                make_due(row)
                assert deliver(row).state == expected

        assert row.attempts == 3
        assert len(given_up) == 1

    def test_message_that_ends_whoever_delivers_it(self, sink, make_message, during, catch_signal, settings):
        """I80: each attempt is counted before it is made; those that were taken along with it are delivered."""
        settings.SAAS_KIT_EMAIL_MAX_ATTEMPTS = 3
        during.append(end_process)
        row, other = make_message(Eventful()), make_message(to="grace@example.com")

        with catch_signal(message_given_up) as given_up:
            for attempts in (1, 2, 3):
                with pytest.raises(SystemExit):
                    deliver_due()
                assert states(row) == [State.SENDING]
                assert row.attempts == attempts
                let_end(row, other)
            assert deliver_due() == 2

        assert states(row, other) == [State.DEAD, State.SENT]
        assert len(given_up) == 1

    def test_time_that_is_over_for_a_worker(self, make_message, during):
        """I81: Celery's soft time limit is no failure of the message, which nobody knows to be sent or not."""
        during.append(run_out_of_time)
        row, other = make_message(Eventful()), make_message()

        with pytest.raises(SoftTimeLimitExceeded):
            deliver_due()

        assert states(row, other) == [State.SENDING, State.SENDING]
        assert (row.attempts, row.last_error, other.attempts) == (1, "", 0)
        assert deliver_due() == 0

    def test_time_that_is_over_while_the_server_answers(self, make_message, use_backend):
        """The same where it has perhaps taken it."""
        use_backend("tests.email.test_delivery.Slow")
        row, other = make_message(), make_message()

        with pytest.raises(SoftTimeLimitExceeded):
            deliver_due()

        assert states(row, other) == [State.SENDING, State.SENDING]
        assert deliver_due() == 0


class Slow(BaseEmailBackend):
    """One that is waiting for its server when the worker's time is over."""

    def send_messages(self, email_messages: Any) -> int:
        run_out_of_time()
        return 0


def run_out_of_time() -> None:
    raise SoftTimeLimitExceeded


def end_process() -> None:
    raise SystemExit


class TestLease:
    def test_what_a_crash_left_is_delivered_when_its_lease_is_over(
        self, sink, make_message, during, settings
    ):
        """I80: not before, and by whoever comes then."""
        settings.SAAS_KIT_EMAIL_LEASE = timedelta(seconds=0.5)
        row = crash(make_message, during)

        assert deliver_due() == 0
        time.sleep(0.6)
        assert deliver_due() == 1
        assert states(row) == [State.SENT]

    @pytest.mark.parametrize("hours", [-1, 1])
    def test_clock_of_the_process_is_of_no_account(self, sink, make_message, during, hours):
        """F16: a lease ends by the clock of the database, which all processes share."""
        row = crash(make_message, during)

        with time_machine.travel(timezone.now() + timedelta(hours=hours), tick=False):
            assert deliver_due() == 0
            let_end(row)
            assert deliver_due() == 1

    def test_one_that_was_taken_meanwhile_is_not_marked(self, sink, make_message, deliver, during, caplog):
        """Whoever lost its lease says nothing about the row, which is another's, and logs it."""
        row, thief = make_message(Eventful()), uuid4()
        during.append(lambda: take(row, thief))

        row = deliver(row)

        assert (row.state, row.lease) == (State.SENDING, thief)
        assert f"{row.message_id} took longer than its lease" in caplog.text

    def test_one_that_failed_meanwhile_is_not_postponed(self, sink, make_message, deliver, during):
        sink.sender_answer = "451 4.3.0 Not now"
        row, thief = make_message(Eventful()), uuid4()
        during.append(lambda: take(row, thief))

        row = deliver(row)

        assert (row.state, row.lease, row.last_error) == (State.SENDING, thief, "")

    def test_one_that_was_taken_before_its_turn_is_left_out(self, sink, make_message, during):
        """Of several that were taken together, each is asked for again before it is sent."""
        make_message(Eventful())
        other = make_message()
        during.append(lambda: take(other, uuid4()))

        assert deliver_due() == 1
        assert other.message_id not in sink.message_ids

    def test_it_is_renewed_at_each_turn(self, sink, make_message, during, settings):
        """However long the others took that were taken along with it, each has the whole lease for itself."""
        settings.SAAS_KIT_EMAIL_LEASE = timedelta(minutes=5)
        first, second = make_message(Eventful()), make_message(Eventful())
        due: list[int] = []
        during.append(lambda: due.append(OutboxMessage.objects.due().count()))
        during.append(lambda: make_due(second) if len(due) == 1 else None)  # the first took nearly as long

        assert deliver_due() == 2
        assert due == [0, 0]
        assert states(first, second) == [State.SENT, State.SENT]

    def test_what_providers_said_meanwhile_stays(self, sink, make_message, deliver, during):
        row = make_message(Eventful())
        during.append(lambda: OutboxMessage.objects.filter(pk=row.pk).update(state=State.DELIVERED) and None)

        row = deliver(row)

        assert row.state == State.DELIVERED
        assert row.sent_at is not None


def crash(make_message: Callable[..., OutboxMessage], during: list[Callable[[], None]]) -> OutboxMessage:
    """Leave a message behind as a process does that ends while it delivers it."""
    row = make_message(Eventful())
    during.append(end_process)
    with pytest.raises(SystemExit):
        deliver_due()
    during.clear()
    assert states(row) == [State.SENDING]
    return row


def take(row: OutboxMessage, lease: Any) -> None:
    OutboxMessage.objects.filter(pk=row.pk).update(lease=lease)


class TestCancelling:
    def test_messages_of_an_organization(self, sink, make_message, make_organization):
        """I100: of a deleted organization nothing is sent any more; of others it is."""
        gone, other = make_organization(), make_organization()
        row = make_message(Key(token="canary"), organization=gone)
        kept = make_message(organization=other)

        assert cancel_messages(gone) == 1
        deliver_due()

        assert states(row, kept) == [State.CANCELLED, State.SENT]
        assert row.secrets == ""
        assert sink.message_ids.count(row.message_id) == 0

    def test_before_its_turn(self, sink, make_message, during, make_organization):
        """I100: one that was taken, and was not yet being sent."""
        organization = make_organization()
        OutboxMessage.objects.all().delete()
        first, row = make_message(Eventful()), make_message(organization=organization)
        during.append(lambda: cancel_messages(organization) and None)

        deliver_due()

        assert states(first, row) == [State.SENT, State.CANCELLED]
        assert sink.message_ids == [first.message_id]

    def test_too_late(self, sink, make_message, deliver, during, make_organization):
        """It says that it was sent, as it was."""
        organization = make_organization()
        row = make_message(Eventful(), organization=organization)
        during.append(lambda: cancel_messages(organization) and None)

        assert deliver(row).state == State.SENT
        assert row.message_id in sink.message_ids


class TestWhatCannotBeRendered:
    def test_broken_template(self, sink, make_message, during, caplog):
        """It can be mended, and the message is tried again; the others do not wait."""
        row, other = make_message(Eventful()), make_message()
        during.append(break_template)

        assert deliver_due() == 2
        assert states(row, other) == [State.QUEUED, State.SENT]
        assert row.last_error == "TemplateSyntaxError"

        during.clear()
        make_due(row)
        deliver_due()
        assert states(row) == [State.SENT]

    def test_value_that_no_template_can_show(self, sink, make_message, deliver, during):
        """A ValueError of a template is not one of a header."""
        during.append(lambda: int("no number") and None)
        assert deliver(make_message(Eventful())).state == State.QUEUED

    def test_kind_that_is_gone(self, sink, make_message):
        """As after the roll-back of a release: it waits for the release to come back."""
        row, other = make_message(), make_message()
        OutboxMessage.objects.filter(pk=row.pk).update(kind="tests.gone")

        assert deliver_due() == 2
        assert states(row, other) == [State.QUEUED, State.SENT]

    def test_class_that_cannot_be_imported(self, sink, make_message, settings):
        settings.SAAS_KIT_EMAIL_MESSAGES = {"tests.notice": "nowhere.Notice"}
        row, other = make_message(), make_message(Eventful())

        assert deliver_due() == 2
        assert states(row, other) == [State.QUEUED, State.SENT]

    def test_key_that_was_rotated(self, sink, make_message, deliver, settings):
        """What was encrypted with a key that is gone is tried again; with the key among the fallbacks it is sent."""
        row = make_message(Key(token="canary"))
        old, settings.SECRET_KEY = settings.SECRET_KEY, "another key, which is long enough for it"

        assert deliver(row).state == State.QUEUED
        assert "SECRET_KEY_FALLBACKS" in row.last_error

        settings.SECRET_KEY_FALLBACKS = [old]
        make_due(row)
        assert deliver(row).state == State.SENT
        assert sink.taken[0].message.get_content() == "canary\n"


def break_template() -> None:
    raise TemplateSyntaxError("no such tag")


class TestHeaders:
    @pytest.mark.parametrize(
        "name", ["Ada\r\nBcc: eve@example.com", "Ada\n\nHi", "Ada\rX: y", "Ada\u2028X: y"]
    )
    def test_subject_is_one_line(self, sink, make_message, deliver, name):
        """I81: what people call themselves makes no header."""
        row = deliver(make_message(Notice(name=name)))

        assert row.state == State.SENT
        [taken] = sink.taken
        assert taken.recipients == (ADA,)
        assert taken.message["Bcc"] is None
        assert taken.message["X"] is None
        assert taken.message["Subject"] == f"A notice for {' '.join(name.split())}"

    def test_recipient_with_a_line_break_is_given_up(self, sink, make_message, deliver):
        """I81: no other attempt could make a header of it."""
        row = make_message()
        OutboxMessage.objects.update(recipient="ada@example.com\nBcc: eve@example.com")

        assert deliver(row).state == State.DEAD
        assert not sink.taken


class TestSecrets:
    def test_canary_is_nowhere(self, sink, make_message, deliver, caplog):
        """I81: in no column, no line of the log and no repr; of a message that was sent nothing of it is left."""
        caplog.set_level("DEBUG")
        sink.sender_answer = "451 4.3.0 Not now"
        message = Key(token="canary-3f9a")
        row = make_message(message)

        for _ in range(2):
            row = deliver(row)
            values = OutboxMessage.objects.filter(pk=row.pk).values().get()
            assert "canary-3f9a" not in f"{values} {row!r} {row} {message!r}"
            sink.sender_answer = ""
            make_due(row)

        assert row.state == State.SENT
        assert row.secrets == ""
        lines = [
            each.getMessage() for each in caplog.records if each.name != "mail.log"
        ]  # which is the server's
        assert "canary-3f9a" not in "".join(lines)
        assert sink.taken[0].message.get_content() == "canary-3f9a\n"

    @pytest.mark.hosts("full")
    def test_template_that_fails_shows_no_values(
        self, make_message, deliver, templates, caplog, admin_client
    ):
        """I81: Django's error of a variable that is not there has all that are."""
        templates("saas_kit_auth/email/reset_password.txt", "{{ link|default:nothing_here }}")

        row = deliver(make_message(ResetPassword(token="canary-3f9a", link="https://app/#token=canary-3f9a")))

        assert (row.state, row.last_error) == (State.QUEUED, "VariableDoesNotExist")
        assert "VariableDoesNotExist" in caplog.text
        assert "canary-3f9a" not in caplog.text
        session = admin_client.session
        session["saas_kit_tenancy_admin_organization"] = "*"
        session.save()
        page = admin_client.get(reverse("admin:saas_kit_email_outboxmessage_changelist")).content.decode()
        assert "VariableDoesNotExist" in page
        assert "canary-3f9a" not in page

    @pytest.mark.parametrize("secret", ["canary-3f9a", {"link": "https://app/#canary-3f9a", "at": [1, ""]}])
    def test_answer_that_repeats_a_secret(self, sink, make_message, deliver, caplog, secret):
        """I81: as that of a filter that shows what it dislikes."""
        text = "https://app/#canary-3f9a" if isinstance(secret, dict) else secret
        sink.data_answers = {ADA: f"451 4.7.1 Suspicious: {text} is not liked"}

        row = deliver(make_message(Key(token=secret)))

        assert row.state == State.QUEUED
        assert row.last_error.startswith("SMTPDataError: (451, b'4.7.1 Suspicious: ")
        assert row.last_error.endswith(" is not liked')")
        lines = [each.getMessage() for each in caplog.records if each.name != "mail.log"]
        assert "canary-3f9a" not in f"{row.last_error} {lines}"

    def test_secret_is_not_cut_before_it_is_hidden(self, sink, make_message, deliver):
        """I81: of a long answer, which is shortened, nothing is left of one at its end."""
        sink.data_answers = {ADA: f"451 {'x' * 450} canary-{'3f9a' * 10}"}

        row = deliver(make_message(Key(token=f"canary-{'3f9a' * 10}")))

        assert "canary" not in row.last_error


@pytest.fixture
def templates(settings: Any, tmp_path: Path) -> Callable[[str, str], None]:
    """Let a template of the host's take the place of another."""
    found = copy.deepcopy(settings.TEMPLATES)
    found[0]["DIRS"] = [str(tmp_path), *found[0].get("DIRS", [])]
    settings.TEMPLATES = found

    def write(name: str, text: str) -> None:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    return write


class TestSuppressed:
    def test_more_than_are_taken_at_once(self, sink, make_message):
        """Those to suppressed addresses end no round; the ones behind them are sent in it."""
        rows = [make_message(to=f"gone{number}@example.com") for number in range(12)]
        for row in rows:
            Suppression.objects.create(email=row.recipient, reason=SuppressionReason.BOUNCED)
        last = make_message()

        assert deliver_due() == 1
        assert set(states(*rows)) == {State.SUPPRESSED}
        assert states(last) == [State.SENT]


class TestCost:
    def queries(self, act: Callable[[], object]) -> list[str]:
        with CaptureQueriesContext(connection) as captured:
            act()
        statements = [each["sql"] for each in captured.captured_queries]
        return [
            each for each in statements if not each.startswith(("SAVEPOINT", "RELEASE", "BEGIN", "COMMIT"))
        ]

    def test_one_message_takes_four_queries(self, sink, make_message):
        row = make_message()
        assert len(self.queries(lambda: deliver_due(only=[row.pk]))) == 4
        make_message(to="grace@example.com")
        assert len(self.queries(lambda: deliver_due(1))) == 4

    def test_each_of_many_takes_fewer(self, sink, make_message):
        for number in range(40):
            make_message(to=f"person{number}@example.com")

        found = self.queries(lambda: deliver_due(40))

        assert len(sink.taken) == 40
        assert len(found) == 4 * 2 + 40 * 2  # to take ten, and for each

    def test_one_connection_for_many(self, sink, make_message):
        for number in range(25):
            make_message(to=f"person{number}@example.com")

        deliver_due()

        assert sink.connections == 1

    def test_each_message_is_announced_once(self, sink, make_message, catch_signal):
        rows = [make_message(to=f"person{number}@example.com") for number in range(12)]

        with catch_signal(message_sent) as sent:
            deliver_due()
            deliver_due()

        assert [each["message"].pk for each in sent] == [row.pk for row in rows]
