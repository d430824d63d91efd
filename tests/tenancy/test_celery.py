"""Celery tasks run in the scope that they were called in, and leave none behind: real workers, on Redis."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from celery import chain, chord, group
from celery.exceptions import TimeLimitExceeded, WorkerLostError
from celery.result import allow_join_result
from django.db import connection, transaction

from saas_kit.core import context
from saas_kit.core.context import fresh_context
from saas_kit.tenancy import current_scope, scope, unscoped
from saas_kit.tenancy.background import KEY
from tests.plugin import ROOT
from tests.services import _end, _ending_with_parent
from tests.tenancy import celery_app as tasks

pytestmark = pytest.mark.without_scope

A, B = UUID("01920000-0000-7000-8000-00000000000a"), UUID("01920000-0000-7000-8000-00000000000b")
NOTHING = {"organizations": None, "everywhere": None, "actor": None, "request": None}
PATIENCE = 60.0  # seconds, for a machine that is busy with other things
POOLS = ("prefork", "threads")


def in_organizations(*keys: UUID, **facts: Any) -> dict[str, Any]:
    return {**NOTHING, "organizations": sorted(str(each) for each in keys), **facts}


@pytest.fixture(scope="module")
def workers(django_db_setup: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """A worker for each pool, with four at work, on the test database; the first has beat with it."""
    import signal

    directory = tmp_path_factory.mktemp("workers")
    name = connection.settings_dict["NAME"]
    url = os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}"
    environment = {**os.environ, "DATABASE_URL": url, "CELERY_WORKER": "1", "CELERY_SKIP_CHECKS": "1"}
    processes, logs = [], {}
    with tasks.app.connection_for_write() as broker:
        broker.default_channel.client.flushdb()
    for pool in POOLS:
        command = [*_ending_with_parent(signal.SIGTERM), sys.executable, "-m", "celery"]
        command += ["-A", "tests.tenancy.celery_app", "worker", f"--pool={pool}", "--concurrency=4"]
        command += [f"--queues={pool}", f"--hostname={pool}@localhost", "--loglevel=INFO"]
        command += ["--without-gossip", "--without-mingle", "--without-heartbeat"]
        own = {"CELERY_QUEUE": pool}
        if pool == "prefork":
            command += ["--beat", "--schedule", str(directory / "schedule")]
            own["CELERY_BEAT"] = "1"
        logs[pool] = directory / f"{pool}.log"
        with logs[pool].open("wb") as output:
            processes.append(
                subprocess.Popen(
                    command,
                    cwd=ROOT,
                    env={**environment, **own},
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    process_group=0,
                )
            )
    try:
        for pool, process in zip(POOLS, processes, strict=True):
            wait_for(lambda pool=pool: "ready." in logs[pool].read_text(), process, logs[pool])
        yield logs
    finally:
        for process in processes:
            _end(process, signal.SIGTERM)


@pytest.fixture(params=POOLS)
def worker(request: pytest.FixtureRequest, workers: dict[str, Path], monkeypatch) -> str:
    """The pool whose worker runs what the test publishes."""
    monkeypatch.setenv("CELERY_QUEUE", request.param)
    return request.param


@pytest.fixture
def prefork(workers: dict[str, Path], monkeypatch) -> None:
    """What the test publishes is run by processes."""
    monkeypatch.setenv("CELERY_QUEUE", "prefork")


@pytest.fixture
def eager() -> Iterator[None]:
    """Tasks run where they are called."""
    tasks.app.conf.task_always_eager = True
    yield
    tasks.app.conf.task_always_eager = False


def wait_for(is_there: Any, process: Any = None, log: Path | None = None) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := is_there()):
        ended = process is not None and process.poll() is not None
        assert not ended, log and log.read_text()
        assert time.monotonic() < deadline, log and log.read_text()
        time.sleep(0.05)
    return found


def noted(where: str) -> list[dict[str, Any]]:
    import redis

    with redis.Redis.from_url(tasks.REDIS_URL) as client:
        return [json.loads(each) for each in client.lrange(where, 0, -1)]


def outcome(result: Any) -> Any:
    with allow_join_result():
        return result.get(timeout=PATIENCE)


@pytest.mark.redis
@pytest.mark.hosts("full")
class TestWorker:
    def test_task_has_the_scope_of_its_call(self, worker):
        """The scope, the actor and the request reach the worker; without any, nothing does."""
        with fresh_context(request="request-1"), scope([A, B]):
            context.actor_id.set("7")
            carried = tasks.report.delay()
        with unscoped(reason="counting all"):
            everywhere = tasks.report.apply_async()
        with scope([]):
            nowhere = tasks.report.delay()

        assert outcome(carried) == in_organizations(A, B, actor="7", request="request-1")
        assert outcome(everywhere) == {**NOTHING, "everywhere": "counting all"}
        assert outcome(nowhere) == in_organizations()
        assert outcome(tasks.report.delay()) == NOTHING

    def test_chains_groups_and_chords(self, worker):
        """Every part of a canvas has the scope of the call, wherever it is published."""
        with scope(A):
            steps = chain(tasks.report.si(), tasks.report.si(), tasks.report.si()).apply_async()
            several = group(tasks.report.s() for _ in range(3)).apply_async()
            both = chord([tasks.report.si(), tasks.report.si()], tasks.collect.s()).apply_async()
            mixed = chain(
                tasks.report.si(), group(tasks.report.si(), tasks.report.si()), tasks.collect.s()
            ).apply_async()
            replaced = tasks.replace.delay()
            listed = tasks.report.map([1]).delay()

        expected = in_organizations(A)
        assert outcome(steps) == expected
        assert outcome(steps.parent) == outcome(steps.parent.parent) == expected
        assert outcome(several) == [expected] * 3
        assert outcome(both) == outcome(mixed) == [expected] * 3
        assert outcome(replaced) == expected
        assert outcome(listed) == [expected]

    def test_signature_has_the_scope_of_the_call_not_of_its_making(self, worker):
        """A signature may be made once and called in several scopes."""
        signature = tasks.report.si()
        with scope(A):
            signature.link_error(tasks.report_failure.s())
            first = signature.apply_async()
        with scope(B):
            second = signature.apply_async()

        assert outcome(first) == in_organizations(A)
        assert outcome(second) == in_organizations(B)
        assert outcome(signature.apply_async()) == NOTHING

    def test_callbacks(self, worker):
        """What is linked runs in the scope of the task, whether it is published or called by the worker."""
        where = str(uuid4())
        with scope(A):
            outcome(tasks.report.apply_async(link=tasks.report_to.si(where)))
            failed = tasks.fail.apply_async(
                link_error=[tasks.report_failure.s(), tasks.report_failure_inline.s()]
            )
            part = chord([tasks.fail.si()], tasks.collect.s().on_error(tasks.report_failure.s()))
            body = part.apply_async()

        assert wait_for(lambda: noted(where)) == [in_organizations(A)]
        assert wait_for(lambda: len(noted(f"failure:{failed.id}")) == 2)
        assert noted(f"failure:{failed.id}") == [in_organizations(A)] * 2
        assert wait_for(lambda: noted(f"failure:{body.id}")) == [in_organizations(A)]

    def test_retries(self, worker):
        """A task that runs again has the scope that it had, wherever in it the retry was asked for."""
        with scope(A):
            asked = tasks.retry_within.delay(str(B))
            automatic = tasks.fail_once.delay()
        without = tasks.retry_within.delay(str(B))

        assert outcome(asked) == [2, in_organizations(A)]
        assert outcome(automatic) == in_organizations(A)
        assert outcome(without) == [2, NOTHING]

    def test_inner_scope(self, worker):
        """What a task publishes in another scope has that one; after it, the task's own."""
        with scope(A):
            ids = outcome(tasks.publish_within.delay(str(B)))

        assert [outcome(tasks.app.AsyncResult(each)) for each in ids] == [
            in_organizations(B),
            in_organizations(A),
        ]

    @pytest.mark.parametrize(
        "header",
        [
            "junk",
            7,
            [],
            {"organizations": "all"},
            {"organizations": ["1"]},
            {"organizations": [None]},
            {"organizations": [A.hex], "everywhere": "both"},
            {"everywhere": ""},
            {"everywhere": None},
            {"everywhere": True},
            {"organizations": [A.hex], "actor": 7},
            {"organizations": [A.hex], "request": "x" * 65},
            {"headers": {"saas_kit": {"everywhere": "nested"}}},
        ],
        ids=json.dumps,
    )
    def test_header_that_is_not_ours(self, prefork, header):
        """A header that cannot be read costs the scope, not the task, and never gives more."""
        assert outcome(tasks.report.apply_async(headers={KEY: header})) == NOTHING

    def test_header_of_another_task(self, worker):
        """The scope at hand counts, not a header that was copied along."""
        with scope(A):
            copied = tasks.report.apply_async(headers={KEY: {"organizations": [B.hex]}})

        assert outcome(copied) == in_organizations(A)

    def test_time_limits(self, prefork):
        """A task at its soft limit has its scope; what is called back for a killed one has it too."""
        with scope(A):
            soft = tasks.sleep_softly.delay()
            hard = tasks.sleep.apply_async(link_error=tasks.report_failure.s())
            lost = tasks.die.apply_async(link_error=tasks.report_failure.s())

        assert outcome(soft) == in_organizations(A)
        for result, error in ((hard, TimeLimitExceeded), (lost, WorkerLostError)):
            with pytest.raises(error):
                outcome(result)
            # Celery calls back twice for one that is killed.
            found = wait_for(lambda id_=result.id: noted(f"failure:{id_}"))
            assert all(each == in_organizations(A) for each in found)

    def test_solo_pool(self, workers, monkeypatch):
        """T9: a worker that runs its tasks itself, one after the other, keeps nothing of them."""
        from celery.contrib.testing.worker import start_worker

        monkeypatch.setenv("CELERY_QUEUE", "solo")
        with start_worker(tasks.app, pool="solo", queues=["solo"], perform_ping_check=False):
            with scope(A):
                found = [outcome(tasks.report.delay())]
                for way in ("leave", "fail", "ignore", "reject"):
                    tasks.act.delay(str(A), way, "solo")
            found.append(outcome(tasks.report.delay()))
            with scope(B):
                found.append(outcome(tasks.report.delay()))

        assert found == [in_organizations(A), NOTHING, in_organizations(B)]

    def test_beat_carries_nothing(self, prefork):
        """T9: what beat calls has no scope, so that it must name one to touch rows of organizations."""
        with scope(A):
            first = wait_for(lambda: noted("beat"))[0]

        assert first == {**NOTHING, "found": "ScopeRequired"}

    def test_interleaved_tasks(self, worker):
        """T9, I15: of 400 tasks of A, of B and of nobody, which end in every way, each has its scope only."""
        round_ = str(uuid4())
        ways = ["succeed", "leave", "fail", "retry", "ignore", "reject"]
        calls = [(key, ways[number % 6]) for number in range(134) for key in (A, B, None)][:400]
        random.Random(15).shuffle(calls)

        for key, way in calls:
            if key is None:
                tasks.act.apply_async((None, way, round_), ignore_result=True)
            else:
                with scope(key):
                    tasks.act.apply_async((str(key), way, round_), ignore_result=True)

        expected = len(calls) + sum(way == "retry" for _, way in calls)
        wait_for(lambda: len(noted(round_)) >= expected)
        found = noted(round_)
        assert len(found) == expected
        for each in found:
            assert each["organizations"] == (None if each["key"] is None else [each["key"]]), each
            assert each["everywhere"] is None
        probes = [tasks.report.delay() for _ in range(12)]
        assert [outcome(each) for each in probes] == [NOTHING] * 12
        assert noted("left") == []


@pytest.mark.redis
@pytest.mark.postgresql
@pytest.mark.hosts("full")
@pytest.mark.django_db(transaction=True)
class TestRows:
    @pytest.fixture
    def organizations(self, make_organization) -> list[Any]:
        """Two organizations, with one widget and with two."""
        from tests.hosts.full.widgets.models import Widget

        made = [make_organization(), make_organization()]
        for number, organization in enumerate(made, start=1):
            with scope(organization):
                for each in range(number):
                    Widget.objects.create(name=f"widget {each}")
        return made

    def test_task_without_a_scope_raises(self, worker, organizations):
        """T9: after tasks of A, a task without a scope raises, in every process and thread of the pool."""
        with scope(organizations[1]):
            counted = [tasks.count_widgets.delay() for _ in range(8)]
        bare = [tasks.count_widgets.delay() for _ in range(8)]

        assert [outcome(each) for each in counted] == [2] * 8
        for each in bare:
            with pytest.raises(RuntimeError, match="no scope says which"):
                outcome(each)

    def test_deleted_organization(self, worker, workers, organizations):
        """I16: a task of a deleted organization does nothing and says so; of another it runs."""
        from saas_kit.tenancy.services import delete_organization

        deleted, kept = organizations
        delete_organization(deleted, actor=None)

        with scope(deleted):
            skipped = tasks.resize_widgets.delay(5)
        with scope([deleted, kept]):
            narrowed = tasks.resize_widgets.delay(6)
        bare = tasks.resize_widgets.delay(7)

        assert outcome(skipped) is None
        assert (
            f"resize_widgets was skipped: there is no organization {deleted.pk}"
            in workers[worker].read_text()
        )
        assert outcome(narrowed) == 2
        with pytest.raises(RuntimeError, match="no scope says which"):
            outcome(bare)


class TestEager:
    def test_task_has_the_scope_of_its_caller(self, eager):
        """An eager task has what a worker's would have, and no more."""
        with fresh_context(request="request-1", ip="192.0.2.1"), scope(A):
            context.organization_id.set(A)
            context.actor_id.set("7")
            seen = tasks.report.delay().get()
            canvas = chain(tasks.report.si(), group(tasks.report.si(), tasks.report.si()), tasks.collect.s())
            assert context.ip_address.get() == "192.0.2.1"
            assert context.organization_id.get() == A
            parts = canvas.apply_async().get()

        assert seen == in_organizations(A, actor="7", request="request-1")
        assert parts == [seen] * 3
        assert tasks.report.delay().get() == NOTHING

    @pytest.mark.parametrize("way", ["leave", "fail", "ignore", "reject"])
    def test_task_cannot_change_the_scope_of_its_caller(self, eager, monkeypatch, way):
        """Whatever an eager task does, its caller's scope is as it was."""
        monkeypatch.setattr(tasks, "note", lambda *args, **facts: None)
        with scope(A):
            tasks.act.delay(str(A), way, "eager")
            found = current_scope()
            assert found is not None
            assert found.organization_ids == {A}
        assert current_scope() is None

    def test_retries_and_inner_scopes(self, eager):
        """An eager retry has the caller's scope; a task called in an inner scope has that."""
        with scope(A):
            asked = tasks.retry_within.delay(str(B))
            automatic = tasks.fail_once.delay()

        assert asked.get() == [2, in_organizations(A)]
        assert automatic.get() == in_organizations(A)


@pytest.mark.django_db
class TestOnCommit:
    def test_task_has_the_scope_of_the_line_that_called_it(
        self, eager, monkeypatch, django_capture_on_commit_callbacks
    ):
        """`delay_on_commit()` publishes later, and not in the scope that is at hand then."""
        reports: list[Any] = []
        monkeypatch.setattr(tasks, "note", lambda where, **facts: reports.append(tasks.seen()))
        with django_capture_on_commit_callbacks(execute=True), transaction.atomic():
            with scope(A):
                tasks.report_to.delay_on_commit("there")
                tasks.report_to.apply_async_on_commit(("there",))
            with scope(B):
                tasks.report_to.delay_on_commit("there")

        assert reports == [in_organizations(A), in_organizations(A), in_organizations(B)]


class TestWithoutCelery:
    def test_nothing_is_imported(self):
        """The kit starts without Celery."""
        script = (
            "import sys, django\n"
            "sys.modules['celery'] = None\n"
            "from importlib import util\n"
            "find = util.find_spec\n"
            "util.find_spec = lambda name, *rest: None if name == 'celery' else find(name, *rest)\n"
            "django.setup()\n"
            "assert 'saas_kit.tenancy.celery' not in sys.modules\n"
        )
        environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.hosts.models_only.settings"}

        done = subprocess.run(
            [sys.executable, "-c", script],
            cwd=ROOT,
            env=environment,
            check=False,
            capture_output=True,
            text=True,
        )

        assert done.returncode == 0, done.stderr
