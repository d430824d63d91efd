"""Work that one process does at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from saas_kit.core.locks import one_at_a_time, try_lock
from tests.plugin import ROOT

PATIENCE = 30.0

HOLDER = """
import sys, time
import django
django.setup()
from saas_kit.core.locks import try_lock
with try_lock("tests.locks") as is_taken:
    print(is_taken, flush=True)
    time.sleep(60)
"""


def is_free(name: str = "tests.locks") -> bool:
    with try_lock(name) as is_taken:
        return is_taken


def becomes_free() -> bool:
    deadline = time.monotonic() + PATIENCE
    while not is_free():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.fixture
def holder() -> Iterator[subprocess.Popen[str]]:
    """Another process, which has the lock."""
    name = connection.settings_dict["NAME"]
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        yield process
        process.kill()


@pytest.mark.django_db
class TestTryLock:
    def test_second_is_refused_and_the_first_frees_it(self):
        with try_lock("tests.locks") as first:
            assert first
            assert not is_free()
            assert is_free("tests.another")
        assert is_free()

    def test_error_frees_it(self):
        def fail() -> None:
            with try_lock("tests.locks"):
                raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            fail()

        assert is_free()

    def test_one_of_many_threads_has_it(self):
        start, done = threading.Barrier(8, timeout=PATIENCE), threading.Barrier(8, timeout=PATIENCE)
        outcomes: list[bool] = []

        def try_it() -> None:
            start.wait()
            with try_lock("tests.locks") as is_taken:
                outcomes.append(is_taken)
                done.wait()
            connection.close()

        threads = [threading.Thread(target=try_it) for _ in range(8)]
        for each in threads:
            each.start()
        for each in threads:
            each.join(PATIENCE)

        assert sorted(outcomes) == [False] * 7 + [True]


@pytest.mark.postgresql
@pytest.mark.hosts("full")
@pytest.mark.django_db(transaction=True)
class TestOtherProcess:
    def test_killed_holder_frees_it(self, holder):
        assert not is_free()

        holder.send_signal(signal.SIGKILL)

        assert becomes_free()

    def test_idle_limits_of_the_server_do_not_free_it(self):
        """Nor does the end of a transaction of the work, as it has a connection of its own."""
        role = connection.settings_dict["USER"]
        with connection.cursor() as cursor:
            cursor.execute(f"ALTER ROLE {role} SET idle_in_transaction_session_timeout = 200")
        try:
            with try_lock("tests.locks") as is_taken:
                time.sleep(0.6)
                assert is_taken
                assert not is_free()
        finally:
            with connection.cursor() as cursor:
                cursor.execute(f"ALTER ROLE {role} RESET idle_in_transaction_session_timeout")

    def test_lost_connection_is_no_error_of_the_work(self, caplog):
        """What was done is done; the log says that somebody else may have been at it."""
        with try_lock("tests.locks"), connection.cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' "
                "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
            )
            assert len(cursor.fetchall()) == 1
            assert becomes_free()

        assert "The connection that held the lock tests.locks was lost." in caplog.text
        assert is_free()

    def test_it_keeps_no_old_rows_from_being_vacuumed(self):
        with try_lock("tests.locks"), connection.cursor() as cursor:
            cursor.execute(
                "SELECT backend_xid, backend_xmin FROM pg_stat_activity JOIN pg_locks USING (pid) "
                "WHERE locktype = 'advisory' AND datname = current_database()"
            )
            assert cursor.fetchall() == [(None, None)]


@pytest.mark.django_db
class TestOneAtATime:
    def test_task_that_is_being_done_is_left_out(self, caplog):
        done: list[Any] = []

        @one_at_a_time
        def work(depth: int) -> None:
            done.append(depth)
            if depth:
                work(depth - 1)

        caplog.set_level("INFO", "saas_kit.core")
        work(1)
        work(0)

        assert done == [1, 0]
        assert caplog.text.count("is being done already") == 1
