"""What is done about people, their sessions and links, and how often."""

from __future__ import annotations

from datetime import time, timedelta

SCHEDULE = {
    "saas_kit.auth.tasks.remind_people": timedelta(minutes=15),
    "saas_kit.auth.tasks.purge": time(3, 20),
}
