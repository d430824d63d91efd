"""
Messages through an outbox whose workers are killed and whose Redis is restarted: are any lost, are any sent twice?

``python -m benchmarks.outbox_faults`` prints a table in Markdown, and ends with 1 where the outbox breaks a promise. It
starts a PostgreSQL, a Redis, two Celery workers, their beat and an SMTP server of its own, and leaves nothing behind.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import django
from django.core.management import call_command

from tests.services import Services

if TYPE_CHECKING:
    from tests.email.fault_run import Outcome

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run both parts, print what became of the messages, and return how many parts broke a promise."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--messages", type=int, default=10_000, help="messages of the first part (%(default)s)"
    )
    parser.add_argument(
        "--kills", type=int, default=100, help="SIGKILLs of workers and children (%(default)s)"
    )
    parser.add_argument("--redis-restarts", type=int, default=2, help="Redis comes back empty (%(default)s)")
    parser.add_argument("--outages", type=int, default=0, help="times that SMTP refuses all (%(default)s)")
    parser.add_argument(
        "--stopped-messages", type=int, default=2_000, help="messages of the second part (%(default)s)"
    )
    parser.add_argument("--stops", type=int, default=20, help="SIGTERMs of workers in it (%(default)s)")
    parser.add_argument("--lease", type=float, default=3.0, help="SAAS_KIT_EMAIL_LEASE (%(default)s s)")
    parser.add_argument("--seed", type=int, default=random.getrandbits(32), help="chooses the moments")
    parser.add_argument("--logs", type=Path, help="a directory that the logs of the processes are kept in")
    options = parser.parse_args()
    services = Services.prepare(ROOT / ".local")
    try:
        os.environ["DATABASE_URL"] = services.start_postgresql()
        os.environ.pop("REDIS_URL", None)
        os.environ["DJANGO_SETTINGS_MODULE"] = "tests.hosts.full.settings"
        django.setup()
        call_command("migrate", verbosity=0)
        outcomes = _run(services, options)
    finally:
        services.stop()
    _print(f"Seed {options.seed}, a lease of {options.lease} s.\n\n{_table(outcomes)}")
    problems = [problem for outcome in outcomes for problem in outcome.problems()]
    _print("\n".join(problems) or "Nothing was lost.")
    return len(problems)


def _run(services: Services, options: argparse.Namespace) -> list[Outcome]:
    from tests.email.fault_run import FaultRun  # noqa: PLC0415 - it imports models, which Django has to know first

    chance = random.Random(options.seed)  # noqa: S311 - no secret
    logs = options.logs or services.directory / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    with FaultRun(os.environ["DATABASE_URL"], services, logs, lease=options.lease, chance=chance) as run:
        killed = run.pass_through(
            options.messages,
            kills=options.kills,
            redis_restarts=options.redis_restarts,
            outages=options.outages,
        )
        stopped = run.pass_through(options.stopped_messages, stops=options.stops)
    return [killed, stopped]


def _table(outcomes: list[Outcome]) -> str:
    rows = [
        ("messages committed", lambda each: each.committed),
        ("workers killed, whole group (SIGKILL)", lambda each: each.faults["kill a worker"]),
        ("children killed (SIGKILL)", lambda each: each.faults["kill a child"]),
        ("workers asked to stop (SIGTERM)", lambda each: each.faults["ask a worker to stop"]),
        ("Redis restarted, empty", lambda each: each.faults["restart Redis"]),
        ("SMTP outages", lambda each: each.faults["refuse all mail"]),
        ("lost", lambda each: len(each.lost)),
        ("arrived twice", lambda each: each.duplicates),
        ("with another `Message-ID`", lambda each: len(each.other_ids)),
        ("rolled back and yet sent", lambda each: len(each.rolled_back)),
        ("rows that do not say sent", lambda each: each.unfinished),
        ("most attempts of one message", lambda each: each.most_attempts),
        ("seconds", lambda each: round(each.seconds)),
        ("messages a second", lambda each: round(each.committed / each.seconds)),
    ]
    lines = ["| | killed | asked to stop |", "|---|---|---|"]
    lines += ["| {} | {} | {} |".format(name, *map(read, outcomes)) for name, read in rows]
    return "\n".join(lines) + "\n"


def _print(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(min(main(), 1))
