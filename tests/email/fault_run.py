"""
Messages on their way through an outbox, a queue, workers and an SMTP server, while these are killed and restarted.

All of them are processes of their own, which are gone when the run is over. Who is killed is by chance, and when: that
is told in messages that have arrived, so that each kill meets work.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit
from uuid import UUID

import redis

from saas_kit.email.models import OutboxMessage, State
from tests.email.smtp_sink import free_port, wait_for_server
from tests.services import Services

ROOT = Path(__file__).resolve().parent.parent.parent
PATIENCE = 120.0  # seconds in which something has to arrive
_CELERY = ("-m", "celery", "--app=tests.email.outbox_worker")
_WORKERS = 2
_LATEST = 0.95  # of the messages: faults after that could find nothing left to do


@dataclass(frozen=True)
class Outcome:
    """
    What became of the messages of one part of a run.

    Attributes:
        committed: How many were committed.
        lost: The addresses of those that did not arrive.
        duplicates: How often one arrived that had arrived before.
        other_ids: The addresses of those that arrived with another ``Message-ID`` than their row has.
        rolled_back: The addresses of those that arrived although they were rolled back.
        unfinished: How many rows do not say that the message was sent.
        faults: How often each fault was caused.
        seconds: From the first commit until nothing was open.
        most_attempts: How often the one was tried that was tried most often.
    """

    committed: int
    lost: frozenset[str]
    duplicates: int
    other_ids: frozenset[str]
    rolled_back: frozenset[str]
    unfinished: int
    faults: Counter[str]
    seconds: float
    most_attempts: int

    @property
    def kills(self) -> int:
        """How many processes, or groups of them, were killed."""
        return self.faults["kill a worker"] + self.faults["kill a child"]

    def problems(self) -> list[str]:
        """Return what contradicts what the outbox promises."""
        found = {
            f"{len(self.lost)} lost: {sorted(self.lost)[:5]}": bool(self.lost),
            f"{self.duplicates} duplicates with {self.kills} kills": self.duplicates > self.kills,
            f"other Message-IDs: {sorted(self.other_ids)[:5]}": bool(self.other_ids),
            f"rolled back and sent: {sorted(self.rolled_back)[:5]}": bool(self.rolled_back),
            f"{self.unfinished} rows not sent": bool(self.unfinished),
        }
        return [text for text, is_so in found.items() if is_so]


@dataclass
class FaultRun:
    """
    A writer, a Redis, two Celery workers with two processes each, their beat, and an SMTP server.

    Args:
        database_url: The database that they share with this process.
        services: What starts the Redis.
        directory: Where their logs are.
        lease: The seconds that a message is a worker's.
    """

    database_url: str
    services: Services
    directory: Path
    lease: float = 3.0
    chance: random.Random = field(default_factory=random.Random)
    _stack: ExitStack = field(default_factory=ExitStack)
    _environment: dict[str, str] = field(default_factory=dict)
    _workers: list[int] = field(default_factory=list)
    _seen: int = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._broker = self.services.start_redis()
            self._port = free_port()
            self._environment = {
                **os.environ,
                "DATABASE_URL": self.database_url,
                "DJANGO_SETTINGS_MODULE": "tests.email.outbox_host",
                "PYTHONPATH": str(ROOT),
                "OUTBOX_BROKER": self._broker,
                "OUTBOX_LEASE": str(self.lease),
                "OUTBOX_SMTP_PORT": str(self._port),
            }
            self._environment.pop("REDIS_URL", None)  # the cache is nobody's business here
            self._arrived.touch()
            sink = ["-m", "tests.email.smtp_sink", str(self._port), str(self._arrived)]
            self._sink = stack.enter_context(self._running("sink", sink))
            wait_for_server(self._port)
            schedule = ["--schedule", str(self.directory / "schedule")]
            stack.enter_context(self._running("beat", [*_CELERY, "beat", "--loglevel=ERROR", *schedule]))
            self._nursery = stack.enter_context(self._running("worker", ["-m", "tests.email.outbox_worker"]))
            stack.callback(self._end_workers)
            for _ in range(_WORKERS):
                self._start_worker()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def pass_through(
        self, number: int, *, kills: int = 0, stops: int = 0, redis_restarts: int = 0, outages: int = 0
    ) -> Outcome:
        """
        Have messages written and delivered while faults happen, and return when nothing is open.

        Args:
            number: How many messages are committed.
            kills: How often a worker or one of its children is killed (SIGKILL).
            stops: How often a worker is asked to stop (SIGTERM), and another takes its place.
            redis_restarts: How often Redis is shut down and comes back empty.
            outages: How often the SMTP server refuses everybody for some seconds.

        Raises:
            TimeoutError: Nothing arrived for two minutes.
        """
        prefix = f"n{self.chance.getrandbits(32):x}x"
        faults = self._faults(number, kills, stops, redis_restarts, outages)
        caused: Counter[str] = Counter()
        committed = self.directory / f"{prefix}.committed"
        committed.touch()
        start, before = time.monotonic(), self._count()
        self._seen = before
        writer = ["-m", "tests.email.outbox_writer", str(number), prefix, str(committed)]
        with self._running("writer", writer) as process:
            for arrived in self._progress(process):
                if faults and arrived - before >= faults[0][0] and arrived > self._seen:
                    fault = faults.pop(0)[1]
                    time.sleep(self.chance.uniform(0, 0.1))
                    caused[fault(self)] += 1
                    self._seen = self._count()
        return self._outcome(prefix, committed, caused, time.monotonic() - start)

    def _faults(
        self, number: int, kills: int, stops: int, redis_restarts: int, outages: int
    ) -> list[tuple[int, Callable[[FaultRun], str]]]:
        groups = kills // 2
        acts = [
            *[FaultRun._kill_worker] * groups,
            *[FaultRun._kill_child] * (kills - groups),
            *[FaultRun._stop_worker] * stops,
            *[FaultRun._restart_redis] * redis_restarts,
            *[FaultRun._refuse_mail] * outages,
        ]
        self.chance.shuffle(acts)
        moments = sorted(self.chance.randrange(1, max(2, int(number * _LATEST))) for _ in acts)
        return list(zip(moments, acts, strict=True))

    def _progress(self, writer: subprocess.Popen[bytes]) -> Iterator[int]:
        """Yield how many have arrived, again and again until nothing is open."""
        most, deadline = -1, 0.0
        while writer.poll() is None or OutboxMessage.objects.open().exists():
            self._replace_ended()
            if writer.poll():
                raise RuntimeError(self._log("writer").read_text())
            if (arrived := self._count()) > most:
                most, deadline = arrived, time.monotonic() + PATIENCE
            elif time.monotonic() > deadline:
                raise TimeoutError(f"{most} have arrived and no more do; logs are in {self.directory}")
            yield arrived
            time.sleep(0.02)

    def _outcome(self, prefix: str, committed: Path, faults: Counter[str], seconds: float) -> Outcome:
        ids: dict[str, set[str]] = defaultdict(set)
        times: Counter[str] = Counter()
        for line in self._arrived.read_text().splitlines():
            address, message_id = line.split()
            ids[address].add(message_id)
            times[address] += 1
        expected = dict(line.split() for line in committed.read_text().splitlines())
        rows = OutboxMessage.objects.filter(pk__in=[UUID(key) for key in expected.values()])
        written = dict(rows.values_list("recipient", "message_id"))
        most = rows.order_by("-attempts").values_list("attempts", flat=True).first()
        return Outcome(
            committed=len(expected),
            lost=frozenset(each for each in expected if not times[each]),
            duplicates=sum(times[each] - 1 for each in expected if times[each]),
            other_ids=frozenset(
                each for each in expected if times[each] and ids[each] != {written.get(each)}
            ),
            rolled_back=frozenset(
                each for each in times if each not in expected and each.startswith(("gone", prefix))
            ),
            unfinished=len(expected) - rows.filter(state=State.SENT, secrets="").count(),
            faults=faults,
            seconds=seconds,
            most_attempts=most or 0,
        )

    def _kill_worker(self) -> str:
        worker = self._any_worker()
        os.killpg(worker, signal.SIGKILL)
        self._replace(worker)
        return "kill a worker"

    def _kill_child(self) -> str:
        while not (children := _children(self._any_worker())):
            time.sleep(0.05)
        os.kill(self.chance.choice(children), signal.SIGKILL)
        return "kill a child"

    def _stop_worker(self) -> str:
        worker = self._any_worker()
        os.kill(worker, signal.SIGTERM)
        self._replace(worker)
        return "ask a worker to stop"

    def _any_worker(self) -> int:
        """Return a worker that has begun to work."""
        while True:
            self._replace_ended()
            if begun := [each for each in self._workers if _children(each)]:
                return self.chance.choice(begun)
            time.sleep(0.05)

    def _replace_ended(self) -> None:
        """Do what a supervisor does: Celery's workers end when a child is killed before it has begun."""
        for worker in list(self._workers):
            if not Path(f"/proc/{worker}").exists():
                self._replace(worker)

    def _replace(self, worker: int) -> None:
        deadline = time.monotonic() + PATIENCE
        while Path(f"/proc/{worker}").exists():
            if time.monotonic() > deadline:
                raise TimeoutError(f"A worker does not end; logs are in {self.directory}")
            time.sleep(0.02)
        self._workers.remove(worker)
        self._start_worker()

    def _restart_redis(self) -> str:
        with redis.Redis.from_url(self._broker) as client:
            client.shutdown(nosave=True)
        time.sleep(self.chance.uniform(0.2, 1.5))
        self.services.start_redis(port=urlsplit(self._broker).port)
        return "restart Redis"

    def _refuse_mail(self) -> str:
        self._sink.send_signal(signal.SIGUSR1)
        time.sleep(self.chance.uniform(1, 3))
        self._sink.send_signal(signal.SIGUSR2)
        return "refuse all mail"

    def _start_worker(self) -> None:
        assert self._nursery.stdin is not None
        assert self._nursery.stdout is not None
        self._nursery.stdin.write(b"\n")
        self._nursery.stdin.flush()
        self._workers.append(int(self._nursery.stdout.readline()))

    def _end_workers(self) -> None:
        for worker in self._workers:
            with suppress(ProcessLookupError):
                os.killpg(worker, signal.SIGKILL)

    @contextmanager
    def _running(self, name: str, arguments: list[str]) -> Iterator[subprocess.Popen[bytes]]:
        with self._log(name).open("ab") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                process_group=0,
            )
        with process:
            try:
                yield process
            finally:
                process.kill()

    @property
    def _arrived(self) -> Path:
        return self.directory / "arrived"

    def _log(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def _count(self) -> int:
        with self._arrived.open("rb") as lines:
            return sum(1 for _ in lines)


def _children(worker: int) -> list[int]:
    try:
        found = Path(f"/proc/{worker}/task/{worker}/children").read_text().split()
    except OSError:  # it has ended
        return []
    return [int(each) for each in found]
