"""
PostgreSQL's row-level security behind the guard: what the scope does not hold is not there, whoever asks.

Each statement goes to the server together with the scope that it runs in, in one message and as a setting of its
transaction (``SET LOCAL``). So it costs no round trip, ends with the transaction, and is right behind a connection
pool of any kind, PgBouncer's transaction mode among them. Without a scope the setting is empty and the policies find
nothing.

Source of the mechanism: PostgreSQL's documentation, "Row Security Policies" and "SET".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.core.exceptions import ImproperlyConfigured

from saas_kit.core import context
from saas_kit.core.context import Scope
from saas_kit.tenancy.conf import TenancySettings

with suppress(ImportError):  # only PostgreSQL needs it
    import psycopg
    import psycopg.sql

SETTING = "saas_kit.organizations"
"""The setting of a transaction that names the organizations in scope: their keys with commas, ``*`` for all."""

EVERY = "*"

# what can be sent together with a setting: statements that touch rows, and that may run in a transaction
_TOUCHES_ROWS = re.compile(
    r"(?:\s|/\*.*?\*/|--[^\n]*\n|\()*(?:SELECT|INSERT|UPDATE|DELETE|WITH|MERGE|VALUES|TABLE|EXPLAIN)\b",
    re.IGNORECASE | re.DOTALL,
)
_ROLLS_BACK = re.compile(r"(?:\s|/\*.*?\*/|--[^\n]*\n)*(?:ROLLBACK|ABORT)\b", re.IGNORECASE | re.DOTALL)
_MAY_ROLL_BACK = re.compile(r"\b(?:ROLLBACK|ABORT)\b", re.IGNORECASE)


def is_supported(connection: Any) -> bool:
    """Tell whether a database can have policies."""
    return bool(connection.vendor == "postgresql")


def is_on(connection: Any) -> bool:
    """Tell whether a database has policies, or is to have them."""
    return TenancySettings.ROW_LEVEL_SECURITY and is_supported(connection)


def value_of(scope: Scope | None) -> str:
    """Return a scope as the policies read it."""
    return "" if scope is None else _value_of(scope.organization_ids)


@lru_cache(maxsize=1024)
def _value_of(organization_ids: frozenset[UUID] | None) -> str:
    return EVERY if organization_ids is None else ",".join(sorted(map(str, organization_ids)))


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
        connection = details["connection"].connection
        text = sql if isinstance(sql, str) else sql.as_string(None)
        is_idle = connection.info.transaction_status == _IDLE
        if is_idle:
            self._sent = ""
        if _ROLLS_BACK.match(text):
            self._sent = _UNKNOWN  # a savepoint takes the setting back to what it was
            return execute(sql, params, many, details)
        wanted = EVERY if self.migrating else value_of(context.scope.get())
        # alone, what touches no rows may be something that refuses to run in a transaction
        is_alone = is_idle and connection.autocommit
        if wanted == self._sent or (is_alone and not _TOUCHES_ROWS.match(text)):
            if _MAY_ROLL_BACK.search(text):
                self._sent = _UNKNOWN
            return execute(sql, params, many, details)
        result = _execute_with(f"SET LOCAL {SETTING} = '{wanted}'", execute, sql, params, many, details)
        if connection.info.transaction_status != _IDLE:
            self._sent = _UNKNOWN if _MAY_ROLL_BACK.search(text) else wanted
        return result


_IDLE = 0  # libpq's PQTRANS_IDLE: no transaction is open
_UNKNOWN = "?"


def _execute_with(
    setting: str,
    execute: Callable[..., Any],
    sql: Any,
    params: Any,
    many: bool,
    details: dict[str, Any],
) -> Any:
    """Execute a statement in the transaction that a setting is made for, in one message where that is possible."""
    wrapper, cursor = details["connection"], details["cursor"].cursor
    if isinstance(cursor, psycopg.ClientCursor) and not isinstance(cursor, psycopg.ServerCursor) and not many:
        both = f"{setting}; {sql}" if isinstance(sql, str) else _composed(setting, sql)
        result = execute(both, params, many, details)
        cursor.nextset()  # the first result is that of SET
        return result
    with wrapper.wrap_database_errors, ExitStack() as together:
        if wrapper.connection.autocommit and wrapper.connection.info.transaction_status == _IDLE:
            named = isinstance(cursor, psycopg.ServerCursor)
            together.enter_context(
                wrapper.connection.transaction() if many or named else wrapper.connection.pipeline()
            )
        # parameters that the server binds take a message of their own for each statement
        wrapper.connection.execute(setting)
        return execute(sql, params, many, details)


def _composed(setting: str, sql: Any) -> Any:
    return psycopg.sql.SQL("{}; {}").format(psycopg.sql.SQL(setting), sql)


def watch_connection(*, connection: Any, **kwargs: object) -> None:
    """
    Let a new connection send the scope along; a receiver of Django's ``connection_created``.

    Raises:
        ImproperlyConfigured: Django talks to PostgreSQL through psycopg 2, which cannot do that.
    """
    if not is_on(connection) or execution_of(connection) is not None:
        return
    if not hasattr(connection.Database, "ClientCursor"):
        raise ImproperlyConfigured(
            "Row-level security needs psycopg 3. Install it: pip install 'django-saas-kit[postgres]'. "
            "Or turn row-level security off: SAAS_KIT_TENANCY_ROW_LEVEL_SECURITY = False"
        )
    # the outermost, as a block that adds a wrapper takes away the last one at its end
    connection.execute_wrappers.insert(0, ScopedExecution())


def execution_of(connection: Any) -> ScopedExecution | None:
    """Return what sends the scope along with the statements of a connection; None where nothing does."""
    return next((each for each in connection.execute_wrappers if isinstance(each, ScopedExecution)), None)
