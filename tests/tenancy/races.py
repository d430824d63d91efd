"""How often a race is run, and how it ended."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator

PATIENCE = 4.0  # seconds that each race may take
ROUNDS = 100


def count(outcomes: Iterable[object], kind: type) -> int:
    """Return how many outcomes are of a kind."""
    return sum(isinstance(each, kind) for each in outcomes)


def rounds() -> Iterator[int]:
    """Count to a hundred, or as far as there is time, ten at least."""
    deadline = time.monotonic() + PATIENCE
    for number in range(ROUNDS):
        if number >= 10 and time.monotonic() > deadline:
            return
        yield number
