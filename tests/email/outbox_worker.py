"""
The Celery app of that host; its broker is the Redis of ``OUTBOX_BROKER``, and a queue in memory without it.

``python -m tests.email.outbox_worker`` loads all that a worker needs once. For each line that it reads it makes a
worker, in a process group of its own, and answers with its process id; they end with it.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.email.outbox_host")

app = Celery("outbox")
app.conf.update(
    broker_url=os.environ.get("OUTBOX_BROKER", "memory://"),
    broker_connection_retry_on_startup=True,
    broker_connection_max_retries=None,
    task_default_queue="outbox",
    task_ignore_result=True,
    worker_prefetch_multiplier=1,
    worker_hijack_root_logger=False,
    beat_schedule={"sweep": {"task": "saas_kit.email.tasks.sweep", "schedule": 1.0}},
)
app.autodiscover_tasks()


def main() -> None:
    """Make workers as long as somebody asks for them."""
    from celery.bin import worker  # noqa: F401 - the workers have it then
    from celery.concurrency import prefork  # noqa: F401
    from kombu.transport import redis  # noqa: F401

    app.loader.init_worker()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    made = []
    for _ in sys.stdin:
        pid = os.fork()
        if not pid:
            _work()
        os.setpgid(pid, pid)
        made.append(pid)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
    for pid in made:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


def _work() -> None:
    with suppress(OSError):  # where the parent was first
        os.setpgid(0, 0)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    try:
        app.worker_main(
            ["worker", "--concurrency=2", "--without-gossip", "--without-mingle", "--loglevel=WARNING"]
        )
    finally:
        os._exit(0)


if __name__ == "__main__":
    main()
