"""
What is tried on each route, and what gives a leak away.

A probe is a request of somebody who has no business in B. What gives it away is one of: a text or key of B's in the
answer that the caller did not send; a row of B's that changed, or a row elsewhere that has come to point at one; an
answer that differs from the answer to a key that nobody has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

from django.db import models

from saas_kit.testing.isolation.bodies import Bodies, at, foreign_keys_of, like, places_of_keys, replaced
from saas_kit.testing.isolation.calls import NOTHING, Answer, Call
from saas_kit.testing.isolation.report import Leak, Report
from saas_kit.testing.isolation.routes import Route
from saas_kit.testing.isolation.rows import changes_now, read_rows, undone
from saas_kit.testing.isolation.shapes import MODEL, Shape, view_model
from saas_kit.testing.isolation.twins import Preparation, Twin
from saas_kit.testing.isolation.world import World, identifying_fields, unknown_like

_MOST_VALUES = 12
_MOST_LOOKUPS = 24
_UUIDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_TIMES = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[^\"',\s]*")
_TOKENS = re.compile(r"[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]+)?")


@dataclass(frozen=True)
class Tried:
    """A request and what came of it."""

    call: Call
    answer: Answer
    changes: tuple[str, ...]


class Prober:
    """
    Sends probes and writes down what they find.

    Args:
        forget_caches: Makes the host's caches forget everything.
    """

    def __init__(self, world: World, report: Report, forget_caches: Any) -> None:
        self.world = world
        self.report = report
        self.query_shapes: dict[str, Shape] = {}
        self._forget_caches = forget_caches
        self._troubles: dict[str, str] = {}

    # sending

    def send(self, call: Call, prepare: Preparation | None = None, *, who: str = "owner") -> Answer:
        """Send a request and undo what it did."""
        with undone(self.world.aliases):
            self._prepare(prepare)
            return self._sent(who, call)

    def attempt(self, call: Call, prepare: Preparation | None = None, *, who: str = "owner") -> Tried:
        """Send a request, look at what became of B's rows, and undo it."""
        with undone(self.world.aliases):
            belongings = self.world.belongings
            if prepare is not None:
                self._prepare(prepare)
                belongings = belongings.rebased(read_rows(self.world.tables))
            answer = self._sent(who, call)
            changes = changes_now(belongings, self.world.tables) if answer.wrote else []
        return Tried(call, answer, tuple(changes))

    def _prepare(self, prepare: Preparation | None) -> None:
        self._forget_caches()
        if prepare is not None:
            prepare(self.world.a)
            prepare(self.world.b)

    def _sent(self, who: str, call: Call) -> Answer:
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
            self._leak(twin.route, probe, who, each, tried.call)
        if tried.answer.crashed:
            self._troubles[twin.route.label] = f"{probe}: the request failed: {tried.answer}"
        self.report.note(twin.route.label, probe, "ok")
        return bool(evidence)

    def found_in(self, tried: Tried) -> list[str]:
        """Return what an answer has of B's that the caller did not send."""
        text = f"{tried.answer.headers}\n{tried.answer.text}"
        return self.world.belongings.found_in(text, besides=tried.call.sent())

    def compare(self, twin: Twin, probe: str, tried: Tried, unknown: Call, *, who: str = "owner") -> None:
        """Judge an answer, and write down if a key that nobody has is answered in another way."""
        if self.judge(twin, probe, tried, who=who):
            return
        other = self.attempt(unknown, twin.prepare, who=who)
        difference = self._difference(tried, other)
        if difference and tried.answer.status == other.answer.status:
            again = self.attempt(unknown, twin.prepare, who=who)
            if self._difference(other, again):
                return  # no two answers of this route are alike
        if difference:
            self._leak(twin.route, probe, who, difference, tried.call)

    def _difference(self, tried: Tried, other: Tried) -> str:
        one, two = tried.answer, other.answer
        if one.status != two.status:
            return f"it tells that the row exists: {one.status}, and {two.status} for a key that nobody has"
        if _neutral(tried) != _neutral(other):
            return (
                f"it tells that the row exists: both are {one.status}, and the bodies differ: "
                f"{one.text[:160]!r}, and {two.text[:160]!r} for a key that nobody has"
            )
        return ""

    def _leak(self, route: Route, probe: str, who: str, evidence: str, call: Call) -> None:
        caller = self.world.callers[who]
        self.report.add(Leak(route.label, probe, caller.name, evidence, call.curl(caller.token)))

    @property
    def troubles(self) -> dict[str, str]:
        """Routes where a probe made the server fail, and how."""
        return self._troubles

    # probes

    def probe_path(self, twin: Twin) -> None:
        """B's key at each place of the path in turn, and at all of them: the nested route that checks one only."""
        for keys in self._foreign_paths(twin):
            known = twin.call.with_path(**keys)
            unknown = twin.call.with_path(**{name: unknown_like(value) for name, value in keys.items()})
            self.compare(twin, "path", self.attempt(known, twin.prepare), unknown)

    def _foreign_paths(self, twin: Twin) -> Iterator[dict[str, str]]:
        others = {name: self.world.counterpart(value) for name, value in twin.call.path.items()}
        known = {name: value for name, value in others.items() if value is not None}
        for name, value in known.items():
            yield {name: value}
        if len(known) > 1:
            yield known

    def probe_outsiders(self, twin: Twin) -> None:
        """The stranger, who is in no organization, and nobody at all, with B's keys."""
        others = {name: self.world.counterpart(value) or value for name, value in twin.call.path.items()}
        unknown_path = {
            name: unknown_like(value) if value != twin.call.path[name] else value
            for name, value in others.items()
        }
        for who in ("stranger", "anonymous"):
            known = twin.call.with_path(**others).with_body(self._foreign_body(twin))
            tried = self.attempt(known, twin.prepare, who=who)
            if others == twin.call.path:
                self.judge(twin, who, tried, who=who)
            else:
                self.compare(twin, who, tried, known.with_path(**unknown_path), who=who)

    def _foreign_body(self, twin: Twin) -> Any:
        body = twin.call.body
        for path, value in places_of_keys(body, self.world.counterpart):
            body = replaced(body, path, like(at(body, path), self.world.counterpart(value) or value))
        return body

    def probe_headers(self, twin: Twin) -> None:
        """Headers that name B: those that hosts resolve the organization from, and a method in disguise."""
        organization = self.world.b.organization
        slug = str(getattr(organization, "slug", organization.pk))
        for name, value in (
            ("X-Organization", str(organization.pk)),
            ("X-Organization", slug),
            ("X-Org-Id", str(organization.pk)),
            ("X-Tenant-ID", str(organization.pk)),
        ):
            known = twin.call.with_headers(**{name: value})
            unknown = twin.call.with_headers(**{name: unknown_like(value)})
            self.compare(twin, "headers", self.attempt(known, twin.prepare), unknown)
        if twin.route.method == "POST" or not twin.call.path:
            return
        for keys in list(self._foreign_paths(twin))[-1:]:
            disguised = Call("POST", twin.call.template, {**twin.call.path, **keys}, body=twin.call.body)
            disguised = disguised.with_headers(**{"X-HTTP-Method-Override": twin.route.method})
            unknown = disguised.with_path(**{name: unknown_like(value) for name, value in keys.items()})
            self.compare(twin, "headers", self.attempt(disguised, twin.prepare), unknown)

    def probe_body(self, twin: Twin) -> list[str]:
        """
        B's key in every member of the body that takes one, in arrays alone and beside one's own, and undeclared.

        Returns the members for which no key of the caller's own was accepted, so that a refusal proves nothing.
        """
        if twin.route.is_safe or twin.call.body is NOTHING and twin.route.method == "DELETE":
            return []
        refused = []
        for path, value in list(places_of_keys(twin.call.body, self.world.counterpart)):
            self._probe_place(twin, twin.call.body, path, self._foreign_keys(twin, path, value))
        for path, shape in twin.bodies.key_places():
            if at(twin.call.body, path) is None and twin.call.body is not NOTHING:
                refused += self._probe_optional(twin, path, shape)
        for path, value in self._undeclared(twin):
            self._probe_place(twin, twin.call.body, path, [value])
        return refused

    def _foreign_keys(self, twin: Twin, path: tuple[Any, ...], value: str) -> list[str]:
        shapes = dict(twin.bodies.key_places())
        counterpart = self.world.counterpart(value)
        found = [] if counterpart is None else [counterpart]
        if twin.bodies.model_at(path, shapes.get(path, {})) is None:
            found += [str(rows[0].pk) for rows in self.world.b.rows.values() if rows]
        return list(dict.fromkeys(found))[:_MOST_VALUES]

    def _probe_optional(self, twin: Twin, path: tuple[Any, ...], shape: Shape) -> list[str]:
        own = twin.bodies.candidates(path, shape)
        accepted = False
        for value in own[:_MOST_VALUES]:
            body = replaced(twin.call.body, path, like(1 if shape.get("type") == "integer" else "", value))
            if self.send(twin.call.with_body(body), twin.prepare).ok:
                self._probe_place(twin, body, path, self._foreign_keys(twin, path, value))
                accepted = True
                break
        if accepted or not own:
            return []
        for value in own[:1]:
            self._probe_place(twin, twin.call.body, path, self._foreign_keys(twin, path, value))
        return [] if self.world.counterpart(own[0]) is None else [".".join(str(part) for part in path)]

    def _probe_place(self, twin: Twin, body: Any, path: tuple[Any, ...], keys: Iterable[str]) -> None:
        before = at(body, path)
        for key in keys:
            known = replaced(body, path, like(before, key))
            unknown = replaced(body, path, like(before, unknown_like(key)))
            tried = self.attempt(twin.call.with_body(known), twin.prepare)
            self.compare(twin, "body", tried, twin.call.with_body(unknown))
            if path and path[-1] == 0 and before is not None:
                self._probe_beside(twin, body, path, key)

    def _probe_beside(self, twin: Twin, body: Any, path: tuple[Any, ...], key: str) -> None:
        own = at(body, path)
        both, unknown = [own, like(own, key)], [own, like(own, unknown_like(key))]
        tried = self.attempt(twin.call.with_body(replaced(body, path[:-1], both)), twin.prepare)
        self.compare(twin, "body", tried, twin.call.with_body(replaced(body, path[:-1], unknown)))

    def _undeclared(self, twin: Twin) -> Iterator[tuple[tuple[Any, ...], str]]:
        """Yield members that bodies do not declare and that careless views take all the same."""
        side, body = self.world.b, twin.call.body
        if not isinstance(body, dict):
            return
        model = view_model(twin.route)
        names: dict[str, Any] = {
            "organization": side.organization.pk,
            "organization_id": side.organization.pk,
        }
        rows = side.rows.get(model, ())
        if rows:
            names |= {"id": rows[0].pk, "pk": rows[0].pk}
        for name in foreign_keys_of(model):
            target = model._meta.get_field(name).related_model
            if side.rows.get(target):
                names |= {name: side.rows[target][0].pk, f"{name}_id": side.rows[target][0].pk}
        declared = {path for path, _shape in twin.bodies.key_places()}
        for name, value in names.items():
            if (name,) not in declared and name not in body:
                yield (name,), str(value)
        for member, value in body.items():
            if isinstance(value, dict) and member not in ("metadata", "note"):
                yield (member, "organization"), str(side.organization.pk)

    def probe_query(self, twin: Twin) -> None:
        """B's keys and texts in every query parameter, declared or guessed: filters that reach across."""
        if not twin.route.is_safe:
            if twin.route.method == "DELETE":
                for name in ("ids", "id"):
                    self._probe_parameter(twin, name, self._keys_for(view_model(twin.route))[:1])
            return
        for name, shape in self.query_shapes.items():
            if name not in ("cursor", "page", "page_size", "count", "ordering", "limit", "offset"):
                self._probe_parameter(twin, name, self._values_for(name, shape, twin.bodies))
        for name, value in self._guessed(twin):
            if name not in self.query_shapes:
                self._probe_parameter(twin, name, [value])

    def _probe_parameter(self, twin: Twin, name: str, values: Iterable[str]) -> None:
        for value in values:
            tried = self.attempt(twin.call.with_query((name, value)), twin.prepare)
            self.compare(twin, "query", tried, twin.call.with_query((name, unknown_like(value))))

    def _values_for(self, name: str, shape: Shape, bodies: Bodies) -> list[str]:
        if "enum" in shape or shape.get("type") in ("boolean", "number"):
            return []
        if bodies.takes_key((name,), shape):
            found = self._keys_for(bodies.model_at((name,), shape))
            if found or shape.get("format") == "uuid" or MODEL in shape:
                return found or self._keys_for(None)
        if shape.get("type") == "integer" or shape.get("format") not in (None, "email", "uuid"):
            return []
        return self._texts(bodies.view_model)

    def _keys_for(self, model: Any) -> list[str]:
        rows = self.world.b.rows.get(model)
        if rows:
            return [str(getattr(rows[0], name)) for name in identifying_fields(model)][:2]
        if model is not None:
            return []
        return [str(each[0].pk) for each in self.world.b.rows.values() if each][:_MOST_VALUES]

    def _texts(self, model: Any) -> list[str]:
        """Return a text of each text field of B's rows, those of one model first and each of them."""
        found = []
        for each, rows in sorted(self.world.b.rows.items(), key=lambda item: item[0] is not model):
            for name in text_columns(each):
                texts = [str(getattr(row, name) or "") for row in rows]
                texts = [text for text in texts if text.lower() in self.world.belongings.marks]
                found += texts if each is model else texts[:1]
        return list(dict.fromkeys(found))[: 3 * _MOST_VALUES]

    def _guessed(self, twin: Twin) -> Iterator[tuple[str, str]]:
        """Yield filters that are not declared: by foreign keys, and through relations to texts of B's."""
        side, model = self.world.b, view_model(twin.route)
        yield "organization", str(side.organization.pk)
        if self.send(twin.call.with_query(("not_a_parameter_of_anything", "1"))).status in (400, 422):
            return  # what is not declared is refused
        yield "organization_id", str(side.organization.pk)
        for name in foreign_keys_of(model):
            rows = side.rows.get(model._meta.get_field(name).related_model)
            if rows:
                yield name, str(rows[0].pk)
                yield f"{name}_id", str(rows[0].pk)
        for path, text in list(self._lookups(model))[:_MOST_LOOKUPS]:
            yield f"{path}__startswith", text

    def _lookups(self, model: Any) -> Iterator[tuple[str, str]]:
        """Yield paths from a model, through relations, to texts of B's, and such a text."""
        if model is None:
            return
        marks = self.world.belongings.marks
        for path in relations_of(model):
            rows = self.world.b.rows.get(path.model, ())
            for name in text_columns(path.model):
                texts = [str(getattr(row, name) or "") for row in rows]
                for text in [text for text in texts if text.lower() in marks][:1]:
                    yield f"{path.name}__{name}", text

    def probe_cache(self, twin: Twin) -> None:
        """The answer after B's owner asked for the same: what is cached for one must not be served to another."""
        if not twin.route.is_safe:
            return
        with undone(self.world.aliases):
            self._forget_caches()
            self._sent("owner of b", twin.call)
            after = Tried(twin.call, self._sent("owner", twin.call), ())
        if self.judge(twin, "cache", after):
            return
        before = Tried(twin.call, twin.answer, ())
        if _neutral(before) != _neutral(after) and self._is_stable(twin):
            self._leak(
                twin.route, "cache", "owner", "the answer is another one after B's owner asked", twin.call
            )

    def _is_stable(self, twin: Twin) -> bool:
        again = [Tried(twin.call, self.send(twin.call, twin.prepare), ()) for _ in range(2)]
        return _neutral(again[0]) == _neutral(again[1])


@dataclass(frozen=True)
class Relation:
    """A path of relations from a model."""

    name: str
    model: Any
    crosses: bool


def text_columns(model: Any) -> list[str]:
    """Return the names of a model's fields that hold free text."""
    return [
        each.name
        for each in model._meta.concrete_fields
        if isinstance(each, models.CharField | models.TextField)
        and not each.choices
        and each.name != "password"
    ]


def relations_of(model: Any, *, depth: int = 2) -> list[Relation]:
    """
    Return the paths of relations from a model by which a query may leave the organization.

    Those are paths that go to many rows, or through rows that are nobody's.
    """
    found: list[Relation] = []
    level = [Relation("", model, False)]  # noqa: FBT003 - where paths begin
    for _ in range(depth):
        following = []
        for each in level:
            for field in each.model._meta.get_fields():
                target = getattr(field, "related_model", None)
                name = getattr(field, "name", None)
                if not isinstance(target, type) or not name or name.endswith("+"):
                    continue
                if getattr(field, "hidden", False):
                    continue
                many = bool(field.one_to_many or field.many_to_many)
                path = f"{each.name}__{name}" if each.name else name
                following.append(Relation(path, target, each.crosses or many))
        found += [each for each in following if each.crosses]
        level = following
    return found


def _neutral(tried: Tried) -> str:
    """Return an answer's body without what the caller sent and without what differs each time."""
    text = tried.answer.text
    for value in sorted(tried.call.sent(), key=len, reverse=True):
        if len(value) >= 4:  # noqa: PLR2004 - shorter ones are words of the language
            for form in {value, value.replace("-", ""), quote_plus(value), value.lower()}:
                text = text.replace(form, "<sent>")
    if tried.answer.request_id:
        text = text.replace(tried.answer.request_id, "<request>")
    if tried.call.method != "GET" or not tried.answer.ok:
        text = _TOKENS.sub("<token>", text)
        text = _UUIDS.sub("<uuid>", text)
    return _TIMES.sub("<time>", text) if tried.call.method != "GET" else text
