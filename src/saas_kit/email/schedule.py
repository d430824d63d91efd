"""What is done for the outbox, and how often."""

from __future__ import annotations

from datetime import time, timedelta

SCHEDULE = {
    "saas_kit.email.tasks.sweep": timedelta(seconds=30),
    "saas_kit.email.tasks.purge": time(3, 40),
}
