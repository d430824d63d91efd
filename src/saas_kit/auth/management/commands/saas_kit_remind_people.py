from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from saas_kit.auth.services.reminders import links_unused, remind_unverified


class Command(BaseCommand):
    help = (
        "Remind people who registered and did not prove their address (SAAS_KIT_AUTH_VERIFY_EMAIL_REMINDER), once. It "
        "can be stopped and run again at any time, and twice at once."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="Say what would be done and do nothing.")

    def handle(self, *, dry_run: bool, **options: Any) -> None:
        if dry_run:
            self.stdout.write(f"people: {links_unused().count()} would be reminded")
        else:
            self.stdout.write(f"people: {remind_unverified()} reminded")
