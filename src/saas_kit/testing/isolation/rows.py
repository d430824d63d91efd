"""Every row of the database: whose it is, what it says, and what changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections, models, router, transaction

from saas_kit.testing.isolation.calls import leaves

_SHORTEST_TEXT = 8
_SMALLEST_NUMBER = 100_000

Key = tuple[str, Any]
"""The label of a model and the key of a row, as the database has it."""

Rows = dict[Key, tuple[Any, ...]]


@dataclass(frozen=True)
class Table:
    """A model's table: its columns, and which of them point where."""

    label: str
    alias: str
    statement: str
    columns: tuple[str, ...]
    key: int
    references: tuple[tuple[int, str], ...]


def tables() -> list[Table]:
    """Return the tables of all installed models."""
    return [
        _table_of(model)
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy and not model._meta.swapped
    ]


def _table_of(model: type[models.Model]) -> Table:
    fields = [field for field in model._meta.local_concrete_fields if field.column]
    alias = router.db_for_write(model) or DEFAULT_DB_ALIAS
    quote = connections[alias].ops.quote_name
    columns = ", ".join(quote(str(field.column)) for field in fields)
    references = tuple(
        (index, _label_of(field.related_model))
        for index, field in enumerate(fields)
        if isinstance(field, models.ForeignKey) and isinstance(field.related_model, type)
    )
    return Table(
        model._meta.label,
        alias,
        f"SELECT {columns} FROM {quote(model._meta.db_table)}",  # noqa: S608 - names of the models' own
        tuple(field.name for field in fields),
        next(index for index, field in enumerate(fields) if field.primary_key),
        references,
    )


def _label_of(model: Any) -> str:
    return str(model._meta.concrete_model._meta.label)


def read_rows(of: Iterable[Table]) -> Rows:
    """Read every row of the tables, as the database has it."""
    found: Rows = {}
    for table in of:
        with connections[table.alias].cursor() as cursor:
            cursor.execute(table.statement)
            for row in cursor.fetchall():
                found[table.label, row[table.key]] = row
    return found


@contextmanager
def undone(aliases: Iterable[str]) -> Iterator[None]:
    """Run a block in a transaction, within another if there is one, and undo what it did."""
    with ExitStack() as stack:
        for alias in aliases:
            atomic: Any = transaction.atomic(using=alias)
            # a view may insist on an outermost transaction, which tests never have
            atomic._from_testcase = True
            stack.enter_context(atomic)
            stack.callback(transaction.set_rollback, rollback=True, using=alias)
        yield


class Belongings:
    """
    What belongs to one organization and its people: all rows that came with it.

    Args:
        before: The rows before it was made.
        after: The rows after it was made.
        places: The keys of its organization and its account.
    """

    def __init__(self, of: list[Table], before: Rows, after: Rows, places: Iterable[Any]) -> None:
        self._tables = {table.label: table for table in of}
        self.rows = {key: row for key, row in after.items() if key not in before}
        self._before = after
        self._keys: dict[str, set[Any]] = {}
        for label, key in self.rows:
            self._keys.setdefault(label, set()).add(key)
        self._places = {_plain(place) for place in places}
        self._marks = marks_of(self.rows, besides={key: after[key] for key in before if key in after})

    @property
    def marks(self) -> frozenset[str]:
        """The texts and keys that are in no other row: what an answer must not have."""
        return self._marks

    def found_in(self, text: str, *, besides: Iterable[str]) -> list[str]:
        """Return its marks in a text, but those that are in one of the given values."""
        known = " ".join(besides)
        folded = text.lower()
        return sorted(
            mark
            for mark in self._marks
            if mark in folded and mark not in known.lower() and _whole(mark, folded)
        )

    def changes(self, now: Rows) -> list[str]:
        """Say what happened to its rows, and what has come to point at them."""
        said = []
        for key, row in self.rows.items():
            if key not in now:
                said.append(f"{_named(key)} was deleted")
            elif now[key] != row:
                said.append(f"{_named(key)} was changed: {', '.join(self._changed(key, row, now[key]))}")
        for key, row in now.items():
            if key not in self.rows and row != self._before.get(key):
                said.extend(self._crossings(key, row))
        return said

    def rebased(self, now: Rows) -> Belongings:
        """Return the same belongings as they are now, for what has to be changed before a probe."""
        copy = Belongings.__new__(Belongings)
        copy.__dict__.update(self.__dict__)
        copy.rows = {key: now[key] for key in self.rows if key in now}
        copy._before = now
        return copy

    def _changed(self, key: Key, before: tuple[Any, ...], after: tuple[Any, ...]) -> list[str]:
        columns = self._tables[key[0]].columns
        return [name for name, old, new in zip(columns, before, after, strict=True) if old != new]

    def _crossings(self, key: Key, row: tuple[Any, ...]) -> Iterator[str]:
        table, before = self._tables[key[0]], self._before.get(key)
        for index, label in table.references:
            value = row[index]
            if value in self._keys.get(label, ()) and (before is None or before[index] != value):
                yield f"{_named(key)} now points at {_named((label, value))} through {table.columns[index]}"
        pointing = {index for index, _label in table.references}
        for index, value in enumerate(row):
            if (
                index not in pointing
                and before is None
                and value is not None
                and _plain(value) in self._places
            ):
                yield f"{_named(key)} was made there: {table.columns[index]} names the other organization"


def marks_of(rows: Rows, *, besides: Mapping[Key, tuple[Any, ...]]) -> frozenset[str]:
    """Return the texts, keys and large numbers that rows have and no other row has, in lower case."""
    others = {text for row in besides.values() for value in row for text in _texts(value)}
    haystack = "\n".join(others)
    found = {text for row in rows.values() for value in row for text in _texts(value)}
    return frozenset(text for text in found if text not in others and text not in haystack)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, UUID):
        yield str(value)
        yield value.hex
    elif isinstance(value, bool):
        return
    elif isinstance(value, int):
        if value >= _SMALLEST_NUMBER:
            yield str(value)
    elif isinstance(value, dict | list):
        for leaf in leaves(value):
            yield from _texts(leaf)
    elif isinstance(value, str):
        yield from _texts_of_text(value)


def _texts_of_text(value: str) -> Iterator[str]:
    if value[:1] in "{[":
        try:
            yield from _texts(json.loads(value))
            return
        except ValueError:
            pass
    if len(value) == 32:
        with suppress(ValueError):
            yield str(UUID(value))
    if len(value) >= _SHORTEST_TEXT:
        yield value.lower()


def _whole(mark: str, text: str) -> bool:
    if not mark.isdigit():
        return True
    start = text.find(mark)
    while start >= 0:
        around = text[max(start - 1, 0) : start] + text[start + len(mark) : start + len(mark) + 1]
        if not any(each.isdigit() for each in around):
            return True
        start = text.find(mark, start + 1)
    return False


def _plain(value: Any) -> str:
    return str(value).replace("-", "").lower()


def _named(key: Key) -> str:
    return f"{key[0]} {key[1]}"


def changes_now(belongings: Belongings, of: list[Table]) -> list[str]:
    """Say what happened to an organization's rows; a transaction that broke can have changed nothing."""
    try:
        return belongings.changes(read_rows(of))
    except DatabaseError:
        return []
