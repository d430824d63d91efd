"""The differential probe: A's answers must not depend on what is in B."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from django.db import DatabaseError, models, transaction

from saas_kit.testing.isolation.calls import Call
from saas_kit.testing.isolation.oracle import Oracle, Tried, neutral
from saas_kit.testing.isolation.relations import Relation, relations_of, text_columns
from saas_kit.testing.isolation.report import Leak
from saas_kit.testing.isolation.rows import undone
from saas_kit.testing.isolation.shapes import Shape, view_model
from saas_kit.testing.isolation.twins import Twin
from saas_kit.testing.isolation.world import ROWS, Model, World

_ADDED = 3
_MOST_ORDERINGS = 30


@dataclass
class Reading:
    """A request of A's, and how it was answered while B was as it was."""

    twin: Twin
    call: Call
    plain: str


def probe_others(oracle: Oracle, twins: list[tuple[Twin, dict[str, Shape]]]) -> None:
    """
    Ask everything that can be read as A, change B only, and ask again: the answers must be the same.

    Counts, sums, places in an order, whatever is computed over rows of all organizations, shows itself so. B is
    changed twice: with more rows and with values that sort before all others, then with values that sort last.
    """
    readings = [reading for twin, shapes in twins for reading in _readings(oracle, twin, shapes)]
    for turn in range(2):
        with undone(oracle.world.aliases):
            change(oracle.world, turn)
            for each in readings:
                _compare(oracle, each, turn)


def _readings(oracle: Oracle, twin: Twin, shapes: dict[str, Shape]) -> Iterator[Reading]:
    calls = [twin.call]
    if "count" in shapes:
        calls.append(twin.call.with_query(("count", "true")))
    calls += [twin.call.with_query(("ordering", name)) for name in _orderings(oracle, twin, shapes)]
    for call in calls:
        first = Tried(call, oracle.send(call), ())
        if call is twin.call or first.answer.ok:
            yield Reading(twin, call, neutral(first))


def _orderings(oracle: Oracle, twin: Twin, shapes: dict[str, Shape]) -> list[str]:
    """Return what a list may be ordered by: what it declares, and what leads across relations."""
    declared = getattr(twin.route.view, "ordering_fields", ())
    if isinstance(declared, str):
        declared = ()
    names = [str(name) for name in declared or ()]
    takes_ordering = "ordering" in shapes or bool(names)
    if not takes_ordering or not twin.answer.has_rows:
        return names if twin.answer.has_rows else []
    unknown = twin.call.with_query(("ordering", "not_a_field_of_anything"))
    if oracle.send(unknown).status in (400, 422):
        return names
    across = [f"{path.name}__{name}" for path in _relations(twin) for name in text_columns(path.model)[:3]]
    return names + across[:_MOST_ORDERINGS]


def _relations(twin: Twin) -> list[Relation]:
    model = view_model(twin.route)
    return [] if model is None else relations_of(model)


def _compare(oracle: Oracle, reading: Reading, turn: int) -> None:
    oracle.forget_caches()
    tried = Tried(reading.call, oracle.sent("owner", reading.call), ())
    label = reading.twin.route.label
    oracle.judge(reading.twin, "others", tried)
    now = neutral(tried)
    if now == reading.plain:
        return
    again = Tried(reading.call, oracle.sent("owner", reading.call), ())
    if neutral(again) != now:
        oracle.troubles.setdefault(label, "others: no two answers are alike, so that they cannot be compared")
    else:
        caller = oracle.world.callers["owner"]
        what = ("with more rows in B", "with other values in B")[turn]
        evidence = (
            f"the answer depends on B's rows: {_excerpt(reading.plain, now)}, and {_excerpt(now, reading.plain)} "
            f"{what}"
        )
        oracle.report.add(Leak(label, "others", caller.name, evidence, reading.call.curl(caller.token)))


def _excerpt(text: str, other: str) -> str:
    start = next(
        (index for index, pair in enumerate(zip(text, other, strict=False)) if pair[0] != pair[1]), 0
    )
    return repr(text[max(start - 60, 0) : start + 60])


def change(world: World, turn: int) -> None:
    """Add rows to B and change the values of those that it has."""
    for index in range(ROWS + 1, ROWS + 1 + _ADDED):
        world.add_rows(world.b, index=index, pointing=turn)
    for model, rows in list(world.b.rows.items()):
        for row in rows:
            _change_row(model, row, turn)
    world.b.rows = {
        model: rows[: ROWS + 1] if model in world.models else rows for model, rows in world.b.rows.items()
    }


def _change_row(model: Model, row: Any, turn: int) -> None:
    for each in model._meta.concrete_fields:
        value = getattr(row, each.attname, None)
        changed = _changed_value(each, value, turn)
        if changed is None or changed == value:
            continue
        try:
            with transaction.atomic():
                model._base_manager.filter(pk=row.pk).update(**{each.name: changed})
        except (DatabaseError, RuntimeError, TypeError, ValueError):
            continue  # a rule of the database's; the other columns say enough


def _changed_value(column: Any, value: Any, turn: int) -> Any:
    if value is None or column.primary_key or column.choices or isinstance(column, models.ForeignKey):
        return None
    if column.name in ("password", "slug", "role"):
        return None
    if isinstance(column, models.CharField | models.TextField):
        return f"{'!' if turn == 0 else '~'}{str(value)[1:]}"
    if isinstance(value, bool):
        return not value if turn else None
    if isinstance(column, models.DateTimeField | models.DateField) and isinstance(value, date | datetime):
        return value + timedelta(days=400 if turn else -400)
    if isinstance(column, models.IntegerField | models.FloatField | models.DecimalField):
        return value + (1000 if turn == 0 else 0) if turn == 0 else value * 0
    return None
