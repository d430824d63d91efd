"""What is tried with keys and texts of B's in the query."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from saas_kit.testing.isolation.bodies import foreign_keys_of
from saas_kit.testing.isolation.oracle import Oracle, Tried
from saas_kit.testing.isolation.relations import relations_of, text_columns
from saas_kit.testing.isolation.shapes import MODEL, Shape, view_model
from saas_kit.testing.isolation.twins import Twin
from saas_kit.testing.isolation.world import form_of, identifying_fields, unknown_like

_MOST_VALUES = 12
_MOST_LOOKUPS = 24


def probe_query(oracle: Oracle, twin: Twin, shapes: dict[str, Shape]) -> None:
    """B's keys and texts in every query parameter, declared or guessed: filters that reach across."""
    if not twin.route.is_safe:
        if twin.route.method == "DELETE":
            for name in ("ids", "id"):
                _probe_parameter(oracle, twin, name, _keys_for(oracle, view_model(twin.route))[:1])
        return
    for name, shape in shapes.items():
        if name not in ("cursor", "page", "page_size", "count", "ordering", "limit", "offset"):
            _probe_parameter(oracle, twin, name, _values_for(oracle, name, shape, twin))
    for name, value in _guessed(oracle, twin):
        if name not in shapes:
            _probe_parameter(oracle, twin, name, [value])


def _probe_parameter(oracle: Oracle, twin: Twin, name: str, values: Iterable[str]) -> None:
    others: dict[str, Tried] = {}
    for value in values:
        unknown = twin.call.with_query((name, unknown_like(value)))
        kind = form_of(value)
        if kind not in others:
            others[kind] = oracle.attempt(unknown, twin.prepare)
        tried = oracle.attempt(twin.call.with_query((name, value)), twin.prepare)
        oracle.compare(twin, "query", tried, unknown, other=others[kind])


def _values_for(oracle: Oracle, name: str, shape: Shape, twin: Twin) -> list[str]:
    bodies = twin.bodies
    if "enum" in shape or shape.get("type") in ("boolean", "number"):
        return []
    if bodies.takes_key((name,), shape):
        found = _keys_for(oracle, bodies.model_at((name,), shape))
        if found or shape.get("format") == "uuid" or MODEL in shape:
            return found or _keys_for(oracle, None)
    if shape.get("type") == "integer" or shape.get("format") not in (None, "email", "uuid"):
        return []
    # what is found by a text is found in a list
    return _texts(oracle, bodies.view_model) if twin.answer.has_rows else []


def _keys_for(oracle: Oracle, model: Any) -> list[str]:
    rows = oracle.world.b.rows.get(model)
    if rows:
        return [str(getattr(rows[0], name)) for name in identifying_fields(model)][:2]
    if model is not None:
        return []
    return [str(each[0].pk) for each in oracle.world.b.rows.values() if each][:_MOST_VALUES]


def _texts(oracle: Oracle, model: Any) -> list[str]:
    """Return a text of each text field of B's rows, those of one model first and each of them."""
    found: list[str] = []
    near = {each.model for each in relations_of(model, crossing_only=False)} if model is not None else set()
    for each, rows in sorted(oracle.world.b.rows.items(), key=lambda item: item[0] is not model):
        if near and each is not model and each not in near:
            continue
        for name in text_columns(each):
            texts = [str(getattr(row, name) or "") for row in rows]
            texts = [text for text in texts if text.lower() in oracle.world.belongings.marks]
            found += texts if each is model else texts[:1]
    return list(dict.fromkeys(found))[: 2 * _MOST_VALUES]


def _guessed(oracle: Oracle, twin: Twin) -> Iterator[tuple[str, str]]:
    """Yield filters that are not declared: by foreign keys, and through relations to texts of B's."""
    side, model = oracle.world.b, view_model(twin.route)
    yield "organization", str(side.organization.pk)
    if oracle.send(twin.call.with_query(("not_a_parameter_of_anything", "1"))).status in (400, 422):
        return  # what is not declared is refused
    yield "organization_id", str(side.organization.pk)
    for name in foreign_keys_of(model):
        rows = side.rows.get(model._meta.get_field(name).related_model)
        if rows:
            yield name, str(rows[0].pk)
            yield f"{name}_id", str(rows[0].pk)
    if not twin.answer.has_rows:
        return
    for path, text in list(_lookups(oracle, model))[:_MOST_LOOKUPS]:
        yield f"{path}__startswith", text


def _lookups(oracle: Oracle, model: Any) -> Iterator[tuple[str, str]]:
    """Yield paths from a model, through relations, to texts of B's, and such a text."""
    if model is None:
        return
    marks = oracle.world.belongings.marks
    for path in relations_of(model):
        rows = oracle.world.b.rows.get(path.model, ())
        for name in text_columns(path.model):
            texts = [str(getattr(row, name) or "") for row in rows]
            for text in [text for text in texts if text.lower() in marks][:1]:
                yield f"{path.name}__{name}", text
