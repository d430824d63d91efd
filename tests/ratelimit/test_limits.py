"""Attempts are counted, whoever makes them and however many at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
import time_machine
from django.core.cache import cache

from saas_kit.core.exceptions import RateLimited
from saas_kit.ratelimit import Limit, forget, hit, network_of

MIDDLE_OF_A_WINDOW = datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC)
THREE_A_MINUTE = Limit(3, 60)
IN_MEMORY = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}


def passes(limit: Limit, *parts: str, name: str = "try") -> bool:
    try:
        hit(name, limit, *parts)
    except RateLimited:
        return False
    return True


@pytest.fixture
def clock():
    """Stand still in the middle of a minute."""
    with time_machine.travel(MIDDLE_OF_A_WINDOW, tick=False) as clock:
        yield clock


class TestParse:
    @pytest.mark.parametrize(
        ("text", "amount", "seconds"),
        [("5/s", 5, 1), ("5/m", 5, 60), ("5/10m", 5, 600), ("100/h", 100, 3600), ("1/2d", 1, 172_800)],
    )
    def test_a_rate(self, text, amount, seconds):
        assert Limit.parse(text) == Limit(amount, seconds)

    @pytest.mark.parametrize(
        "text",
        ["", "5", "5/", "/m", "0/m", "5/0m", "-5/m", "5/w", "5/m ", "5 / m", "5/mm", "\u0665/m", "5/1.5h"],
    )
    def test_no_rate(self, text):
        """A mistake in a setting is told, with what is right."""
        with pytest.raises(ValueError, match="'5/m'"):
            Limit.parse(text)


class TestNetworkOf:
    @pytest.mark.parametrize(
        ("address", "network"),
        [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::FFFF:c000:0201", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
            ("2001:0DB8:1:2::9", "2001:db8:1:2::/64"),
            ("fe80::1%eth0", "fe80::/64"),
            ("::1", "::/64"),
        ],
    )
    def test_an_address(self, address, network):
        """I107: addresses that one client has count as one, in every spelling."""
        assert network_of(address) == network

    @pytest.mark.parametrize("text", ["", "unix:", "ann@example.com", "192.0.2", "192.0.2.256", "7", "a\nb"])
    def test_other_text(self, text):
        assert network_of(text) == text


@pytest.mark.usefixtures("clock")
class TestHit:
    def test_so_many_pass(self):
        assert [passes(THREE_A_MINUTE, "ann") for _ in range(5)] == [True, True, True, False, False]

    def test_who_is_refused_is_told_when_to_come_back(self):
        """The window ends at the full minute."""
        limit = Limit(1, 60)
        hit("try", limit, "ann")

        with pytest.raises(RateLimited) as caught:
            hit("try", limit, "ann")

        assert caught.value.retry_after == 30

    def test_next_window_begins_anew(self, clock):
        limit = Limit(1, 60)
        assert [passes(limit, "ann"), passes(limit, "ann")] == [True, False]

        clock.shift(timedelta(seconds=30))

        assert passes(limit, "ann")

    def test_others_and_other_things_are_counted_apart(self):
        limit = Limit(1, 60)

        assert passes(limit, "ann", "192.0.2.1")
        assert passes(limit, "bob", "192.0.2.1")
        assert passes(limit, "ann", "192.0.2.2")
        assert passes(limit, "ann", "192.0.2.1", name="other")
        assert not passes(limit, "ann", "192.0.2.1")

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ("2001:db8::1", "2001:db8::2"),
            ("192.0.2.1", "::ffff:192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
        ],
    )
    def test_another_address_of_a_network_is_no_way_around(self, first, second):
        """I107: IPv6 /64 rotation and the other version of an address give no new count; another network does."""
        limit = Limit(1, 60)

        assert passes(limit, first)
        assert not passes(limit, second)
        assert passes(limit, "2001:db8:0:1::1")
        assert passes(limit, "::ffff:192.0.2.2")

    def test_no_part_is_in_the_cache(self, settings):
        """I127: who tries is kept under a hash."""
        settings.CACHES = {"default": IN_MEMORY}
        hit("try", THREE_A_MINUTE, "ann@example.com", "192.0.2.1")

        keys = [str(key) for key in cache._cache]
        assert keys
        assert not any("ann" in key or "192.0.2" in key for key in keys)


@pytest.mark.usefixtures("clock")
class TestForget:
    def test_one_more_passes(self):
        for _ in range(3):
            hit("try", THREE_A_MINUTE, "ann")

        forget("try", THREE_A_MINUTE, "ann")

        assert [passes(THREE_A_MINUTE, "ann"), passes(THREE_A_MINUTE, "ann")] == [True, False]

    def test_what_was_not_counted_is_no_error(self):
        """The window may have ended between."""
        forget("try", THREE_A_MINUTE, "nobody")

        assert [passes(THREE_A_MINUTE, "nobody") for _ in range(4)] == [True, True, True, False]


@pytest.mark.parametrize("backend", ["memory", pytest.param("redis", marks=pytest.mark.redis)])
def test_of_fifty_at_once_exactly_as_many_as_allowed_pass(backend, settings, clock):
    """T20: counting is one atomic step, so a race lets nobody through that came too late."""
    if backend == "memory":
        settings.CACHES = {"default": IN_MEMORY}
    else:
        assert "Redis" in settings.CACHES["default"]["BACKEND"]
    together = Barrier(50)

    def attempt(number: int) -> bool:
        together.wait()
        return passes(Limit(20, 3600), f"{backend} at once")

    with ThreadPoolExecutor(50) as threads:
        results = list(threads.map(attempt, range(50)))

    assert results.count(True) == 20
