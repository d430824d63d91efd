"""What the prover found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from saas_kit.testing.isolation.proof import by_route

PROBES = ("twin", "path", "query", "body", "headers", "cache", "others", "stranger", "anonymous")
"""The columns of the table, in order."""

_MARKS = {"ok": "ok", "leak": "LEAK", "unexercised": "?"}


@dataclass(frozen=True)
class Leak:
    """
    A request that reached what belongs to another organization.

    Attributes:
        route: The method and the path, as in ``GET /api/v1/notes/{id}/``.
        probe: What was tried: a column of the table.
        caller: Who sent it.
        evidence: What gave it away.
        curl: The request as a command line.
    """

    route: str
    probe: str
    caller: str
    evidence: str
    curl: str

    def __str__(self) -> str:
        return f"{self.route} [{self.probe}, {self.caller}]: {self.evidence}\n    {self.curl}"


@dataclass(frozen=True)
class Unexercised:
    """
    A route, or a model, of which nothing was proved.

    Attributes:
        route: The route; or the label of a model of which no row could be made.
        why: What came in the way.
        reason: Why that is all right, as the proof names it; empty where it does not.
    """

    route: str
    why: str
    reason: str = ""

    def __str__(self) -> str:
        named = f" (named: {self.reason})" if self.reason else ""
        return f"{self.route}: {self.why}{named}"


@dataclass
class Report:
    """
    What the prover found.

    Attributes:
        leaks: Requests that reached what belongs to another organization.
        unexercised: Routes of which nothing was proved.
        requests: How many requests were sent.
        cells: The table: by route and probe what came of it.
    """

    leaks: list[Leak] = field(default_factory=list)
    unexercised: list[Unexercised] = field(default_factory=list)
    requests: int = 0
    cells: dict[str, dict[str, str]] = field(default_factory=dict)

    @property
    def routes(self) -> list[str]:
        """The routes that were tried."""
        return [route for route in self.cells if " " in route]

    @property
    def unnamed(self) -> list[Unexercised]:
        """What was not exercised and is not named with a reason."""
        return [each for each in self.unexercised if not each.reason]

    @property
    def is_clean(self) -> bool:
        """Whether nothing leaks, and every route was exercised or is named with a reason."""
        return not self.leaks and not self.unnamed

    def note(self, route: str, probe: str, outcome: str) -> None:
        """Write a cell of the table; a leak stays one."""
        row = self.cells.setdefault(route, {})
        if row.get(probe) != "leak":
            row[probe] = outcome

    def add(self, leak: Leak) -> None:
        """Add a leak, once for each route, probe and kind of evidence."""
        self.note(leak.route, leak.probe, "leak")
        kind = leak.evidence.split(":")[0]
        same = (
            each
            for each in self.leaks
            if (each.route, each.probe, each.caller) == (leak.route, leak.probe, leak.caller)
        )
        if all(each.evidence.split(":")[0] != kind for each in same):
            self.leaks.append(leak)

    def skip(self, route: str, probe: str, why: str, named: Mapping[str, str]) -> None:
        """Note that a route was not exercised, and whether the proof names it."""
        self.note(route, probe, "unexercised")
        if all(each.route != route for each in self.unexercised):
            self.unexercised.append(Unexercised(route, why, by_route(named, route) or ""))

    def table(self) -> str:
        """Return what came of each probe on each route: ``ok``, ``LEAK``, ``?`` or nothing where it does not apply."""
        width = max((len(route) for route in self.cells), default=5)
        lines = [f"{'route':<{width}}  " + "  ".join(f"{probe:<9}" for probe in PROBES).rstrip()]
        for route, row in self.cells.items():
            marks = (f"{_MARKS.get(row.get(probe, ''), '-'):<9}" for probe in PROBES)
            lines.append(f"{route:<{width}}  " + "  ".join(marks).rstrip())
        return "\n".join(lines)

    def summary(self) -> str:
        """Return the table, every leak with its request, and what was not exercised."""
        parts = [self.table()]
        if self.leaks:
            parts.append("\n".join(["Leaks:", *(f"  {leak}" for leak in self.leaks)]))
        if self.unexercised:
            parts.append("\n".join(["Not exercised:", *(f"  {each}" for each in self.unexercised)]))
        parts.append(
            f"{len(self.routes)} routes, {self.requests} requests: {len(self.leaks)} leaks, "
            f"{len(self.unnamed)} not exercised, {len(self.unexercised) - len(self.unnamed)} named with a reason."
        )
        return "\n\n".join(parts)
