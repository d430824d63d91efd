from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from saas_kit.tenancy.services import remind_invitations


class Command(BaseCommand):
    help = (
        "Remind people of invitations that end soon and that they did not answer "
        "(SAAS_KIT_TENANCY_INVITATION_REMINDER), once of each. It can be stopped and run again at any time, and twice "
        "at once."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"invitations: {remind_invitations()} people reminded")
