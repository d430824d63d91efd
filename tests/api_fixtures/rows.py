"""The database as a value: what is in it, and undoing what a request did."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.apps import apps
from django.db import connection, transaction
from django.db.models.sql.compiler import SQLCompiler

from saas_kit.tenancy import unscoped

# the audit log tells of refusals too; the rest is not written through the API
_LEFT_OUT = {"saas_kit_audit", "contenttypes", "sessions", "admin"}


@dataclass(frozen=True)
class _Table:
    """The statement that reads a whole table, compiled once: suites read all of them before and after each call."""

    model: Any
    compiler: SQLCompiler
    sql: str
    converters: dict[int, Any]

    @classmethod
    def of(cls, model: Any) -> _Table:
        compiler = model._base_manager.values().query.get_compiler(connection=connection)
        sql, _ = compiler.as_sql()
        return cls(model, compiler, sql, compiler.get_converters([each for each, *_ in compiler.select]))

    def rows(self, found: Any) -> dict[Any, dict[str, Any]]:
        """Return what the statement has found, by the row's key."""
        names = [field.attname for field in self.model._meta.concrete_fields]
        converted = self.compiler.apply_converters(found, self.converters)
        rows = [dict(zip(names, row, strict=True)) for row in converted]
        return {row[self.model._meta.pk.attname]: row for row in rows}


@cache
def _tables() -> list[_Table]:
    return [
        _Table.of(model)
        for model in apps.get_models(include_auto_created=True)
        if model._meta.app_label not in _LEFT_OUT and model._meta.label != "auth.Permission"
    ]


def rows() -> dict[str, dict[Any, dict[str, Any]]]:
    """Return every row of every table but the audit log's, by the table's label and the row's key."""
    with unscoped(reason="a test compares all rows"), connection.cursor() as cursor:
        return {
            table.model._meta.label: table.rows(found)
            for table, found in zip(_tables(), _results(cursor), strict=True)
        }


def _results(cursor: Any) -> Iterator[Any]:
    if connection.vendor == "postgresql":
        # all in one message, as most of the time is that of coming and going
        cursor.execute("; ".join(table.sql for table in _tables()))
        for table in _tables():
            yield cursor.fetchall()
            assert cursor.nextset() or table is _tables()[-1]
        return
    for table in _tables():
        cursor.execute(table.sql)
        yield cursor.fetchall()


def stored() -> dict[str, tuple[list[str], list[tuple[Any, ...]]]]:
    """Return the columns of every table and its rows, as the database has them, by the table's name."""
    found = {}
    with connection.cursor() as cursor:
        for model in apps.get_models(include_auto_created=True):
            table = model._meta.db_table
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            found[table] = [column[0] for column in cursor.description], cursor.fetchall()
    return found


def inserts_of(before: Any, after: Any) -> list[tuple[str, list[Any]]]:
    """Return statements, with their parameters, that write the rows of ``after`` which ``before`` does not have."""
    quote = connection.ops.quote_name
    inserts = []
    for table, (columns, present) in after.items():
        added = [row for row in present if row not in before[table][1]]
        if added:
            places = ", ".join(["(" + ", ".join(["%s"] * len(columns)) + ")"] * len(added))
            names = ", ".join(map(quote, columns))
            inserts.append(
                (
                    f"INSERT INTO {quote(table)} ({names}) VALUES {places}",
                    [value for row in added for value in row],
                )
            )
    return inserts


@contextmanager
def rolled_back() -> Iterator[None]:
    """Undo what the block does to the database."""
    with transaction.atomic():
        try:
            yield
        finally:
            transaction.set_rollback(True)


def reference(row: Any) -> Any:
    """Return a row's key as a body names it: a number where it is one, else text."""
    return row.pk if isinstance(row.pk, int) else str(row.pk)
