"""Erase people who asked for it, and remove the sessions and one-time tokens that are of no use any more."""

from __future__ import annotations

import logging
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import QuerySet

from saas_kit.auth.services import retention
from saas_kit.auth.services.erasure import note_refusal
from saas_kit.core.deletion import purge_rows
from saas_kit.core.exceptions import Conflict

logger = logging.getLogger("saas_kit.auth")


class Command(BaseCommand):
    help = (
        "Erase people whose erasure is due, and those who registered and never proved their address "
        "(SAAS_KIT_AUTH_UNVERIFIED_RETENTION); remove sessions that are over (SAAS_KIT_AUTH_SESSION_RETENTION) and "
        "one-time tokens that have expired. Each person, and each batch of rows, is a transaction of its own; it can "
        "be stopped and run again at any time, and twice at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--batch-size", type=int, default=500, help="Rows per transaction (default: 500)."
        )
        parser.add_argument("--dry-run", action="store_true", help="Say what would be done and do nothing.")

    def handle(self, *args: Any, **options: Any) -> None:
        size = options["batch_size"]
        if size < 1:
            self.stderr.write("--batch-size must be 1 or more.")
            raise SystemExit(2)
        people = {
            "people whose erasure is due": retention.people_due(),
            "people who never proved their address": retention.people_unverified(),
        }
        rows: dict[str, QuerySet[Any]] = {
            "sessions": retention.old_sessions(),
            "one-time tokens": retention.old_tokens(),
        }
        if options["dry_run"]:
            for label, found in people.items():
                self.stdout.write(f"{label}: {found.count()} would be erased")
            for label, found in rows.items():
                self.stdout.write(f"{label}: {found.count()} would be removed")
            return
        progress = options["verbosity"] > 1
        failed = sum(self._erase(label, found, size, progress=progress) for label, found in people.items())
        for label, found in rows.items():
            self._remove(label, found, size, progress=progress)
        if failed:
            raise CommandError(f"{failed} people could not be erased; the log of saas_kit.auth says why.")

    def _erase(self, label: str, people: QuerySet[Any], batch_size: int, *, progress: bool) -> int:
        """Erase people one by one; return with how many it failed."""
        erased = refused = failed = 0
        for key in retention.keys_of(people, batch_size=batch_size):
            try:
                person = retention.erase_if_still(people, key)
            except Conflict as error:
                refused += 1
                logger.warning("Person %s cannot be erased yet: %s", key, error.code)
                note_refusal(key, error)
            except Exception:  # the others are not to wait for it
                failed += 1
                logger.exception("Person %s could not be erased.", key)
            else:
                erased += person is not None
                if progress and person is not None and erased % batch_size == 0:
                    self.stdout.write(f"{label}: {erased} erased so far")
        self.stdout.write(f"{label}: {erased} erased")
        if refused:
            self.stderr.write(
                f"{label}: {refused} are left, because they alone own what others share; they are tried again"
            )
        return failed

    def _remove(self, label: str, rows: QuerySet[Any], batch_size: int, *, progress: bool) -> None:
        removed = 0
        for count in purge_rows(rows, batch_size=batch_size):
            removed += count
            if progress:
                self.stdout.write(f"{label}: {removed} removed so far")
        self.stdout.write(f"{label}: {removed} removed")
