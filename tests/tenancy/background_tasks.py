"""Django's tasks of a host, on two backends that carry the scope and on one that does not."""

from __future__ import annotations

import json
from threading import Thread
from typing import Any
from uuid import UUID

from django.tasks import TaskContext, TaskResult, TaskResultStatus, task, task_backends
from django.tasks.backends.base import BaseTaskBackend
from django.tasks.backends.immediate import ImmediateBackend
from django.utils import timezone
from django.utils.module_loading import import_string

from saas_kit.core import context
from saas_kit.tenancy import current_scope, scope
from saas_kit.tenancy.task_backends import ScopeCarrying


class StoringBackend(BaseTaskBackend):
    """Keeps tasks as JSON, until a worker in a thread of its own runs them one after the other."""

    supports_async_task = True

    def __init__(self, alias: str, params: dict[str, Any]) -> None:
        super().__init__(alias, params)
        self.stored: list[str] = []

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        self.validate_task(task)
        self.stored.append(json.dumps([task.module_path, args, kwargs]))
        return TaskResult(
            task=task,
            id=str(len(self.stored)),
            status=TaskResultStatus.READY,
            enqueued_at=timezone.now(),
            started_at=None,
            finished_at=None,
            last_attempted_at=None,
            args=args,
            kwargs=kwargs,
            backend=self.alias,
            errors=[],
            worker_ids=[],
        )

    def work(self) -> list[Any]:
        """Run what is stored, and return what each returned or raised."""
        outcomes: list[Any] = []

        def run() -> None:
            for each in self.stored:
                path, args, kwargs = json.loads(each)
                try:
                    outcomes.append(import_string(path).call(*args, **kwargs))
                except Exception as error:  # noqa: BLE001 - it is the outcome
                    outcomes.append(error)

        thread = Thread(target=run)
        thread.start()
        thread.join()
        self.stored.clear()
        return outcomes


class ScopedImmediateBackend(ScopeCarrying, ImmediateBackend):
    """Runs tasks where they are enqueued."""


class ScopedStoringBackend(ScopeCarrying, StoringBackend):
    """Runs tasks later and elsewhere."""


def work(backend: str) -> list[Any]:
    """Let the worker of a backend run what is stored."""
    return task_backends[backend].work()  # type: ignore[no-any-return]


def _seen() -> list[Any]:
    found = current_scope()
    keys = None if found is None else [str(each) for each in found.organization_ids or ["everywhere"]]
    return [keys, context.actor_id.get(), context.request_id.get()]


@task
def report() -> list[Any]:
    return _seen()


@task
async def report_async() -> list[Any]:
    return _seen()


@task(takes_context=True)
def report_with_context(context: TaskContext, word: str) -> list[Any]:
    return [context.attempt, word, *_seen()]


@task(backend="stored")
def report_later(word: str = "") -> list[Any]:
    return [word, *_seen()]


@task(backend="stored")
def leave_scope_open() -> None:
    scope(UUID(int=0)).__enter__()


@task(backend="stored")
def fail() -> None:
    raise LookupError


@task(backend="stored")
def count_widgets() -> int:
    from tests.hosts.full.widgets.models import Widget

    return Widget.objects.count()


@task(backend="plain")
def report_plainly() -> list[Any]:
    return _seen()
