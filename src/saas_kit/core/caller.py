"""
One statement that loads everything decisions need to know of a caller.

Apps contribute sub-selects here; whoever authenticates a request adds them to the statement that it runs
anyway. An app whose part was not loaded that way asks with a statement of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F, JSONField, Model, OuterRef, QuerySet, Subquery
from django.db.models.sql.compiler import SQLCompiler

from saas_kit.core.caller_changes import watch

_PREFIX = "_saas_kit_caller_"
_parts: dict[str, Callable[[OuterRef], Subquery]] = {}


class JSONRows(Subquery):
    """
    Some fields of a query's rows as one JSON array of arrays; empty where there are no rows.

    Needs a database with ``jsonb_agg`` (PostgreSQL) or ``json_group_array`` (SQLite).
    """

    output_field = JSONField()

    def __init__(self, queryset: QuerySet[Any], *fields: str) -> None:
        self.columns = [f"column_{index}" for index in range(len(fields))]
        named = queryset.annotate(
            **{name: F(field) for name, field in zip(self.columns, fields, strict=True)}
        )
        super().__init__(named.values(*self.columns))

    def as_sql(  # type: ignore[override]
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra: Any
    ) -> tuple[str, tuple[Any, ...]]:
        quote = connection.ops.quote_name
        row = ", ".join(f"_row.{quote(column)}" for column in self.columns)
        if connection.vendor == "postgresql":
            rows = f"COALESCE(jsonb_agg(jsonb_build_array({row})), '[]'::jsonb)"
        else:
            rows = f"json_group_array(json_array({row}))"
        template = f"(SELECT {rows} FROM (%(subquery)s) _row)"  # noqa: S608 - names of our own
        sql, params = super().as_sql(compiler, connection, template=template, **extra)
        return sql, tuple(params)


def register_part(
    name: str, part: Callable[[OuterRef], Subquery], *, reads: Mapping[type[Model], tuple[str, ...]]
) -> None:
    """
    Add a sub-select to the caller's statement, once the models are loaded.

    Args:
        part: Gets a reference to the user's key.
        reads: Every model whose rows the sub-select reads, with the paths from a row to the people in whose parts
            it is, so that whoever keeps parts can be told when they change.
    """
    _parts[name] = part
    for model, paths in reads.items():
        watch(model, *paths)


def part_names() -> tuple[str, ...]:
    """Return the names of the parts, for whoever keeps a statement that has them."""
    return tuple(_parts)


def annotate_parts(queryset: QuerySet[Any], *, user: str = "pk") -> QuerySet[Any]:
    """Add every registered part to a query; ``user`` is the path from its rows to the user's key."""
    parts = {_PREFIX + name: part(OuterRef(user)) for name, part in _parts.items()}
    annotated: QuerySet[Any] = queryset.annotate(**parts)
    return annotated


def take_parts(row: object, user: Any) -> None:
    """Move the parts from a row that ``annotate_parts()`` loaded to the user that they concern."""
    for name in _parts:
        user.__dict__[_PREFIX + name] = row.__dict__.pop(_PREFIX + name)


def get_part(user: Any, name: str) -> list[list[Any]]:
    """Return one part of a user's facts, from the loaded statement or by one of its own."""
    key = _PREFIX + name
    if key not in user.__dict__:
        row = annotate_parts(user._meta.model._base_manager.filter(pk=user.pk)).first()
        if row is None:
            return []
        take_parts(row, user)
    value = user.__dict__[key]
    if isinstance(value, str):
        value = user.__dict__[key] = json.loads(value)
    result: list[list[Any]] = value
    return result


def get_parts(user: Any) -> dict[str, list[list[Any]]]:
    """Return all parts of a user's facts by their names."""
    return {name: get_part(user, name) for name in _parts}


def set_parts(user: Any, parts: Mapping[str, list[list[Any]]]) -> None:
    """Give a user the parts that ``get_parts()`` returned before."""
    for name in _parts:
        user.__dict__[_PREFIX + name] = parts[name]


def forget_parts(user: Any) -> None:
    """Drop what is known of a user, so that the next question reads it anew."""
    for name in _parts:
        user.__dict__.pop(_PREFIX + name, None)
