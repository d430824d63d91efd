"""
Work that is done in the background: by Celery, by Django's tasks, or at once where a host has neither.

Queues lose work and delay it: what a killed worker had taken from Redis comes back when its visibility timeout is over,
or never. So what has to be done is written into the database first, a task that looks for it there runs on a schedule,
and handing over only has it looked for sooner. Handing over therefore never fails.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeVar

from django.utils.module_loading import import_string

from saas_kit.core.conf import CoreSettings

logger = logging.getLogger("saas_kit.core")

TaskT = TypeVar("TaskT", bound=Callable[..., None])

_known: dict[str, Callable[..., None]] = {}


def background_task(function: TaskT) -> TaskT:
    """
    Let a function of a ``tasks`` module be run in the background; it stays a plain function.

    Its name, for Celery too, is its dotted path. Arguments have to be what JSON can hold. It may be run twice, and by
    several workers at once.
    """
    path = f"{function.__module__}.{function.__qualname__}"
    _known[path] = function
    if find_spec("celery") is not None:
        from celery import shared_task  # noqa: PLC0415 - an extra, and slow to import

        shared_task(function, name=path, ignore_result=True)
    return function


def is_done_at_once() -> bool:
    """Tell whether there is nothing to hand over to, so that whoever causes work does it."""
    return not (CoreSettings.CELERY_APP or CoreSettings.TASK_BACKEND)


def hand_over(path: str, *args: Any) -> None:
    """
    Have a background task run soon.

    Where no queue can be reached that is logged, and the work waits for its schedule. Without a queue it is done now;
    what it raises is logged.

    Args:
        path: The dotted path of the task, such as ``saas_kit.email.tasks.deliver``.
    """
    try:
        if is_done_at_once():
            run(path, *args)
        elif CoreSettings.CELERY_APP:
            _publish(import_string(CoreSettings.CELERY_APP), path, args)
        else:
            _enqueue(CoreSettings.TASK_BACKEND, path, args)
    except Exception:  # each queue raises what its client raises
        logger.exception("%s could not be handed over, and waits for its schedule.", path)


def run(path: str, *args: Any) -> None:
    """
    Run a background task here and now.

    Raises:
        LookupError: There is no such task.
    """
    if path not in _known:
        import_string(path)  # which makes it known, where it is one
    _known[path](*args)


def _publish(app: Any, path: str, args: tuple[Any, ...]) -> None:
    if app.conf.task_always_eager:  # which publishing by name does not heed
        run(path, *args)
    else:
        app.send_task(path, args=args, retry=False, ignore_result=True)


def _enqueue(alias: str, path: str, args: tuple[Any, ...]) -> None:
    from saas_kit.core.django_tasks import run_task  # noqa: PLC0415 - needs Django 6.0

    run_task.using(backend=alias).enqueue(path, *args)
