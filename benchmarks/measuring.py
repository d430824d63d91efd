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

    name: str
    run: Callable[[], object]
    prepare: Callable[[], object] = lambda: None
    backend: Callable[[], int | None] = lambda: None


@dataclass(frozen=True)
class Comparison:
    """What a way costs as a multiple of another: the median of the ratios of neighbouring turns, and quartiles."""

    name: str
    before: float
    after: float
    ratio: float
    quartiles: tuple[float, float]
    rounds: int
    runs: int
    server_ratio: float | None

    def __str__(self) -> str:
        low, high = self.quartiles
        server = "" if self.server_ratio is None else f"{self.server_ratio:.3f}"
        return (
            f"| {self.name} | {self.before:.0f} | {self.after:.0f} | **{self.ratio:.3f}** | {low:.3f} to {high:.3f} "
            f"| {self.rounds} by {self.runs} | {server} |"
        )


HEADER = """\
| compared | without, µs | with, µs | ratio | quartiles | turns by runs | server's CPU |
|---|---|---|---|---|---|---|"""


def compare(name: str, without: Way, with_: Way, *, rounds: int, runs: int) -> Comparison:
    """
    Run two ways by turns, so that what else the machine does meets both.

    The cost is the process's CPU time. The order changes every round.
    """
    costs: dict[str, list[float]] = {without.name: [], with_.name: []}
    server: dict[str, float] = {without.name: 0, with_.name: 0}
    gc.collect()
    gc.freeze()
    for way in (without, with_):
        _turn(way, runs, {way.name: []}, {way.name: 0})
    for number in range(rounds):
        order = (without, with_) if number % 2 else (with_, without)
        for way in order:
            _turn(way, runs, costs, server)
    gc.unfreeze()
    ratios = [after / before for before, after in zip(*costs.values(), strict=True)]
    low, middle, high = statistics.quantiles(ratios, n=4)
    before, after = (statistics.median(each) / 1000 for each in costs.values())
    server_ratio = server[with_.name] / server[without.name] if all(server.values()) else None
    return Comparison(name, before, after, middle, (low, high), rounds, runs, server_ratio)


def _turn(way: Way, runs: int, costs: dict[str, list[float]], server: dict[str, float]) -> None:
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
    server[way.name] += _cpu_of(pid) - server_start
    gc.enable()
    costs[way.name].append(cost / runs)


def _cpu_of(pid: int | None) -> int:
    """Return the nanoseconds that a process has had a processor for; 0 where the system does not tell."""
    try:
        return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])
    except OSError:
        return 0
