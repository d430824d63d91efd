"""
PostgreSQL's row-level security behind the guard: what the scope does not hold is not there, whoever asks.

Each statement goes to the server together with the scope that it runs in, in one message and as a setting of its
transaction (``SET LOCAL``). So it costs no round trip, ends with the transaction, and is right behind a connection
pool of any kind, PgBouncer's transaction mode among them. Without a scope the setting is empty and the policies find
nothing.

The policies are written by the migration operation ``IsolateModel`` and kept in step after every ``migrate``.
Source of the mechanism: PostgreSQL's documentation, "Row Security Policies" and "SET".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from django.apps import apps
from django.db import models

from saas_kit.core import context
from saas_kit.core.context import Scope
from saas_kit.tenancy.conf import TenancySettings
from saas_kit.tenancy.guard import FIELD, owned_models

SETTING = "saas_kit.organizations"
"""The setting of a transaction that names the organizations in scope: their keys with commas, ``*`` for all."""

EVERY = "*"

Mode = Literal["all", "writes", "append"]
"""
What a table's policies hold to the scope: ``all`` (reading and writing), ``writes`` (everybody may read),
``append`` (everybody may add rows, and read those in scope).
"""

MODES: dict[str, Mode] = {
    # read before there is a scope, to find out what the scope may be
    "saas_kit_tenancy.Membership": "writes",
}

_PREFIX = "saas_kit_"
# what can be sent together with a setting: statements that touch rows, and that may run in a transaction
_TOUCHES_ROWS = re.compile(
    r"(?:\s|/\*.*?\*/|--[^\n]*\n|\()*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|VALUES|TABLE|EXPLAIN)\b",
    re.IGNORECASE | re.DOTALL,
)
_ROLLS_BACK = re.compile(r"\s*ROLLBACK\b", re.IGNORECASE)


def is_supported(connection: Any) -> bool:
    """Tell whether a database can have policies."""
    return bool(connection.vendor == "postgresql")


def is_on(connection: Any) -> bool:
    """Tell whether a database has policies, or is to have them."""
    return TenancySettings.ROW_LEVEL_SECURITY and is_supported(connection)


def protected_models() -> list[tuple[type[models.Model], Mode]]:
    """Return every installed model whose table has policies, with what they hold to the scope."""
    others = [(apps.get_model(label), mode) for label, mode in MODES.items()]
    return [*((model, "all") for model in owned_models() if _has_column(model)), *others]


def _has_column(model: type[models.Model]) -> bool:
    return model._meta.managed and any(field.name == FIELD for field in model._meta.local_fields)


# What every statement is sent with


def value_of(scope: Scope | None) -> str:
    """Return a scope as the policies read it."""
    if scope is None:
        return ""
    if scope.organization_ids is None:
        return EVERY
    return ",".join(sorted(map(str, scope.organization_ids)))


class ScopedExecution:
    """
    Sends the scope along with every statement of one connection; Django calls it around each (``execute_wrappers``).

    In a transaction the setting is sent with the first statement, and again only when the scope has changed.
    """

    def __init__(self) -> None:
        self._sent = ""  # what the present transaction has been told
        self.migrating = False  # models of migrations know of no scope

    def __call__(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, details: dict[str, Any]
    ) -> Any:
        connection, cursor = details["connection"].connection, details["cursor"].cursor
        in_transaction = connection.info.transaction_status != _IDLE
        if not in_transaction:
            self._sent = ""
        if _ROLLS_BACK.match(_text(sql)):
            self._sent = _UNKNOWN  # a savepoint takes the setting back to what it was
            return execute(sql, params, many, details)
        wanted = EVERY if self.migrating else value_of(context.scope.get())
        if wanted == self._sent or not _TOUCHES_ROWS.match(_text(sql)):
            return execute(sql, params, many, details)
        setting = f"SET LOCAL {SETTING} = '{wanted}'"
        if not many and _takes_several(cursor):
            result = self._execute_both(execute, setting, sql, params, many, details)
        elif in_transaction or not connection.autocommit:
            self._execute_setting(details["connection"], setting)
            result = execute(sql, params, many, details)
        else:
            with connection.transaction():
                self._execute_setting(details["connection"], setting)
                return execute(sql, params, many, details)
        if in_transaction or not connection.autocommit:
            self._sent = wanted
        return result

    def _execute_both(
        self,
        execute: Callable[..., Any],
        setting: str,
        sql: Any,
        params: Any,
        many: bool,
        details: dict[str, Any],
    ) -> Any:
        both = f"{setting}; {sql}" if isinstance(sql, str) else _composed(setting, sql)
        result = execute(both, params, many, details)
        details["cursor"].cursor.nextset()  # the first result is that of SET
        return result

    def _execute_setting(self, wrapper: Any, setting: str) -> None:
        with wrapper.wrap_database_errors, wrapper.connection.cursor() as cursor:
            cursor.execute(setting)


_IDLE = 0  # libpq's PQTRANS_IDLE: no transaction is open
_UNKNOWN = "?"


def _text(sql: Any) -> str:
    return sql if isinstance(sql, str) else sql.as_string(None)


def _composed(setting: str, sql: Any) -> Any:
    from psycopg import sql as psycopg_sql  # noqa: PLC0415 - an optional dependency

    return psycopg_sql.SQL("{}; {}").format(psycopg_sql.SQL(setting), sql)  # type: ignore[arg-type]


@cache
def _cursor_classes() -> tuple[type, type]:
    from psycopg import ClientCursor, ServerCursor  # noqa: PLC0415 - an optional dependency

    return ClientCursor, ServerCursor


def _takes_several(cursor: Any) -> bool:
    """Tell whether a cursor binds parameters itself, so that one message may hold several statements."""
    client, named = _cursor_classes()
    return isinstance(cursor, client) and not isinstance(cursor, named)


def watch_connection(*, connection: Any, **kwargs: object) -> None:
    """Let a new connection send the scope along; a receiver of Django's ``connection_created``."""
    if is_supported(connection) and execution_of(connection) is None and TenancySettings.ROW_LEVEL_SECURITY:
        # the outermost, as a block that adds a wrapper takes away the last one at its end
        connection.execute_wrappers.insert(0, ScopedExecution())


def execution_of(connection: Any) -> ScopedExecution | None:
    """Return what sends the scope along with the statements of a connection; None where nothing does."""
    return next((each for each in connection.execute_wrappers if isinstance(each, ScopedExecution)), None)


# What the tables have


@dataclass(frozen=True)
class Policy:
    """One policy of a table, as the database describes it."""

    name: str
    command: str
    permissive: bool
    roles: tuple[int, ...]
    using: str | None
    check: str | None


@dataclass(frozen=True)
class TableSecurity:
    """The row-level security of a table."""

    enabled: bool
    forced: bool
    policies: tuple[Policy, ...]


def condition(column: str) -> str:
    """Return the SQL of a policy's condition; what does not depend on the row is evaluated once a statement."""
    setting = f"current_setting('{SETTING}', true)"
    keys = f"string_to_array(NULLIF({setting}, '{EVERY}'), ',')::uuid[]"
    return f"(SELECT {setting} = '{EVERY}') OR {column} = ANY ((SELECT {keys})::uuid[])"


def _policy_statements(table: str, column: str, mode: Mode) -> list[str]:
    within = condition(column)

    def policy(name: str, rest: str) -> str:
        return f"CREATE POLICY {_PREFIX}{name} ON {table} {rest}"

    if mode == "all":
        return [policy("isolation", f"FOR ALL USING ({within}) WITH CHECK ({within})")]
    insert = "true" if mode == "append" else within
    return [
        policy("select", f"FOR SELECT USING ({within if mode == 'append' else 'true'})"),
        policy("insert", f"FOR INSERT WITH CHECK ({insert})"),
        policy("update", f"FOR UPDATE USING ({within}) WITH CHECK ({within})"),
        policy("delete", f"FOR DELETE USING ({within})"),
    ]


def protect_statements(connection: Any, table: str, column: str, mode: Mode) -> list[str]:
    """Return the SQL that gives a table its policies, in place of any that it has from the kit."""
    quote = connection.ops.quote_name
    return [
        *drop_statements(connection, table),
        *_policy_statements(quote(table), quote(column), mode),
        f"ALTER TABLE {quote(table)} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {quote(table)} FORCE ROW LEVEL SECURITY",
    ]


def drop_statements(connection: Any, table: str) -> list[str]:
    """Return the SQL that takes the kit's policies from a table, and lets everybody see its rows again."""
    quoted = connection.ops.quote_name(table)
    names = ("isolation", "select", "insert", "update", "delete")
    return [
        *(f"DROP POLICY IF EXISTS {_PREFIX}{name} ON {quoted}" for name in names),
        f"ALTER TABLE {quoted} NO FORCE ROW LEVEL SECURITY",
        f"ALTER TABLE {quoted} DISABLE ROW LEVEL SECURITY",
    ]


_READ = """
SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity,
       p.polname, p.polcmd::text, p.polpermissive, p.polroles::text,
       pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
FROM pg_class c LEFT JOIN pg_policy p ON p.polrelid = c.oid
WHERE c.relkind IN ('r', 'p') AND pg_table_is_visible(c.oid) AND c.relname = ANY (%s)
ORDER BY c.relname, p.polname
"""


def read_security(connection: Any, tables: list[str]) -> dict[str, TableSecurity]:
    """Read the row-level security of tables; one that does not exist is left out."""
    with connection.cursor() as cursor:
        cursor.execute(_READ, [tables])
        rows = cursor.fetchall()
    found: dict[str, TableSecurity] = {}
    for table, enabled, forced, name, command, permissive, roles, using, check in rows:
        policies = found[table].policies if table in found else ()
        if name is not None:
            numbers = tuple(int(each) for each in roles.strip("{}").split(",") if each)
            policies = (*policies, Policy(name, command, permissive, numbers, using, check))
        found[table] = TableSecurity(enabled, forced, policies)
    return found


def expected_security(connection: Any, column: str, mode: Mode) -> TableSecurity:
    """
    Return what a protected table should have, in the database's own words.

    A policy is described as the database understood it, which depends on its version, so it is asked.
    """
    known: dict[Any, TableSecurity] = connection.__dict__.setdefault("_saas_kit_expected_security", {})
    if (column, mode) not in known:
        table, quoted = "saas_kit_expected", connection.ops.quote_name(column)
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE TEMPORARY TABLE {table} ({quoted} uuid)")
            try:
                for statement in _policy_statements(table, quoted, mode):
                    cursor.execute(statement)
                policies = read_security(connection, [table])[table].policies
            finally:
                cursor.execute(f"DROP TABLE {table}")
        known[column, mode] = TableSecurity(enabled=True, forced=True, policies=policies)
    return known[column, mode]


def sync_policies(connection: Any) -> list[str]:
    """
    Give every tenant-owned table the policies that it should have, and take them away where they are off.

    Returns:
        The names of the tables that were changed.
    """
    wanted = {
        model._meta.db_table: (model._meta.get_field(FIELD).column, mode)
        for model, mode in protected_models()
    }
    found = read_security(connection, list(wanted))
    changed = []
    for table, present in found.items():
        column, mode = wanted[table]
        if TenancySettings.ROW_LEVEL_SECURITY:
            if present == expected_security(connection, column, mode):
                continue
            statements = protect_statements(connection, table, column, mode)
        elif any(policy.name.startswith(_PREFIX) for policy in present.policies):
            statements = drop_statements(connection, table)
        else:
            continue
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        changed.append(table)
    return changed
