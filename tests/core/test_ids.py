"""Identifiers that sort by creation."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import RFC_4122

import time_machine

from saas_kit.core.ids import uuid7

MANY = 2000


def test_is_a_version_7_uuid():
    """The bits of version and variant are those of RFC 9562."""
    made = [uuid7() for _ in range(MANY)]

    assert {each.version for each in made} == {7}
    assert {each.variant for each in made} == {RFC_4122}


def test_first_48_bits_are_the_time():
    """The time of creation can be read off an id, in milliseconds."""
    soon = (uuid7().int >> 80) + 60_000  # ids never go back, so the time is one ahead of all before
    with time_machine.travel(soon / 1000, tick=False):
        now = time.time_ns() // 1_000_000
        made = uuid7()

    assert made.int >> 80 == now


def test_ids_of_one_thread_ascend():
    """Each id is larger than the one before, within a millisecond too."""
    made = [uuid7() for _ in range(MANY)]

    assert made == sorted(made)
    assert len(set(made)) == MANY


def test_ids_ascend_when_the_clock_goes_backwards():
    """A clock that is set back does not make an id that sorts before an older one."""
    before = uuid7()
    with time_machine.travel("2001-01-01T00:00:00Z", tick=False):
        after = uuid7()

    assert after > before


def test_ids_ascend_in_every_thread_and_never_repeat():
    """Threads that make ids at the same time get ascending ones each, and no two the same."""
    with ThreadPoolExecutor(8) as threads:
        runs = list(threads.map(lambda _: [uuid7() for _ in range(MANY)], range(8)))

    assert all(run == sorted(run) for run in runs)
    assert len({each for run in runs for each in run}) == 8 * MANY
