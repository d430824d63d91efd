"""
Work that is done in the background: by Celery, by Django's tasks, or at once where a host has neither.

Queues lose work and delay it: what a killed worker had taken from Redis comes back when its visibility timeout is over,
or never. So what has to be done is written into the database first, a task that looks for it there runs on a schedule,
and handing over only has it looked for sooner. Handing over therefore never fails.
"""

from __future__ import annotations

import io
import logging
import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, TypeVar

from django.core.management import call_command
from django.utils.module_loading import import_string

from saas_kit.core.conf import CoreSettings

logger = logging.getLogger("saas_kit.core")

TaskT = TypeVar("TaskT", bound=Callable[..., None])

PATIENCE = 1.0
"""For how many seconds a broker may keep whoever hands over to it waiting, for a connection or for an answer."""

PAUSE = 30.0
"""For how many seconds nothing is handed over after that has failed, so that not each request waits for it."""

_known: dict[str, Callable[..., None]] = {}
_failed_at: float | None = None


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

    Where no queue can be reached that is logged, and the work waits for its schedule; for ``PAUSE`` none is tried then.
    Without a queue it is done now; what it raises is logged.

    Args:
        path: The dotted path of the task, such as ``saas_kit.email.tasks.deliver``.
    """
    global _failed_at  # noqa: PLW0603 - all threads share the broker
    if is_done_at_once():
        _run_now(path, args)
        return
    if _failed_at is not None and time.monotonic() < _failed_at + PAUSE:
        return
    try:
        if CoreSettings.CELERY_APP:
            _publish(import_string(CoreSettings.CELERY_APP), path, args)
        else:
            _enqueue(CoreSettings.TASK_BACKEND, path, args)
        _failed_at = None
    except Exception as error:  # each queue raises what its client raises
        if asks_to_end(error):
            raise
        _failed_at = time.monotonic()
        cause = f"{type(error).__name__}: {error}"
        logger.error("%s could not be handed over, and waits for its schedule: %s", path, cause)  # noqa: TRY400


def asks_to_end(error: Exception) -> bool:
    """
    Tell whether an exception is no failure, but asks whoever works to end, as Celery's soft time limit does.

    What goes on after failures has to let it pass.
    """
    billiard = sys.modules.get("billiard.exceptions")  # without it nobody can have raised it
    return billiard is not None and isinstance(error, billiard.SoftTimeLimitExceeded)


def run(path: str, *args: Any) -> None:
    """
    Run a background task here and now.

    Raises:
        LookupError: There is no such task.
    """
    if path not in _known:
        import_string(path)  # which makes it known, where it is one
    _known[path](*args)


def run_command(name: str, **options: Any) -> None:
    """Run a management command in a task; what it says goes to the log."""
    call_command(name, stdout=_LogStream(logging.INFO), stderr=_LogStream(logging.WARNING), **options)


class _LogStream(io.TextIOBase):
    """Takes what a command writes, line by line, to the log."""

    def __init__(self, level: int) -> None:
        self._level = level

    def write(self, text: str) -> int:
        for line in text.splitlines():
            logger.log(self._level, "%s", line)
        return len(text)


def _run_now(path: str, args: tuple[Any, ...]) -> None:
    try:
        run(path, *args)
    except Exception as error:  # whatever it is, what the work follows from is done
        if asks_to_end(error):
            raise
        logger.exception("%s failed, and waits for its schedule.", path)


def _publish(app: Any, path: str, args: tuple[Any, ...]) -> None:
    if app.conf.task_always_eager:  # which publishing by name does not heed
        _run_now(path, args)
        return
    from kombu.pools import producers  # noqa: PLC0415 - an extra

    with producers[_impatient_connection(app)].acquire(block=True, timeout=PATIENCE) as producer:
        app.send_task(path, args=args, producer=producer, retry=False, ignore_result=True)


def _impatient_connection(app: Any) -> Any:
    """
    Return the key of a pool of connections that give up soon.

    Those of the app itself are for workers too, which have time; on Redis, that is for ever.
    """
    connection = app.connection_for_write(connect_timeout=PATIENCE)
    options = connection.transport_options
    options["max_retries"] = max(len(connection.alt) - 1, 0)  # each server is tried once
    if connection.get_transport_cls().driver_type == "redis":
        options |= {"socket_connect_timeout": PATIENCE, "socket_timeout": PATIENCE}
    return connection


def _enqueue(alias: str, path: str, args: tuple[Any, ...]) -> None:
    from saas_kit.core.django_tasks import run_task  # noqa: PLC0415 - needs Django 6.0

    run_task.using(backend=alias).enqueue(path, *args)
