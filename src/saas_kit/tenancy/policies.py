"""
The policies of row-level security: what they should be, what they are, and how they come to be.

They are written by the migration operation ``IsolateModel`` and kept in step after every ``migrate``.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

from django.apps import apps
from django.db import models

from saas_kit.tenancy.conf import TenancySettings
from saas_kit.tenancy.guard import FIELD, owned_models
from saas_kit.tenancy.row_security import EVERY, SETTING

Mode = Literal["all", "writes", "append"]
"""
What a table's policies hold to the scope: ``all`` (reading and writing), ``writes`` (everybody may read),
``append`` (everybody may add rows, and read those in scope).
"""

MODES: dict[str, Mode] = {
    # read before there is a scope, to find out what the scope may be
    "saas_kit_tenancy.Membership": "writes",
    # written wherever something happens, in or out of an organization
    "saas_kit_audit.Event": "append",
}

_PREFIX = "saas_kit_"


def protected_models() -> list[tuple[type[models.Model], Mode]]:
    """Return every installed model whose table has policies, with what they hold to the scope."""
    found: list[tuple[type[models.Model], Mode]] = [
        (model, "all") for model in owned_models() if model._meta.managed and has_own_column(model)
    ]
    for label, mode in MODES.items():
        with suppress(LookupError):  # a check tells of apps that are missing
            found.append((apps.get_model(label), mode))
    return found


def has_own_column(model: type[models.Model]) -> bool:
    """Tell whether the organization is in the model's own table, and not in that of a parent."""
    return any(field.name == FIELD for field in model._meta.local_fields)


def column_of(model: type[models.Model]) -> str:
    """Return the name of the column that has the organization's key."""
    names = (FIELD, f"{FIELD}_id")
    return next(str(field.column) for field in model._meta.concrete_fields if field.name in names)


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
    wanted = {model._meta.db_table: (column_of(model), mode) for model, mode in protected_models()}
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
