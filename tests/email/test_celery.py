"""The example project's workers and beats, as they are started in production: on PostgreSQL, Redis and SMTP."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from celery import Celery
from django.db import connection

from saas_kit.auth.messages import ExistingAccount
from saas_kit.core import tasks
from saas_kit.email.models import OutboxMessage, State
from saas_kit.email.services import send
from tests.email.smtp_sink import SmtpSink
from tests.plugin import ROOT
from tests.services import _end, _ending_with_parent

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.redis,
    pytest.mark.hosts("full"),
    pytest.mark.django_db(transaction=True),
]

PATIENCE = 90.0  # seconds, for a machine that is busy with other things
PROJECT = ROOT / "example_project"

app = Celery("tests", set_as_current=False)


def broker_url() -> str:
    """Return another database than that of the cache, which is emptied by tests."""
    parts = urlsplit(os.environ["REDIS_URL"])
    number = int(parts.path.strip("/") or 0) + 24
    return parts._replace(path=f"/{number}").geturl()


def wait_for(is_there: Callable[[], Any], log: Path | None = None) -> None:
    deadline = time.monotonic() + PATIENCE
    while not is_there():
        assert time.monotonic() < deadline, log and log.read_text()
        time.sleep(0.1)


@pytest.fixture(scope="module")
def sink() -> Iterator[SmtpSink]:
    """The server that the workers give mail to."""
    with SmtpSink() as running:
        yield running


@pytest.fixture(scope="module")
def start(
    django_db_setup: None, sink: SmtpSink, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Path]]:
    """Start Celery of the example project, and return its log."""
    name = connection.settings_dict["NAME"]
    environment = {
        **os.environ,
        "DATABASE_URL": os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}",
        "CELERY_BROKER_URL": broker_url(),
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DEBUG": "true",
        "ENV_FILE": os.devnull,
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": "127.0.0.1",
        "EMAIL_PORT": str(sink.port),
        # the tables of the suite's host, whose settings these are
        "CELERY_SKIP_CHECKS": "1",
    }
    with Celery("tests", broker=broker_url(), set_as_current=False).connection_for_write() as broker:
        broker.default_channel.client.flushdb()
    processes: list[subprocess.Popen[bytes]] = []
    directory = tmp_path_factory.mktemp("celery")

    def run(*arguments: str) -> Path:
        log = directory / f"{len(processes)}.log"
        command = [*_ending_with_parent(signal.SIGTERM), sys.executable, "-m", "celery", "-A", "config"]
        with log.open("wb") as output:
            processes.append(
                subprocess.Popen(
                    [*command, *arguments, "--loglevel=INFO"],
                    cwd=PROJECT,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    process_group=0,
                )
            )
        return log

    yield run
    for process in processes:
        _end(process, signal.SIGTERM)


@pytest.fixture(scope="module")
def worker(start: Callable[..., Path]) -> Path:
    """A worker of two processes; its log."""
    log = start("worker", "--concurrency=2", "--without-gossip", "--without-mingle")
    wait_for(lambda: "ready." in log.read_text(), log)
    return log


@pytest.fixture
def broker(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hand over to the workers."""
    monkeypatch.setitem(sys.modules, "tests.email.test_celery", sys.modules[__name__])
    monkeypatch.setattr(tasks, "_failed_at", None)
    app.conf.broker_url = broker_url()
    settings.SAAS_KIT_CORE_CELERY_APP = "tests.email.test_celery.app"


def recipients(sink: SmtpSink) -> list[str]:
    return [address for each in sink.taken for address in each.recipients]


class TestWorker:
    def test_tasks_of_the_kit_are_found(self, worker):
        """By looking for modules of their name in the installed apps."""
        found = worker.read_text()

        for name in ("email.tasks.deliver", "email.tasks.sweep", "auth.tasks.purge", "tenancy.tasks.purge"):
            assert f". saas_kit.{name}\n" in found

    def test_message_is_delivered_after_the_commit(self, worker, broker, sink):
        send(ExistingAccount(), to="ada@example.com")

        wait_for(lambda: "ada@example.com" in recipients(sink), worker)
        wait_for(lambda: OutboxMessage.objects.get().state == State.SENT, worker)
        assert recipients(sink).count("ada@example.com") == 1

    def test_timeouts_of_the_broker_do_not_disturb_an_idle_worker(self, worker):
        """They are shorter than a worker waits for work."""
        time.sleep(5)

        assert "Connection to broker lost" not in worker.read_text()
        assert "Timeout" not in worker.read_text()


class TestBeat:
    def test_what_was_never_handed_over_is_swept_once(self, worker, start, sink, tmp_path):
        """F10: two beats, which nobody should have, do no harm: each message is sent once."""
        count = 30
        for number in range(count):
            OutboxMessage.objects.create(
                kind=ExistingAccount.kind,
                recipient=f"lost{number}@example.com",
                language="en",
                message_id=f"<lost{number}@example.com>",
            )

        logs = [start("beat", "--schedule", str(tmp_path / f"beat{each}")) for each in range(2)]

        wait_for(lambda: not OutboxMessage.objects.open().exists(), logs[0])
        found = [each for each in recipients(sink) if each.startswith("lost")]
        assert sorted(found) == sorted(f"lost{number}@example.com" for number in range(count))
        wait_for(
            lambda: all("Sending due task saas_kit.email.tasks.sweep" in log.read_text() for log in logs)
        )
