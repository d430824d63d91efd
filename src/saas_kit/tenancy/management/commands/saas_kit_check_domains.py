from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from saas_kit.tenancy.services import check_domains


class Command(BaseCommand):
    help = (
        "Look up again what proves the domains that organizations have (SAAS_KIT_TENANCY_DOMAIN_CHECK_INTERVAL). "
        "Owners are told once where it is gone; after SAAS_KIT_TENANCY_DOMAIN_GRACE the organization has the domain no "
        "longer. It can be stopped and run again at any time, and twice at once."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        done = check_domains()
        self.stdout.write(
            f"domains: {done.found} found, {done.missing} missing, {done.lost} lost, {done.untold} not told by DNS"
        )
