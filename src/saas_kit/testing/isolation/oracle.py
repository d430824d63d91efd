"""
What gives a leak away.

It is one of: a text or key of B's in the answer that the caller did not send; a row of B's that changed, or a row
elsewhere that has come to point at one; an answer that differs from the answer to a key that nobody has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from saas_kit.testing.isolation.calls import Answer, Call
from saas_kit.testing.isolation.report import Leak, Report
from saas_kit.testing.isolation.routes import Route
from saas_kit.testing.isolation.rows import changes_now, read_rows, undone
from saas_kit.testing.isolation.twins import Preparation, Twin
from saas_kit.testing.isolation.world import World

_UUIDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIMES = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^\"',\s]*")
_TOKENS = re.compile(r"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]+)?")
_LONG = 4


@dataclass(frozen=True)
class Tried:
    """A request and what came of it."""

    call: Call
    answer: Answer
    changes: tuple[str, ...]


class Oracle:
    """
    Sends probes, judges the answers and writes down what gives a leak away.

    Args:
        forget_caches: Makes the host's caches forget everything.
    """

    def __init__(self, world: World, report: Report, forget_caches: Callable[[], None]) -> None:
        self.world = world
        self.report = report
        self.forget_caches = forget_caches
        self._troubles: dict[str, str] = {}

    # sending

    def send(self, call: Call, prepare: Preparation | None = None, *, who: str = "owner") -> Answer:
        """Send a request and undo what it did."""
        with undone(self.world.aliases):
            self.prepare(prepare)
            return self.sent(who, call)

    def attempt(self, call: Call, prepare: Preparation | None = None, *, who: str = "owner") -> Tried:
        """Send a request, look at what became of B's rows, and undo it."""
        with undone(self.world.aliases):
            belongings = self.world.belongings
            if prepare is not None:
                self.prepare(prepare)
                belongings = belongings.rebased(read_rows(self.world.tables))
            answer = self.sent(who, call)
            changes = changes_now(belongings, self.world.tables) if answer.wrote else []
        return Tried(call, answer, tuple(changes))

    def prepare(self, prepare: Preparation | None) -> None:
        self.forget_caches()
        if prepare is not None:
            prepare(self.world.a)
            prepare(self.world.b)

    def sent(self, who: str, call: Call) -> Answer:
        self.report.requests += 1
        answer: Answer = self.world.send(who, call)
        return answer

    # judging

    def judge(self, twin: Twin, probe: str, tried: Tried, *, who: str = "owner") -> bool:
        """Write down what an answer has of B's, and what became of B's rows; say whether anything did."""
        evidence = [f"{change}" for change in tried.changes]
        found = self.found_in(tried)
        if who == "owner" and probe == "twin":
            twin.gives_away = frozenset(found)
        elif who == "owner":
            found = [each for each in found if each not in twin.gives_away]
        if found:
            evidence.insert(0, f"the answer {tried.answer.status} has what is B's: {', '.join(found[:3])}")
        for each in evidence:
            self.leak(twin.route, probe, who, each, tried.call)
        if tried.answer.crashed:
            self._troubles[twin.route.label] = f"{probe}: the request failed: {tried.answer}"
        self.report.note(twin.route.label, probe, "ok")
        return bool(evidence)

    def found_in(self, tried: Tried) -> list[str]:
        """Return what an answer has of B's that the caller did not send."""
        text = f"{tried.answer.headers}\n{tried.answer.text}"
        return self.world.belongings.found_in(text, besides=tried.call.sent())

    def compare(
        self,
        twin: Twin,
        probe: str,
        tried: Tried,
        unknown: Call,
        *,
        who: str = "owner",
        other: Tried | None = None,
    ) -> None:
        """
        Judge an answer, and write down if a key that nobody has is answered in another way.

        Args:
            other: How that is answered, where it is known already.
        """
        if self.judge(twin, probe, tried, who=who):
            return
        other = other or self.attempt(unknown, twin.prepare, who=who)
        difference = self._difference(tried, other)
        if difference and tried.answer.status == other.answer.status:
            again = self.attempt(unknown, twin.prepare, who=who)
            if self._difference(other, again):
                return  # no two answers of this route are alike
        if difference:
            self.leak(twin.route, probe, who, difference, tried.call)

    def _difference(self, tried: Tried, other: Tried) -> str:
        one, two = tried.answer, other.answer
        if one.status != two.status:
            return f"it tells that the row exists: {one.status}, and {two.status} for a key that nobody has"
        if neutral(tried) != neutral(other):
            return (
                f"it tells that the row exists: both are {one.status}, and the bodies differ: "
                f"{one.text[:160]!r}, and {two.text[:160]!r} for a key that nobody has"
            )
        return ""

    def leak(self, route: Route, probe: str, who: str, evidence: str, call: Call) -> None:
        caller = self.world.callers[who]
        self.report.add(Leak(route.label, probe, caller.name, evidence, call.curl(caller.token)))

    @property
    def troubles(self) -> dict[str, str]:
        """Routes where a probe made the server fail, and how."""
        return self._troubles


def neutral(tried: Tried) -> str:
    """Return an answer's body without what the caller sent and without what differs each time."""
    sent = tried.call.sent()
    data = tried.answer.data
    text = tried.answer.text if data is None else json.dumps(_without(data, sent))
    for value in sorted(sent, key=len, reverse=True):
        if len(value) >= _LONG:  # shorter ones are in many words by chance
            for form in {value, value.replace("-", ""), quote_plus(value), value.lower()}:
                text = text.replace(form, "<sent>")
    if tried.answer.request_id:
        text = text.replace(tried.answer.request_id, "<request>")
    if tried.call.method != "GET" or not tried.answer.ok:
        text = _TOKENS.sub("<token>", text)
        text = _UUIDS.sub("<uuid>", text)
    return _TIMES.sub("<time>", text) if tried.call.method != "GET" else text


def _without(data: Any, values: set[str]) -> Any:
    """Return data in which what is one of some values is not told from another."""
    if isinstance(data, dict):
        return {name: _without(value, values) for name, value in data.items()}
    if isinstance(data, list):
        return [_without(value, values) for value in data]
    return "<sent>" if str(data) in values else data
