from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from saas_kit.core.deletion import purge_rows
from saas_kit.email.services import retention


class Command(BaseCommand):
    help = (
        "Remove messages that were sent or given up longer ago than the retention time (SAAS_KIT_EMAIL_RETENTION), and "
        "the secrets of those that were given up a week ago. What is still to be sent stays. It works in batches, each "
        "a transaction of its own; it can be stopped and run again at any time, and twice at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--batch-size", type=int, default=500, help="Rows per transaction (default: 500)."
        )
        parser.add_argument("--dry-run", action="store_true", help="Say what would be done and do nothing.")

    def handle(self, *, batch_size: int, dry_run: bool, verbosity: int, **options: Any) -> None:
        if batch_size < 1:
            raise CommandError("--batch-size must be 1 or more.", returncode=2)
        if dry_run:
            self.stdout.write(f"messages: {retention.old_messages().count()} would be removed")
            count = retention.messages_with_old_secrets().count()
            self.stdout.write(f"secrets of messages: {count} would be removed")
            return
        progress = verbosity > 1
        self._work("messages", purge_rows(retention.old_messages(), batch_size=batch_size), progress=progress)
        wiping = retention.wipe_old_secrets(batch_size=batch_size)
        self._work("secrets of messages", wiping, progress=progress)

    def _work(self, label: str, batches: Iterator[int], *, progress: bool) -> None:
        removed = 0
        for count in batches:
            removed += count
            if progress:
                self.stdout.write(f"{label}: {removed} removed so far")
        self.stdout.write(f"{label}: {removed} removed")
