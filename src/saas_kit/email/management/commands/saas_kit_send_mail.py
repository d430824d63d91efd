from __future__ import annotations

import logging
import signal
import threading
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.base import BaseCommand
from django.db import InterfaceError, OperationalError, close_old_connections

from saas_kit.email.models import OutboxMessage
from saas_kit.email.services import deliver_due

logger = logging.getLogger("saas_kit.email")

_OF_NOBODY = (signal.SIG_DFL, signal.SIG_IGN, signal.default_int_handler)
_PIECE = 10  # after each it looks whether it has been asked to stop


@contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """
    Give an event that SIGTERM and Ctrl-C set, so that what is being sent is sent.

    Whoever handled them before, such as a worker that calls the command, is told afterwards.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # which alone can handle them
        yield stop
        return
    asked: set[int] = set()

    def ask(number: int, frame: object) -> None:
        asked.add(number)
        stop.set()

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    replaced = [
        number for number, handler in before.items() if handler is not None
    ]  # else it is not Python's
    for number in replaced:
        signal.signal(number, ask)
    try:
        yield stop
    finally:
        for number in replaced:
            signal.signal(number, before[number])
        for number in replaced:
            if number in asked and before[number] not in _OF_NOBODY:
                signal.raise_signal(number)


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
        with _asked_to_stop() as stop:
            if every is None:
                self._once(limit, verbosity, stop)
            else:
                self._go_on(limit, every, verbosity, stop)

    def _once(self, limit: int | None, verbosity: int, stop: threading.Event) -> None:
        tried = self._round(limit, verbosity, stop)
        if verbosity:
            waiting = OutboxMessage.objects.open().count()
            self.stdout.write(f"{self._line(tried)} {waiting} left in the outbox.")

    def _go_on(self, limit: int | None, every: float, verbosity: int, stop: threading.Event) -> None:
        while True:
            try:
                tried = self._round(limit, verbosity, stop)
            except (InterfaceError, OperationalError) as error:
                logger.error("The database cannot be used, and is tried again: %s", error)  # noqa: TRY400
            else:
                if tried and verbosity:
                    self.stdout.write(self._line(tried))
            close_old_connections()
            if stop.wait(every):
                return

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
