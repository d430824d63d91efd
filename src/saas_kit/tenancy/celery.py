"""Celery tasks that run in the scope that they were called in; connected where Celery is installed."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from contextvars import copy_context
from functools import partial
from typing import Any

from celery import current_task
from celery.contrib.django.task import DjangoTask
from celery.signals import before_task_publish, task_postrun, task_prerun
from django.db import transaction

from saas_kit.tenancy.background import KEY, carrying, to_carry
from saas_kit.tenancy.receivers import stop_seeing_all_rows

# By the id of the request, which lives until its task ends.
_entered: dict[int, AbstractContextManager[None]] = {}


def connect() -> None:
    """Let every task of this process carry the scope, the actor and the request, and run with them."""
    before_task_publish.connect(_put_on, dispatch_uid="saas_kit.tenancy.put_on")
    task_prerun.connect(_enter, dispatch_uid="saas_kit.tenancy.enter")
    task_postrun.connect(_leave, dispatch_uid="saas_kit.tenancy.leave")


class ScopedTask(DjangoTask):  # type: ignore[misc]
    """
    A task whose ``delay_on_commit()`` carries the scope of the line that called it.

    Celery's own publishes in the scope of the line that commits. Name it as the ``task_cls`` of the Celery app.
    """

    def delay_on_commit(self, *args: Any, **kwargs: Any) -> None:
        """Call ``delay()`` after the transaction commits."""
        transaction.on_commit(partial(copy_context().run, self.delay, *args, **kwargs))

    def apply_async_on_commit(self, *args: Any, **kwargs: Any) -> None:
        """Call ``apply_async()`` after the transaction commits."""
        transaction.on_commit(partial(copy_context().run, self.apply_async, *args, **kwargs))


def _put_on(headers: dict[str, Any], body: Any, **kwargs: Any) -> None:
    embedded = body[2] if isinstance(body, tuple) else body  # the two versions of Celery's protocol
    if headers.get("retries") or embedded.get("retries"):
        return  # a task that runs again keeps what it carried, wherever in it the retry was asked for
    facts = to_carry()
    if facts is None and not current_task:
        return  # the callback of a lost task carries what `_pinned` left with it
    headers[KEY] = facts
    if embedded.get("errbacks"):
        embedded["errbacks"] = [_pinned(each, facts) for each in embedded["errbacks"]]


def _pinned(signature: Any, facts: dict[str, Any] | None) -> Any:
    """
    Return a copy of an error callback that has the facts with it.

    Where the process of a task was lost, or killed at its time limit, the worker's main process calls back, in which
    the scope never was.
    """
    if not isinstance(signature, Mapping):
        return signature
    options = signature.get("options") or {}
    return {**signature, "options": {**options, "headers": {**(options.get("headers") or {}), KEY: facts}}}


def _enter(task: Any, **kwargs: Any) -> None:
    # An eager task has no message: it is run where it is called.
    facts = to_carry() if task.request.is_eager else _facts_of(task.request)
    if not task.request.is_eager:
        stop_seeing_all_rows()  # which a failed `migrate` in this process may have left
    entered = carrying(facts, name=task.name)
    entered.__enter__()
    _entered[id(task.request)] = entered


def _leave(task: Any, **kwargs: Any) -> None:
    entered = _entered.pop(id(task.request), None)
    if entered is not None:
        entered.__exit__(None, None, None)


def _facts_of(request: Any) -> Any:
    headers = request.headers
    return request.get(KEY, headers.get(KEY) if isinstance(headers, Mapping) else None)
