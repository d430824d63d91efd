from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import close_old_connections

from saas_kit.email.models import OutboxMessage
from saas_kit.email.services import deliver_due

_PIECE = 10  # after each it looks whether it has been asked to stop


class Command(BaseCommand):
    help = (
        "Deliver the messages of the outbox that are due: those that were postponed, and those that a crash left. "
        "Several may run at once, beside workers too."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=int, metavar="N", help="try at most N messages (of each round)")
        parser.add_argument(
            "--every",
            type=float,
            metavar="SECONDS",
            help="go on, and look again so many seconds after nothing was due, until asked to stop (SIGTERM, Ctrl-C)",
        )

    def handle(self, *, limit: int | None, every: float | None, verbosity: int, **options: Any) -> None:
        stop = threading.Event()
        if every is not None:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: stop.set())
        while True:
            tried = self._round(limit, verbosity, stop)
            if every is None:
                break
            if tried and verbosity:
                self.stdout.write(self._line(tried))
            close_old_connections()
            if stop.wait(every):
                return
        if verbosity:
            waiting = OutboxMessage.objects.open().count()
            self.stdout.write(f"{self._line(tried)} {waiting} left in the outbox.")

    def _round(self, limit: int | None, verbosity: int, stop: threading.Event) -> int:
        tried = 0
        while not stop.is_set() and (limit is None or tried < limit):
            done = deliver_due(_PIECE if limit is None else min(_PIECE, limit - tried))
            if not done:
                break
            tried += done
            if verbosity > 1:
                self.stdout.write(f"{tried} tried …")
        return tried

    def _line(self, tried: int) -> str:
        return f"{tried} message{'' if tried == 1 else 's'} tried."
