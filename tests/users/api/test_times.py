"""Times are RFC 3339 in UTC, whatever time zone the host is in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from django.test import override_settings

from tests.api_fixtures import World
from tests.api_fixtures.catalog import ALL

UTC_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")


def _times(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            if name.endswith("_at") and item is not None:
                yield name, item
            yield from _times(item)
    elif isinstance(value, list):
        for item in value:
            yield from _times(item)


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kathmandu"])
def test_times_are_in_utc(zone: str, world: World) -> None:
    """Every time in every answer ends in Z, in any host's time zone, and is the moment that was stored."""
    found = []
    with override_settings(TIME_ZONE=zone):
        for operation in ALL:
            caller = "target" if operation.template == "users/{id}/" else "account_owner"
            if operation.method in ("GET", "PATCH", "POST") and "transfer" not in operation.template:
                response = operation.call(world, caller)
                if response.status_code < 300 and response.content:
                    found += list(_times(response.json()))
        own = world.client("owner").get(world.a.path("teams/{id}/")).json()
    assert {name for name, _value in found} >= {"created_at"}
    assert [each for each in found if not UTC_TIME.fullmatch(each[1])] == []
    assert datetime.fromisoformat(own["created_at"]) == world.a.team.created_at
