"""
How fast the outbox is: messages a second of one process, against mail that is sent without one.

``python -m benchmarks.outbox`` prints a table in Markdown. It starts a PostgreSQL and an SMTP server of its own, and
leaves nothing behind.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
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
| message | way | messages a second | ratio | queries a message |
|---|---|---|---|---|"""


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
        rates: dict[str, list[float]] = {name: [] for name in compared}
        queries: dict[str, float] = {}
        for turn in range(turns + 1):
            for name in list(compared) if turn % 2 else reversed(compared):
                seconds, queries[name] = _turn(compared[name], number)
                if turn:  # the first is for warming up
                    rates[name].append(number / seconds)
        base = statistics.median(rates[BASE])
        for name, found in rates.items():
            rate = statistics.median(found)
            _print(f"| {title} | {name} | {rate:.0f} | {rate / base:.2f} | {queries[name]:.1f} |")


def _turn(way: Way, number: int) -> tuple[float, float]:
    from django.db import connection  # noqa: PLC0415 - Django has to be set up first

    way.prepare(number)
    count = 0

    def counting(execute: Callable[..., Any], *arguments: Any) -> Any:
        nonlocal count
        count += 1
        return execute(*arguments)

    with connection.execute_wrapper(counting):
        start = time.perf_counter()
        way.send(number)
        return time.perf_counter() - start, count / number


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
