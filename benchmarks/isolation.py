"""
What isolation costs: the guard of the ORM, and row-level security of PostgreSQL.

``python -m benchmarks.isolation`` prints tables in Markdown. It starts a PostgreSQL of its own, or uses the server of
``DATABASE_URL``, and leaves nothing behind.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
from pathlib import Path

import django
from django.db import connection

from benchmarks import instructions
from benchmarks.measuring import Comparison, compare
from tests.services import Services

ROOT = Path(__file__).resolve().parent.parent


_CPU = """\
| list of 25 rows | without, µs | with, µs | ratio | quartiles | server's CPU |
|---|---|---|---|---|---|"""
_INSTRUCTIONS = """\
| list of 25 rows | without, thousands | with, thousands | ratio |
|---|---|---|---|"""
_TRIPS = """\
| list of 25 rows | without | with |
|---|---|---|"""


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--turns", type=int, default=100, help="turns of each way (%(default)s)")
    parser.add_argument("--runs", type=int, default=20, help="runs in a turn (%(default)s)")
    parser.add_argument(
        "--instructions", action="store_true", help="count instructions too (needs valgrind, takes minutes)"
    )
    options = parser.parse_args()
    services = Services.prepare(ROOT / ".local")
    try:
        if "DATABASE_URL" not in os.environ:
            os.environ["DATABASE_URL"] = services.start_postgresql()
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.hosts.full.settings")
        django.setup()
        _measure(turns=options.turns, runs=options.runs, with_instructions=options.instructions)
    finally:
        services.stop()


def _measure(*, turns: int, runs: int, with_instructions: bool) -> None:
    from benchmarks import costs  # noqa: PLC0415 - it imports models, which Django has to know first
    from benchmarks.databases import Databases  # noqa: PLC0415

    databases = Databases.create()
    try:
        machine = f"{os.cpu_count()} cores, PostgreSQL {connection.get_database_version()[0]}"
        _print(f"{machine}, Python {platform.python_version()}, Django {django.get_version()};")
        _print(f"CPU time: {turns} turns of {runs} runs each")
        for title, cases in (
            ("guard", costs.guard_cases(databases)),
            ("row-level security", costs.security_cases(databases)),
        ):
            _print(f"\n## CPU time of the {title}\n\n{_CPU}")
            for case in cases:
                with case.around():
                    found = compare(case.without, case.with_, turns=turns, runs=runs)
                _print(_row_of(case.name, found))
        _print(f"\n## Round trips of row-level security\n\n{_TRIPS}")
        for row in costs.round_trips(databases):
            _print("| {} | {} | {} |".format(*row))
        if with_instructions:
            _print(f"\n## Instructions\n\n{_INSTRUCTIONS}")
            for name, without, with_ in instructions.count(databases.names):
                _print(f"| {name} | {without / 1000:.0f} | {with_ / 1000:.0f} | **{with_ / without:.3f}** |")
    finally:
        databases.drop()


def _row_of(name: str, found: Comparison) -> str:
    low, high = found.quartiles
    server = "" if found.server_ratio is None else f"{found.server_ratio:.3f}"
    figures = f"{found.without:.0f} | {found.with_:.0f} | **{found.ratio:.3f}** | {low:.3f} to {high:.3f}"
    return f"| {name} | {figures} | {server} |"


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
