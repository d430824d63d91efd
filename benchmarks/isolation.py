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
from collections.abc import Iterable
from pathlib import Path

import django
from django.db import connection

from benchmarks.measuring import HEADER
from tests.services import Services

ROOT = Path(__file__).resolve().parent.parent


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200, help="turns of each of the two ways (%(default)s)")
    parser.add_argument("--runs", type=int, default=20, help="runs in a turn (%(default)s)")
    parser.add_argument("--only", choices=("guard", "security", "trips"), help="one part of the measurements")
    options = parser.parse_args()
    services = Services.prepare(ROOT / ".local")
    try:
        if "DATABASE_URL" not in os.environ:
            os.environ["DATABASE_URL"] = services.start_postgresql()
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.hosts.full.settings")
        django.setup()
        _measure(options)
    finally:
        services.stop()


def _measure(options: argparse.Namespace) -> None:
    from benchmarks import costs  # noqa: PLC0415 - it imports models, which Django has to know first
    from benchmarks.databases import Databases  # noqa: PLC0415

    databases = Databases()
    try:
        machine = f"{os.cpu_count()} cores, PostgreSQL {connection.pg_version // 10000}"
        _print(f"{machine}, Python {platform.python_version()}, Django {django.get_version()}")
        if options.only in (None, "guard"):
            _print_table("The guard", HEADER, costs.of_guard(databases, options.rounds, options.runs))
        if options.only in (None, "security"):
            _print_table(
                "Row-level security", HEADER, costs.of_security(databases, options.rounds, options.runs)
            )
        if options.only in (None, "trips"):
            _print_table("Round trips of a request", costs.TRIPS_HEADER, costs.round_trips(databases))
    finally:
        databases.drop()


def _print_table(title: str, header: str, rows: Iterable[object]) -> None:
    _print(f"\n## {title}\n\n{header}")
    for row in rows:
        _print(str(row))


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
