"""Remove for good what was deleted longer ago than the retention time, and invitations that are long over."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from saas_kit.core.deletion import purge, purge_rows, soft_deletable_models
from saas_kit.tenancy import unscoped
from saas_kit.tenancy.conf import TenancySettings
from saas_kit.tenancy.models import Invitation
from saas_kit.tenancy.services.retention import old_invitations


class Command(BaseCommand):
    help = (
        "Remove for good what was deleted longer ago than the retention time "
        "(SAAS_KIT_TENANCY_RETENTION_DAYS), with all that belongs to it, and invitations that ended longer ago than "
        "SAAS_KIT_TENANCY_INVITATION_RETENTION. "
        "It works in batches, each a transaction of its own, and can be stopped and run again at any time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--days", type=int, help="Days to keep what was deleted; the retention setting where left out."
        )
        parser.add_argument(
            "--batch-size", type=int, default=500, help="Rows per transaction (default: 500)."
        )
        parser.add_argument(
            "--dry-run", action="store_true", help="Say what would be removed and remove nothing."
        )

    @unscoped(reason="purging what was deleted")
    def handle(self, *args: Any, **options: Any) -> None:
        days = TenancySettings.RETENTION_DAYS if options["days"] is None else options["days"]
        if days < 0 or options["batch_size"] < 1:
            self.stderr.write("--days must be 0 or more and --batch-size 1 or more.")
            raise SystemExit(2)
        deleted_before = timezone.now() - timedelta(days=days)
        for model in soft_deletable_models():
            label = model._meta.label
            if options["dry_run"]:
                count = model._base_manager.filter(deleted_at__lt=deleted_before).count()
                self.stdout.write(f"{label}: {count} would be removed, with what belongs to them")
                continue
            self._purge(model, deleted_before, options["batch_size"], progress=options["verbosity"] > 1)
        label, found = Invitation._meta.label, old_invitations()
        if options["dry_run"]:
            self.stdout.write(f"{label}: {found.count()} would be removed, which are over")
            return
        removed = 0
        for count in purge_rows(found, batch_size=options["batch_size"]):
            removed += count
            if options["verbosity"] > 1:
                self.stdout.write(f"{label}: {removed} rows removed so far")
        self.stdout.write(f"{label}: {removed} rows removed, which were over")

    def _purge(self, model: Any, deleted_before: datetime, batch_size: int, *, progress: bool) -> None:
        label, removed = model._meta.label, 0
        batches = purge(model, deleted_before=deleted_before, batch_size=batch_size)
        while True:
            try:
                removed += next(batches)
            except StopIteration as end:
                left = end.value
                break
            if progress:
                self.stdout.write(f"{label}: {removed} rows removed so far")
        self.stdout.write(f"{label}: {removed} rows removed, with what belonged to them")
        if left:
            self.stderr.write(
                f"{label}: {len(left)} rows are left, because something that is there protects them"
            )
