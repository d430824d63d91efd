"""The command that delivers what is due, for a timer and as a process that goes on."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

import psycopg
import pytest
from django.core import mail
from django.core.mail.backends.base import BaseEmailBackend
from django.core.management import call_command
from django.db import connection

from saas_kit.auth.messages import ExistingAccount
from saas_kit.email.models import OutboxMessage, State
from saas_kit.email.services import send
from tests.email.smtp_sink import SmtpSink
from tests.plugin import ROOT
from tests.services import _ending_with_parent

SIGNALS = [signal.SIGTERM, signal.SIGINT]
PATIENCE = 90.0  # seconds, for a machine that is busy with other things


def run(*arguments: str, **options: object) -> str:
    output = io.StringIO()
    call_command("saas_kit_send_mail", *arguments, stdout=output, **options)
    return output.getvalue()


@pytest.mark.django_db
class TestOnce:
    def test_all_that_is_due_is_delivered(self, make_message):
        for number in range(25):
            make_message(to=f"person{number}@example.com")

        assert run() == "25 messages tried. 0 left in the outbox.\n"
        assert len(mail.outbox) == 25
        assert run() == "0 messages tried. 0 left in the outbox.\n"

    @pytest.mark.parametrize("limit", [1, 12])
    def test_limit(self, make_message, limit):
        for number in range(15):
            make_message(to=f"person{number}@example.com")

        noun = "message" if limit == 1 else "messages"
        assert run(f"--limit={limit}") == f"{limit} {noun} tried. {15 - limit} left in the outbox.\n"
        assert len(mail.outbox) == limit

    def test_nothing_is_said_where_nothing_is_to_be(self, make_message):
        make_message()
        assert run(verbosity=0) == ""
        assert len(mail.outbox) == 1

    def test_handlers_of_others_are_left(self, make_message):
        """As those of a worker that calls it; also where it is called in a thread, which can have none."""
        make_message()
        before = [signal.getsignal(number) for number in SIGNALS]

        run()
        thread = threading.Thread(target=lambda: call_command("saas_kit_send_mail", verbosity=0, limit=0))
        thread.start()
        thread.join()

        assert [signal.getsignal(number) for number in SIGNALS] == before

    @pytest.mark.parametrize("number", SIGNALS)
    def test_others_are_told_that_the_process_is_to_end(self, make_message, use_backend, number):
        """A worker that calls it ends after it, and not in the middle of a message."""
        states: list[str] = []
        before = signal.signal(
            number, lambda *_: states.extend(OutboxMessage.objects.values_list("state", flat=True))
        )
        use_backend("tests.email.test_send_mail.Interrupted")
        Interrupted.number = number
        try:
            make_message()
            assert run() == "1 message tried. 0 left in the outbox.\n"
        finally:
            signal.signal(number, before)

        assert states == [State.SENT]


class Interrupted(BaseEmailBackend):
    """One that is waiting for its server when its process is asked to stop."""

    number: ClassVar[int]

    def send_messages(self, email_messages: Any) -> int:
        signal.raise_signal(self.number)
        return len(email_messages)


@pytest.mark.postgresql
@pytest.mark.hosts("full")
@pytest.mark.django_db(transaction=True)
class TestProcess:
    @pytest.mark.parametrize("number", SIGNALS)
    def test_one_round_that_is_asked_to_stop(self, write, tmp_path, number):
        """I81: as cron's line is at a deployment: what it is sending is sent, and written down."""
        with SmtpSink(seconds=1) as sink:
            first = write()
            with sending(sink, tmp_path / "log", "--limit=1") as process:
                wait_until(lambda: sink.attempts > 0, process)
                process.send_signal(number)
                assert process.wait(PATIENCE) == 0

            assert is_sent(first)
            assert len(sink.taken) == 1


@pytest.mark.postgresql
@pytest.mark.hosts("full")
@pytest.mark.django_db(transaction=True)
class TestEvery:
    @pytest.mark.parametrize("number", SIGNALS)
    def test_it_goes_on_until_it_is_asked_to_stop(self, write, tmp_path, number):
        """It delivers what comes, ends soon when asked to, and in order."""
        with SmtpSink() as sink, sending(sink, tmp_path / "log") as process:
            first = write()
            wait_until(lambda: is_sent(first), process)
            second = write()
            wait_until(lambda: is_sent(second), process)

            process.send_signal(number)
            assert process.wait(PATIENCE / 3) == 0

        told = (tmp_path / "log").read_text()
        assert told in ("1 message tried.\n" * 2, "2 messages tried.\n")

    def test_database_that_is_away_for_a_moment(self, write, tmp_path):
        """It says so, and goes on when the database is back."""
        log = tmp_path / "log"
        with SmtpSink() as sink, sending(sink, log) as process:
            first = write()
            wait_until(lambda: is_sent(first), process)
            with database_away():
                wait_until(lambda: "database" in log.read_text(), process)
            second = write()
            wait_until(lambda: is_sent(second), process)

            process.terminate()
            assert process.wait(PATIENCE / 3) == 0

    def test_what_it_is_sending_is_sent(self, write, tmp_path):
        """I81: one that is asked to stop leaves nothing half done, and begins nothing more than a few."""
        with SmtpSink(seconds=0.1) as sink, sending(sink, tmp_path / "log") as process:
            for _ in range(100):
                write()
            wait_until(lambda: len(sink.taken) >= 5, process)

            process.terminate()
            assert process.wait(PATIENCE) == 0

            sent = OutboxMessage.objects.filter(state=State.SENT).count()
            assert len(set(sink.message_ids)) == len(sink.taken) == sent
            assert OutboxMessage.objects.filter(state=State.QUEUED).count() == 100 - sent > 0


@contextmanager
def sending(sink: SmtpSink, log: Path, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run the command on the database of the test; without options, as a process that goes on."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    environment = {
        **os.environ,
        "DATABASE_URL": url.geturl(),
        "DJANGO_SETTINGS_MODULE": "tests.email.outbox_host",
        "OUTBOX_SMTP_PORT": str(sink.port),
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-m", "django", "saas_kit_send_mail", *(options or ["--every=0.2"])]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*_ending_with_parent(signal.SIGKILL), *command],
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    with process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def database_away() -> Iterator[None]:
    """Let nobody connect to the database of the test, and end the connections that there are."""
    name = connection.settings_dict["NAME"]
    connection.close()

    def allow(*, is_allowed: bool) -> None:
        with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as server:
            server.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {str(is_allowed).lower()}')
            if not is_allowed:
                server.execute(
                    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [name]
                )

    allow(is_allowed=False)
    try:
        yield
    finally:
        allow(is_allowed=True)


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_sent(key: object) -> bool:
    return OutboxMessage.objects.filter(pk=key, state=State.SENT).exists()


@pytest.fixture
def write(settings) -> Callable[[], object]:
    """Write a message that nobody else delivers, as the host has a queue that nobody reads."""
    settings.SAAS_KIT_CORE_CELERY_APP = "tests.email.outbox_worker.app"
    return lambda: send(ExistingAccount(), to="ada@example.com")
