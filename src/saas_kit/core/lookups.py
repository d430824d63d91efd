"""Queries that are compiled once and run in every request."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import Any
from uuid import UUID

from django.db import connections
from django.db.models import Model, QuerySet

_PLACEHOLDER = UUID("5f1d6c5e-0000-7000-8000-9f6d1c3b2a10")


class CompiledLookup:
    """
    Finds a row by its UUID key with a statement that is compiled once, as all that differs is the key.

    Compiling is most of what a query by key costs. The query may follow foreign keys with ``select_related()``,
    one level, and may have annotations.

    Args:
        queryset: The query, without a condition on the key.
    """

    def __init__(self, queryset: QuerySet[Any]) -> None:
        self._using = queryset.db
        self._key = queryset.model._meta.pk
        connection = connections[self._using]
        compiler = queryset.order_by().filter(pk=_PLACEHOLDER).query.get_compiler(self._using)
        self._sql, params = compiler.as_sql()
        self._params = list(params)
        self._position = self._params.index(self._key.get_db_prep_value(_PLACEHOLDER, connection))
        self._select = compiler.select
        self._row = compiler.klass_info
        self._annotations = compiler.annotation_col_map or {}
        self._converters = compiler.get_converters(expression for expression, _, _ in self._select)

    @cached_property
    def shape(self) -> str:
        """What tells apart statements that select different things."""
        return hashlib.sha256(self._sql.encode()).hexdigest()[:16]

    def get(self, key: UUID) -> Any | None:
        """Return the row with a key; None where there is none."""
        connection = connections[self._using]
        params = self._params.copy()
        params[self._position] = self._key.get_db_prep_value(key, connection)
        with connection.cursor() as cursor:
            cursor.execute(self._sql, params)
            found = cursor.fetchone()
        if found is None:
            return None
        values = list(found)
        for index, (converters, expression) in self._converters.items():
            for convert in converters:
                values[index] = convert(values[index], expression, connection)
        row = self._instance(self._row, values)
        for related in self._row.get("related_klass_infos", ()):
            related["local_setter"](row, self._instance(related, values))
        for name, index in self._annotations.items():
            setattr(row, name, values[index])
        return row

    def _instance(self, info: dict[str, Any], values: list[Any]) -> Model:
        model: type[Model] = info["model"]
        by_name = {self._select[index][0].target.attname: values[index] for index in info["select_fields"]}
        names = [field.attname for field in model._meta.concrete_fields if field.attname in by_name]
        return model.from_db(self._using, names, [by_name[name] for name in names])
