"""Two ways of doing the same, measured by turns, and their ratio."""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Way:
    """
    One way of doing something.

    Attributes:
        run: Does it once.
        prepare: Makes it the way that is in force, before its turn; not measured.
        backend: Returns the process id of its database server's backend, where that is on this machine.
    """

    run: Callable[[], object]
    prepare: Callable[[], object]
    backend: Callable[[], int | None] = lambda: None


@dataclass(frozen=True)
class Comparison:
    """
    What a way costs as a multiple of another.

    Attributes:
        without: The median cost of the one, in microseconds of the process's CPU time.
        with_: The median cost of the other.
        ratio: The median of the ratios of neighbouring turns.
        quartiles: The first and the third quartile of these ratios.
        server_ratio: The ratio of the server's CPU time; None where it is not known.
    """

    without: float
    with_: float
    ratio: float
    quartiles: tuple[float, float]
    server_ratio: float | None


def compare(without: Way, with_: Way, *, turns: int, runs: int) -> Comparison:
    """Let two ways run by turns, so that whatever else the machine does meets both; the order changes each time."""
    costs: tuple[list[float], list[float]] = ([], [])
    server = [0, 0]
    for number in range(turns + 1):
        for index in (0, 1) if number % 2 else (1, 0):
            cost, server_cost = _turn((without, with_)[index], runs)
            if number:  # the first is for warming up
                costs[index].append(cost / runs / 1000)
                server[index] += server_cost
    ratios = [after / before for before, after in zip(*costs, strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    medians = [statistics.median(each) for each in costs]
    return Comparison(
        medians[0], medians[1], middle, (low, high), server[1] / server[0] if all(server) else None
    )


def _turn(way: Way, runs: int) -> tuple[int, int]:
    way.prepare()
    for _ in range(3):
        way.run()
    gc.collect()
    gc.disable()
    pid = way.backend()
    server_start, start = _cpu_of(pid), time.process_time_ns()
    for _ in range(runs):
        way.run()
    cost = time.process_time_ns() - start
    server_cost = _cpu_of(pid) - server_start
    gc.enable()
    return cost, server_cost


def _cpu_of(pid: int | None) -> int:
    """Return the nanoseconds that a process has had a processor for; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    except OSError:
        return 0
