"""The permitted twin of every probe: a request for the caller's own rows that succeeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice, product
from typing import Any
from uuid import UUID

from django.db import models

from saas_kit.testing.isolation.bodies import Bodies, model_of_name
from saas_kit.testing.isolation.calls import NOTHING, Answer, Call
from saas_kit.testing.isolation.proof import IsolationProof, by_route
from saas_kit.testing.isolation.routes import Route
from saas_kit.testing.isolation.shapes import view_model
from saas_kit.testing.isolation.world import Side, World, identifying_fields

_MOST_PATHS = 24
_MOST_TRIES = 160
_MOST_PREPARED = 3
_NOT_HERE = (404, 405)
_NAMING = ("slug", "key", "token", "code", "number", "username", "email")

Preparation = Callable[[Side], Any]


@dataclass
class Twin:
    """
    What is known of a route once it was tried with the caller's own rows.

    Attributes:
        call: The request that succeeded, or the likeliest one where none did.
        prepare: What has to be done first; None where nothing has.
        why: Why the route counts as not exercised; empty where it was.
        is_there: Whether the view has the method at all.
        gives_away: What its answer has of B's.
    """

    route: Route
    call: Call
    answer: Answer
    bodies: Bodies
    prepare: Preparation | None = None
    why: str = ""
    is_there: bool = True
    gives_away: frozenset[str] = frozenset()


class Twins:
    """
    Finds the permitted twins of routes, one after another.

    Args:
        send: Sends a request as the full-power member of A and undoes what it did; gets what to do first.
    """

    def __init__(
        self,
        proof: IsolationProof,
        world: World,
        send: Callable[[Call, Preparation | None], Answer],
        routes: list[Route],
    ) -> None:
        self._proof = proof
        self._world = world
        self._send = send
        self._routes = routes
        self._reads: dict[str, Twin] = {}

    def find(self, route: Route, bodies: Bodies) -> Twin:
        """Return the permitted twin of a route."""
        given = by_route(self._proof.bodies, route.label)
        best: Twin | None = None
        for call, prepare in islice(self._attempts(route, bodies, given), _MOST_TRIES):
            answer = self._send(call, prepare)
            found = Twin(route, call, answer, bodies, prepare)
            if answer.ok and self._does_something(found):
                best = found
                break
            if best is None or _rank(answer) > _rank(best.answer):
                best = found
            if answer.status == 405 and not route.certain:
                break
        if best is None:
            call = _call_of(route, {})
            return Twin(route, call, Answer(0, ""), bodies, why="no row of the caller's fits the path")
        if not best.answer.ok:
            best.why = _why(best.answer)
            best.is_there = route.certain or best.answer.status not in _NOT_HERE
        elif route.is_safe:
            self._reads[route.template] = best
        return best

    def _does_something(self, twin: Twin) -> bool:
        # a bulk delete of nothing succeeds too; a body whose keys are guessed has to have an effect
        guessed = any(twin.bodies.model_at(*place) is None for place in twin.bodies.key_places())
        return twin.route.is_safe or not guessed or twin.answer.wrote

    def _attempts(
        self, route: Route, bodies: Bodies, given: Any
    ) -> Iterator[tuple[Call, Preparation | None]]:
        prepared = by_route(self._proof.prepare, route.label)
        paths = list(self._paths(route))
        for place, path in enumerate(paths):
            call = _call_of(route, path)
            variants = list(self._variants(route, bodies, given, path))
            for body in variants:
                yield call.with_body(body), prepared
            if prepared is None and place < _MOST_PREPARED:
                for step in self._steps_before(route, path):
                    for body in variants[:4]:
                        yield call.with_body(body), step

    def _variants(self, route: Route, bodies: Bodies, given: Any, path: dict[str, str]) -> Iterator[Any]:
        if given is not None:
            yield given(self._world.a)
            return
        if route.is_safe or route.method == "DELETE":
            yield NOTHING
            if bodies.shape is None:
                return
        read = None
        if route.method in ("PUT", "PATCH"):
            known = self._reads.get(route.template)
            call = replace(_call_of(route, path), method="GET")
            read = self._send(call, None).data if known is not None else None
        if route.method == "PATCH" and (bodies.shape or {}).get("properties"):
            yield from self._single_members(bodies, read)
        yield from bodies.variants(read)
        if not route.is_safe and route.method != "DELETE":
            yield from ({}, NOTHING)

    def _single_members(self, bodies: Bodies, read: Any) -> Iterator[Any]:
        keys = {path[0] for path, _shape in bodies.key_places()}
        shapes = (bodies.shape or {})["properties"]
        for name, shape in shapes.items():
            if name not in keys and not shape.get("readOnly"):
                yield bodies.single(name, read)
        if isinstance(read, dict):
            for name in shapes:
                if name in read and not shapes[name].get("readOnly"):
                    yield {name: read[name]}

    # paths

    def _paths(self, route: Route) -> Iterator[dict[str, str]]:
        """Yield values of the caller's own for the path's parameters, the likeliest first."""
        options = [self._path_values(route, name) for name in route.parameters]
        if not options:
            yield {}
            return
        known = self._known_paths(route)
        yield from known
        places = sorted(product(*(range(len(each)) for each in options)), key=sum)
        for chosen in places[:_MOST_PATHS]:
            values = (each[index] for each, index in zip(options, chosen, strict=True))
            path = dict(zip(route.parameters, values, strict=True))
            if path not in known:
                yield path

    def _known_paths(self, route: Route) -> list[dict[str, str]]:
        # what another method of the same path was found to take, or a shorter path
        found = []
        for template, twin in self._reads.items():
            names = list(twin.call.path)
            if template == route.template or (
                route.template.startswith(template) and names == route.parameters
            ):
                found.append(dict(twin.call.path))
        return found[-1:]

    def _path_values(self, route: Route, name: str) -> list[str]:
        side = self._world.a
        converter = route.converters.get(name, "")
        found: list[str] = []
        for model, attribute in self._likely(route, name):
            for row in side.rows.get(model, ()):
                value = getattr(row, attribute, None)
                if value not in (None, "") and _fits(value, converter) and str(value) not in found:
                    found.append(str(value))
        return found

    def _likely(self, route: Route, name: str) -> Iterator[tuple[Any, str]]:
        """Yield models and fields that a parameter may be of, the likeliest first."""
        side, view = self._world.a, route.view
        is_last = name == route.parameters[-1]
        base, _, suffix = name.rpartition("_")
        attributes = ["pk"]
        lookup = getattr(view, "lookup_field", "pk")
        if is_last and lookup not in ("pk", "id"):
            attributes = [lookup]
        elif suffix in _NAMING:
            attributes = [suffix, "pk"]
        place = route.segments.index(f"{{{name}}}") if f"{{{name}}}" in route.segments else 0
        words = [word for word in (base, name, route.segments[place - 1] if place else "") if word]
        named = [model_of_name(word, side) for word in words]
        likely = [view_model(route) if is_last else None, *named, *side.rows]
        known = list(dict.fromkeys(model for model in likely if model is not None))
        yield from ((model, attribute) for model in known for attribute in attributes)
        for model in side.rows:
            others = (each for each in identifying_fields(model) if each not in attributes)
            yield from ((model, attribute) for attribute in others)

    # states

    def _steps_before(self, route: Route, path: dict[str, str]) -> Iterator[Preparation]:
        """Yield what may bring a row in the state that an action needs: its deletion, or another action."""
        if route.is_safe or not route.parameters:
            return
        above = route.template.rstrip("/").rpartition("/")[0] + "/"
        siblings = [each for each in self._routes if each.template == above and each.method == "DELETE"]
        siblings += [
            each
            for each in self._routes
            if each.method == "POST"
            and each.template != route.template
            and each.parameters == route.parameters
            and each.template.rstrip("/").rpartition("/")[0] + "/" == above
        ]
        for each in siblings:
            yield self._step(each, path)

    def _step(self, route: Route, path: dict[str, str]) -> Preparation:
        world = self._world

        def do(side: Side) -> None:
            values = path
            if side is world.b:
                values = {name: world.counterpart(value) or value for name, value in path.items()}
            who = "owner" if side is world.a else "owner of b"
            body: Any = NOTHING if route.method == "DELETE" else {}
            world.send(who, _call_of(route, values).with_body(body))

        return do


def _call_of(route: Route, path: dict[str, str]) -> Call:
    return Call(route.method, route.template, path, takes_tokens=route.takes_tokens)


def _fits(value: Any, converter: str) -> bool:
    if converter == "uuid":
        return isinstance(value, UUID)
    if converter == "int":
        return isinstance(value, int)
    return not isinstance(value, models.Model)


def _rank(answer: Answer) -> int:
    """Return how near an answer is to success: a body that is refused is nearer than a path that is not found."""
    if answer.ok:
        return 9
    return {409: 8, 400: 7, 422: 7, 403: 6, 415: 5, 404: 2, 405: 1}.get(answer.status, 3)


def _why(answer: Answer) -> str:
    if answer.crashed:
        return f"the caller's own request failed: {answer}"
    detail = answer.text[:300].replace("\n", " ")
    return f"the caller's own request was answered {answer.status}: {detail}"
