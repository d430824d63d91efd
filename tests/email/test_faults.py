"""
Messages through real workers that are killed: none is lost, and few arrive twice.

``python -m benchmarks.outbox_faults`` is the same with more of everything.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.db import connection

from tests.email.fault_run import FaultRun
from tests.plugin import ROOT
from tests.services import Services

pytestmark = [
    pytest.mark.postgresql,
    pytest.mark.redis,
    pytest.mark.hosts("full"),
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[FaultRun]:
    """Workers on the database of the test, and on a Redis of their own, which can be restarted."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    services = Services.prepare(ROOT / ".local")
    try:
        with FaultRun(url.geturl(), services, tmp_path, lease=2.0, chance=random.Random(5)) as running:
            yield running
    finally:
        services.stop()


class TestFaults:
    def test_nothing_is_lost(self, run):
        """I79, I80, I81: workers and their children are killed, and Redis forgets what was handed over."""
        killed = run.pass_through(1000, kills=20, redis_restarts=1)
        assert killed.problems() == []
        # on a fast machine all may have arrived before the last faults have their turn
        assert killed.kills >= 15
        assert killed.faults["restart Redis"] <= 1

        stopped = run.pass_through(400, stops=4)
        assert stopped.problems() == []
        assert stopped.duplicates == 0
        assert stopped.faults["ask a worker to stop"] >= 2
