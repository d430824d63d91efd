"""
The guard: queries that cannot reach tenant-owned rows without a scope.

It sits where SQL is made, not on a list of methods, so that no way of running a query passes it: counting,
``exists()``, ``explain()``, iteration, subqueries and unions all compile. It looks at the table that a query
starts from and at every table that it joins.

What it does not see are joins of queries that start at a model of somebody else's, and raw SQL. Row-level security
stands behind it for those.
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from django.apps import apps
from django.db import models
from django.db.models import Q, sql
from django.db.models.lookups import Exact, In
from django.db.models.sql.constants import ROW_COUNT
from django.db.models.sql.datastructures import BaseTable, Join
from django.db.models.sql.where import AND, WhereNode

from saas_kit.tenancy.exceptions import OrganizationFixed, OutOfScope, ScopeRequired
from saas_kit.tenancy.scoping import require_scope

ModelT_co = TypeVar("ModelT_co", bound=models.Model, covariant=True)

FIELD = "organization"
_NAMES = frozenset((FIELD, f"{FIELD}_id"))


def is_owned(model: type[models.Model]) -> bool:
    """Tell whether the rows of a model belong to organizations and are guarded."""
    return getattr(model, "is_organization_owned", False)


def owned_models() -> list[type[models.Model]]:
    """Return every installed model with a table of its own whose rows belong to organizations."""
    return [
        model
        for model in apps.get_models(include_auto_created=True)
        if is_owned(model) and not model._meta.proxy
    ]


@cache
def _owned_by_table() -> dict[str, type[models.Model]]:
    # a child of a concrete parent has the column in the parent's table, which is guarded itself
    return {model._meta.db_table: model for model in owned_models() if _column(model).model is model}


def _column(model: type[models.Model]) -> Any:
    return model._meta.get_field(FIELD)


def _within(column: Any, allowed: frozenset[UUID]) -> Any:
    return Exact(column, next(iter(allowed))) if len(allowed) == 1 else In(column, list(allowed))


class _ScopedJoin(Join):
    """Joins the rows of a table that are in scope, and no others."""

    @classmethod
    def of(cls, join: Join) -> _ScopedJoin:
        return cls(
            join.table_name,
            join.parent_alias,
            join.table_alias,
            join.join_type,
            join.join_field,
            join.nullable,
            join.filtered_relation,
        )

    def as_sql(self, compiler: Any, connection: Any) -> Any:
        sql_, params = super().as_sql(compiler, connection)
        model = _owned_by_table()[self.table_name]
        allowed = require_scope(model).organization_ids
        if allowed is None:
            return sql_, params
        if not allowed:
            return f"{sql_[:-1]} AND 1 = 0)", params
        more, more_params = compiler.compile(_within(_column(model).get_col(self.table_alias), allowed))
        return f"{sql_[:-1]} AND {more})", [*params, *more_params]


class _Guarded:
    """Compiles with the condition of the scope, or not at all."""

    def get_compiler(self: Any, *args: Any, **kwargs: Any) -> Any:
        query = self
        # the parts of a union are queries of their own, and guarded each
        if not self.combinator:
            if is_owned(self.model):
                require_scope(self.model)
            query = _restricted(self)
        return super(_Guarded, query).get_compiler(*args, **kwargs)  # type: ignore[misc]

    def join(self: Any, join: Any, reuse: Any = None) -> Any:
        if isinstance(join, Join) and join.table_name in _owned_by_table():
            join = _ScopedJoin.of(join)
        return super().join(join, reuse)  # type: ignore[misc]

    def chain(self: Any, klass: type[sql.Query] | None = None) -> Any:
        # Django makes an UPDATE by giving the query another class, which would lose the guard
        if klass is not None and not isinstance(self, klass):
            klass = _guarded_class(klass)  # type: ignore[arg-type]
        return super().chain(klass)  # type: ignore[misc]


def _restricted(query: Any) -> Any:
    """Return the query with the conditions of the scope beside whatever it says, be that with AND, OR or NOT."""
    # as Django's compiler does; where exclude() has trimmed the first table of a subquery, it stays out
    if is_owned(query.model) and not any(query.alias_refcount[alias] for alias in query.alias_map):
        query.get_initial_alias()
    owned = _owned_by_table()
    conditions: list[Any] = []
    for alias, table in query.alias_map.items():
        if query.alias_refcount[alias] and isinstance(table, BaseTable) and table.table_name in owned:
            model = owned[table.table_name]
            allowed = require_scope(model).organization_ids
            if allowed is not None:
                conditions.append(_within(_column(model).get_col(alias), allowed))
    inherits = is_owned(query.model) and query.model._meta.db_table not in owned
    allowed = require_scope(query.model).organization_ids if inherits else None
    if not conditions and allowed is None:
        return query
    restricted = query.clone()
    if conditions:
        restricted.where = WhereNode([*conditions, query.where] if query.where else conditions, AND)
    if allowed is not None:
        restricted.add_q(Q(**{f"{FIELD}__in": allowed}))  # the column is in a parent's table
    return restricted


@cache
def _guarded_class(klass: Any) -> Any:
    if issubclass(klass, _Guarded):
        return klass
    return type(f"Guarded{klass.__name__}", (_Guarded, klass), {"__module__": __name__})


class GuardedQuery(_Guarded, sql.Query):
    """A query that reaches tenant-owned tables within the scope only."""


class GuardedQuerySet(models.QuerySet[ModelT_co]):
    """
    Rows of a model that belongs to nobody, or to everybody; what is joined to them is found within the scope only.
    """

    def __init__(self, model: Any = None, query: Any = None, using: Any = None, hints: Any = None) -> None:
        super().__init__(model, query or GuardedQuery(model), using, hints)


class ScopedQuerySet(GuardedQuerySet[ModelT_co]):
    """
    Rows that are found, changed and created within the scope only.

    The model has a foreign key ``organization``. Without a scope every route to the database raises
    ``ScopeRequired``. Set ``Meta.base_manager_name`` to a manager of this query set, so that relations and
    ``refresh_from_db()`` are guarded too.
    """

    def raw(self, *args: Any, **kwargs: Any) -> Any:
        """
        Run SQL of one's own, which nothing can restrict.

        Raises:
            ScopeRequired: The work at hand is not ``unscoped()``.
        """
        if require_scope(self.model).organization_ids is not None:
            raise ScopeRequired(self.model)
        return super().raw(*args, **kwargs)

    def update(self, **kwargs: Any) -> int:
        """
        Change the rows within the scope.

        Raises:
            OrganizationFixed: The organization would change.
        """
        if not _NAMES.isdisjoint(kwargs):
            raise OrganizationFixed(self.model)
        return super().update(**kwargs)

    update.alters_data = True  # type: ignore[attr-defined]

    def _raw_delete(self, using: str | None) -> Any:
        query: Any = self.query.chain()
        query.__class__ = _guarded_class(sql.DeleteQuery)
        return query.get_compiler(using).execute_sql(ROW_COUNT)

    _raw_delete.alters_data = True  # type: ignore[attr-defined]

    def _update(self, values: Any, *args: Any, **kwargs: Any) -> Any:
        place = next((value for field, _, value in values if field.name == FIELD), None)
        if place is None:
            return super()._update(values, *args, **kwargs)  # type: ignore[misc]
        # save() writes every column; the row must be in that organization already
        unmoved: Any = self.filter(**{FIELD: place})
        changed = super(ScopedQuerySet, unmoved)._update(values, *args, **kwargs)  # type: ignore[misc]
        if not changed and self.exists():
            raise OrganizationFixed(self.model)
        return changed

    _update.alters_data = True  # type: ignore[attr-defined]
    _update.queryset_only = False  # type: ignore[attr-defined]

    def bulk_create(
        self,
        objs: Any,
        batch_size: int | None = None,
        ignore_conflicts: bool = False,
        update_conflicts: bool = False,
        update_fields: Any = None,
        unique_fields: Any = None,
    ) -> Any:
        """
        Insert rows, each in an organization of the scope.

        Raises:
            OutOfScope: One would be elsewhere; or, with ``update_conflicts``, the unique fields do not name the
                organization, so that another organization's row could be overwritten.
        """
        allowed = require_scope(self.model).organization_ids
        if not _NAMES.isdisjoint(update_fields or ()):
            raise OrganizationFixed(self.model)
        if update_conflicts and allowed is not None and _NAMES.isdisjoint(unique_fields or ()):
            raise OutOfScope(self.model)
        rows = list(objs)
        for each in rows:
            _place(each, allowed)  # before the transaction that an error would spoil
        return super().bulk_create(
            rows, batch_size, ignore_conflicts, update_conflicts, update_fields, unique_fields
        )

    def _insert(self, objs: Any, *args: Any, **kwargs: Any) -> Any:
        allowed = require_scope(self.model).organization_ids
        for each in objs:
            _place(each, allowed)
        return super()._insert(objs, *args, **kwargs)  # type: ignore[misc]

    _insert.alters_data = True  # type: ignore[attr-defined]
    _insert.queryset_only = False  # type: ignore[attr-defined]


def require_in_scope(instance: models.Model) -> None:
    """
    Refuse to go on with a row that the scope does not hold.

    Raises:
        ScopeRequired: There is no scope.
        OutOfScope: The row belongs to another organization.
    """
    allowed = require_scope(type(instance)).organization_ids
    if allowed is not None and getattr(instance, f"{FIELD}_id") not in allowed:
        raise OutOfScope(type(instance))


def _place(instance: Any, allowed: frozenset[UUID] | None) -> None:
    if allowed is None:
        return
    key = getattr(instance, f"{FIELD}_id")
    if key is None and len(allowed) == 1:
        setattr(instance, f"{FIELD}_id", next(iter(allowed)))
    elif key not in allowed:
        raise OutOfScope(type(instance))
