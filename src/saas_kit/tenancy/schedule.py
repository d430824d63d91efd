"""What is done about organizations, invitations and domains, and how often."""

from __future__ import annotations

from datetime import time, timedelta

SCHEDULE = {
    "saas_kit.tenancy.tasks.remind_invited": timedelta(minutes=15),
    "saas_kit.tenancy.tasks.check_domains": timedelta(hours=1),
    "saas_kit.tenancy.tasks.purge": time(3, 0),
}
