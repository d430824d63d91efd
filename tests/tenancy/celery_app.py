"""
The Celery app of a host, for a real worker and for those who call its tasks.

`CELERY_QUEUE` names the queue to publish to, so that each worker of the suite has one of its own. What tasks see is
kept in Redis, because a task that is killed or rejected has no result.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import django
import redis
from celery import Celery
from celery.exceptions import Ignore, Reject, SoftTimeLimitExceeded
from celery.signals import setup_logging, task_postrun

from saas_kit.core import context
from saas_kit.tenancy import current_scope, scope
from saas_kit.tenancy.background import needs_organization

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.hosts.full.settings")


def _redis_url() -> str:
    """Return another database than that of the cache, which is emptied by tests."""
    parts = urlsplit(os.environ.get("REDIS_URL", ""))
    number = int(parts.path.strip("/") or 0) + 8
    return parts._replace(path=f"/{number}").geturl() if parts.scheme else ""


def _route(*args: Any, **kwargs: Any) -> dict[str, str]:
    return {"queue": os.environ.get("CELERY_QUEUE", "celery")}


REDIS_URL = _redis_url()

app = Celery("tests", task_cls="saas_kit.tenancy.celery:ScopedTask")
app.conf.update(
    broker_url=REDIS_URL or "memory://",
    result_backend=REDIS_URL or "cache+memory://",
    broker_connection_retry_on_startup=True,
    task_routes=(_route,),
    task_default_queue="unused",
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    worker_prefetch_multiplier=1,
)
if os.environ.get("CELERY_BEAT"):
    app.conf.beat_schedule = {"widgets": {"task": "tests.tenancy.celery_app.list_widgets", "schedule": 1.0}}


def seen() -> dict[str, Any]:
    """Return what is at hand."""
    found = current_scope()
    everywhere = found is not None and found.organization_ids is None
    keys = None if found is None or everywhere else sorted(str(each) for each in found.organization_ids or ())
    return {
        "organizations": keys,
        "everywhere": found.reason if found is not None and everywhere else None,
        "actor": context.actor_id.get(),
        "request": context.request_id.get(),
    }


def note(where: str, **facts: Any) -> None:
    """Keep what is at hand, and the facts, in a list."""
    with redis.Redis.from_url(REDIS_URL) as client:
        client.rpush(where, json.dumps({**seen(), **facts}))


if os.environ.get("CELERY_WORKER"):
    django.setup()

    # Connected after the kit's receiver, so that it is what a task leaves behind.
    @task_postrun.connect
    def note_what_is_left(task: Any, **kwargs: Any) -> None:
        if any(value is not None for value in seen().values()):
            note("left", task=task.name)

else:
    # A worker in a thread of the tests leaves their logging alone.
    @setup_logging.connect
    def keep_logging(**kwargs: Any) -> None:
        """Celery configures nothing where somebody listens."""


@app.task
def report(*args: Any) -> dict[str, Any]:
    return seen()


@app.task
def collect(reports: list[Any]) -> list[Any]:
    return [*reports, seen()]


@app.task
def report_to(where: str) -> None:
    note(where)


@app.task
def report_failure(task_id: str) -> None:
    note(f"failure:{task_id}")


@app.task
def report_failure_inline(request: Any, error: BaseException, traceback: Any) -> None:
    note(f"failure:{request.id}")


@app.task
def fail() -> None:
    raise LookupError


@app.task(time_limit=1)
def sleep() -> None:
    time.sleep(60)


@app.task(soft_time_limit=1)
def sleep_softly() -> dict[str, Any]:
    try:
        time.sleep(60)
    except SoftTimeLimitExceeded:
        return seen()
    return {}


@app.task
def die() -> None:
    os._exit(1)


@app.task
def publish_within(key: str) -> list[str]:
    """Publish a task in the scope of another organization, and one after it."""
    with scope(UUID(key)):
        inner = report.delay()
    return [inner.id, report.delay().id]


@app.task(bind=True, max_retries=3)
def retry_within(self: Any, key: str) -> list[Any]:
    """Ask for a retry in another scope than the task's own."""
    if self.request.retries < 2:
        with scope(UUID(key)):
            raise self.retry(countdown=0)
    return [self.request.retries, seen()]


@app.task(bind=True, autoretry_for=(LookupError,), retry_backoff=False, default_retry_delay=0)
def fail_once(self: Any) -> dict[str, Any]:
    if not self.request.retries:
        raise LookupError
    return seen()


@app.task(bind=True)
def replace(self: Any) -> Any:
    return self.replace(report.si())


@app.task(bind=True, max_retries=1)
def act(self: Any, key: str | None, way: str, round_: str) -> None:
    """Keep what is at hand, leave a scope open where one can, and end in one of the ways to end."""
    note(round_, key=key, way=way)
    if way == "leave":
        scope(UUID(int=0)).__enter__()
    elif way == "fail":
        raise LookupError
    elif way == "retry" and not self.request.retries:
        raise self.retry(countdown=0)
    elif way == "ignore":
        raise Ignore
    elif way == "reject":
        raise Reject("no", requeue=False)


@app.task
def count_widgets() -> int:
    from tests.hosts.full.widgets.models import Widget

    return Widget.objects.count()


@app.task
def list_widgets() -> None:
    """Try what needs a scope, and keep how it ended; beat calls it."""
    from tests.hosts.full.widgets.models import Widget

    try:
        found: Any = len(Widget.objects.all())
    except RuntimeError as error:
        found = type(error).__name__
    note("beat", found=found)


@app.task
@needs_organization
def resize_widgets(size: int) -> int:
    from tests.hosts.full.widgets.models import Widget

    return Widget.objects.update(size=size)
