"""What is tried with keys of B's in bodies."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from saas_kit.testing.isolation.bodies import at, foreign_keys_of, like, places_of_keys, replaced
from saas_kit.testing.isolation.calls import NOTHING
from saas_kit.testing.isolation.oracle import Oracle
from saas_kit.testing.isolation.shapes import Shape, view_model
from saas_kit.testing.isolation.twins import Twin
from saas_kit.testing.isolation.world import unknown_like

_MOST_VALUES = 12


def probe_body(oracle: Oracle, twin: Twin) -> list[str]:
    """
    B's key in every member of the body that takes one, in arrays alone and beside one's own, and undeclared.

    Returns the members for which no key of the caller's own was accepted, so that a refusal proves nothing.
    """
    if twin.route.is_safe or (twin.call.body is NOTHING and twin.route.method == "DELETE"):
        return []
    refused = []
    for path, value in list(places(oracle, twin, twin.call.body)):
        _probe_place(oracle, twin, twin.call.body, path, _foreign_keys(oracle, twin, path, value))
    for path, shape in twin.bodies.key_places():
        if at(twin.call.body, path) is None and twin.call.body is not NOTHING:
            refused += _probe_optional(oracle, twin, path, shape)
    for path, value in _undeclared(oracle, twin):
        _probe_place(oracle, twin, twin.call.body, path, [value])
    return refused


def places(oracle: Oracle, twin: Twin, body: Any) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield where a body has a key of A's; a text that is a slug by chance is none."""
    declared = {path for path, _shape in twin.bodies.key_places()}
    for path, value in places_of_keys(body, oracle.world.counterpart):
        if oracle.world.is_key(value) or path in declared:
            yield path, value


def _foreign_keys(oracle: Oracle, twin: Twin, path: tuple[Any, ...], value: str) -> list[str]:
    shapes = dict(twin.bodies.key_places())
    counterpart = oracle.world.counterpart(value)
    found = [] if counterpart is None else [counterpart]
    if twin.bodies.model_at(path, shapes.get(path, {})) is None:
        found += [str(rows[0].pk) for rows in oracle.world.b.rows.values() if rows]
    return list(dict.fromkeys(found))[:_MOST_VALUES]


def _probe_optional(oracle: Oracle, twin: Twin, path: tuple[Any, ...], shape: Shape) -> list[str]:
    own = twin.bodies.candidates(path, shape)
    accepted = False
    for value in own[:_MOST_VALUES]:
        body = replaced(twin.call.body, path, like(1 if shape.get("type") == "integer" else "", value))
        if oracle.send(twin.call.with_body(body), twin.prepare).ok:
            _probe_place(oracle, twin, body, path, _foreign_keys(oracle, twin, path, value))
            accepted = True
            break
    if accepted or not own:
        return []
    for value in own[:1]:
        _probe_place(oracle, twin, twin.call.body, path, _foreign_keys(oracle, twin, path, value))
    return [] if oracle.world.counterpart(own[0]) is None else [".".join(str(part) for part in path)]


def _probe_place(oracle: Oracle, twin: Twin, body: Any, path: tuple[Any, ...], keys: Iterable[str]) -> None:
    before = at(body, path)
    for key in keys:
        known = replaced(body, path, like(before, key))
        unknown = replaced(body, path, like(before, unknown_like(key)))
        tried = oracle.attempt(twin.call.with_body(known), twin.prepare)
        oracle.compare(twin, "body", tried, twin.call.with_body(unknown))
        if path and path[-1] == 0 and before is not None:
            _probe_beside(oracle, twin, body, path, key)


def _probe_beside(oracle: Oracle, twin: Twin, body: Any, path: tuple[Any, ...], key: str) -> None:
    own = at(body, path)
    both, unknown = [own, like(own, key)], [own, like(own, unknown_like(key))]
    tried = oracle.attempt(twin.call.with_body(replaced(body, path[:-1], both)), twin.prepare)
    oracle.compare(twin, "body", tried, twin.call.with_body(replaced(body, path[:-1], unknown)))


def _undeclared(oracle: Oracle, twin: Twin) -> Iterator[tuple[tuple[Any, ...], str]]:
    """Yield members that bodies do not declare and that careless views take all the same."""
    side, body = oracle.world.b, twin.call.body
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
