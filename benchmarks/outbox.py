"""
How fast the outbox is: messages a second of one process, and what they cost, against mail that is sent without one.

``python -m benchmarks.outbox`` prints a table in Markdown. It starts a PostgreSQL and an SMTP server of its own, and
leaves nothing behind.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import django
from django.core.management import call_command

from tests.email.smtp_sink import serving
from tests.services import Services

if TYPE_CHECKING:
    from benchmarks.outbox_ways import Way

ROOT = Path(__file__).resolve().parent.parent
_HEAD = """\
| message | way | messages a second | CPU a message, ms | ratio of CPU | queries a message |
|---|---|---|---|---|---|"""


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=5, help="turns of each way (%(default)s)")
    parser.add_argument("--messages", type=int, default=500, help="messages in a turn (%(default)s)")
    options = parser.parse_args()
    services = Services.prepare(ROOT / ".local")
    try:
        os.environ["DATABASE_URL"] = services.start_postgresql()
        os.environ.pop("REDIS_URL", None)
        with serving(services.directory / "arrived") as port:
            os.environ["OUTBOX_SMTP_PORT"] = str(port)
            os.environ["DJANGO_SETTINGS_MODULE"] = "tests.email.outbox_host"
            django.setup()
            call_command("migrate", verbosity=0)
            _measure(turns=options.turns, number=options.messages)
    finally:
        services.stop()


def _measure(*, turns: int, number: int) -> None:
    from benchmarks.outbox_ways import BASE, ways  # noqa: PLC0415 - it imports models, which Django has to know first

    _print(_HEAD)
    for title, compared in ways().items():
        found: dict[str, list[Turn]] = {name: [] for name in compared}
        for turn in range(turns + 1):
            for name in list(compared) if turn % 2 else reversed(compared):
                measured = _turn(compared[name], number)
                if turn:  # the first is for warming up
                    found[name].append(measured)
        base = _median(each.cpu for each in found[BASE])
        for name, each_turn in found.items():
            rate, cpu = _median(each.rate for each in each_turn), _median(each.cpu for each in each_turn)
            figures = f"{rate:.0f} | {cpu:.2f} | **{cpu / base:.2f}** | {each_turn[-1].queries:.1f}"
            _print(f"| {title} | {name} | {figures} |")


@dataclass(frozen=True)
class Turn:
    """
    What a turn took.

    Attributes:
        rate: Messages a second.
        cpu: Milliseconds of the process's CPU time, for a message.
        queries: Queries for a message.
    """

    rate: float
    cpu: float
    queries: float


def _turn(way: Way, number: int) -> Turn:
    from django.db import connection  # noqa: PLC0415 - Django has to be set up first

    way.prepare(number)
    queries = 0

    def counting(execute: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal queries
        queries += 1
        return execute(*arguments)

    with connection.execute_wrapper(counting):
        start, cpu_start = time.perf_counter(), time.process_time()
        way.send(number)
        cpu, seconds = time.process_time() - cpu_start, time.perf_counter() - start
    return Turn(number / seconds, cpu / number * 1000, queries / number)


def _median(values: Iterable[float]) -> float:
    return statistics.median(values)


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
