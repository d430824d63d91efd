"""What keeps the rows of organizations apart, and where it is missing: in the models, the migrations, the database."""

from __future__ import annotations

import pkgutil
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Any, cast

from django.apps import apps
from django.db import models
from django.db.migrations.loader import MigrationLoader

from saas_kit.tenancy import policies
from saas_kit.tenancy.conf import TenancySettings
from saas_kit.tenancy.guard import FIELD, ScopedQuerySet, is_owned, owned_models
from saas_kit.tenancy.models import Membership, get_organization_model
from saas_kit.tenancy.operations import IsolateReferences


@dataclass(frozen=True)
class Finding:
    """
    Something that is missing or wrong.

    Attributes:
        where: The table, the role, the view or the function.
        problem: What is wrong with it.
        remedy: What mends it.
    """

    where: str
    problem: str
    remedy: str


# In the models


def unguarded_managers(model: type[models.Model]) -> list[str]:
    """Return the names of a tenant-owned model's managers whose queries would not be guarded."""
    managers = {manager.name: manager for manager in (*model._meta.managers, model._base_manager)}
    return [
        "_base_manager" if manager is model._base_manager and manager.auto_created else name
        for name, manager in managers.items()
        if not isinstance(manager.get_queryset(), ScopedQuerySet)
    ]


def references_of(model: type[models.Model]) -> dict[str, type[models.Model]]:
    """
    Return a model's own foreign keys that could point at another organization's row, with what they point to.

    A table without the organization's column has none that a composite key could be made of.
    """
    if not policies.has_own_column(model):
        return {}
    return {
        field.name: field.related_model
        for field in model._meta.local_fields
        if isinstance(field, models.ForeignKey)
        and field.name != FIELD
        and _has_composite_key(field.related_model)
    }


def _has_composite_key(model: Any) -> bool:
    return (is_owned(model) and policies.has_own_column(model)) or model is Membership


def shared_links(model: type[models.Model]) -> list[str]:
    """Return the names of a tenant-owned model's many-to-many fields whose rows belong to no organization."""
    return [
        field.name
        for field in model._meta.local_many_to_many
        if cast("Any", field.remote_field.through)._meta.auto_created
        and _has_composite_key(field.related_model)
    ]


def inheriting_models() -> list[type[models.Model]]:
    """Return the tenant-owned models whose organization is in a parent's table, so that their own has no policy."""
    return [model for model in owned_models() if not policies.has_own_column(model)]


def models_outside() -> list[type[models.Model]]:
    """Return the models that point to the organization, or to tenant-owned rows, and are not tenant-owned."""
    organization = get_organization_model()
    return [
        model
        for model in apps.get_models()
        if model is not Membership
        and not is_owned(model)
        and any(
            field.related_model is organization or is_owned(field.related_model)
            for field in model._meta.local_fields
            if isinstance(field, models.ForeignKey)
        )
    ]


def shared_uniques(model: type[models.Model]) -> list[str]:
    """
    Return what must be unique among the rows of all organizations.

    Such a key tells whoever writes that somebody else has a value. A foreign key that cannot leave the organization
    makes a key its own as well. Constraints that the model names in ``unique_among_organizations`` are left out.
    """
    inside = {FIELD, f"{FIELD}_id", *references_of(model)}
    fields = [field for field in model._meta.local_fields if field.unique and not field.primary_key]
    found = [field.name for field in fields if field.name not in inside]
    found += [", ".join(names) for names in model._meta.unique_together if inside.isdisjoint(names)]
    for constraint in model._meta.constraints:
        if isinstance(constraint, models.UniqueConstraint):
            expressions = {getattr(each, "name", None) for each in constraint.expressions}
            if inside.isdisjoint({*constraint.fields, *expressions}):
                found.append(constraint.name)
    intended = getattr(model, "unique_among_organizations", ())
    return [name for name in found if name not in intended]


# In the migrations


def isolated_references(app_label: str) -> dict[str, set[str]]:
    """
    Return what the migrations of an app isolate: the references of each model, by its name in lower case.

    It reads the files, and needs no database.
    """
    module_name, _ = MigrationLoader.migrations_module(app_label)
    found: dict[str, set[str]] = defaultdict(set)
    if module_name is None:
        return found
    try:
        package = import_module(module_name)
    except ModuleNotFoundError:
        return found
    for info in pkgutil.iter_modules(getattr(package, "__path__", ())):
        migration = getattr(import_module(f"{module_name}.{info.name}"), "Migration", None)
        for operation in _flat(getattr(migration, "operations", ())):
            found[operation.name_lower] |= set(operation.references)
    return found


def _flat(operations: Iterable[Any]) -> Iterator[IsolateReferences]:
    for operation in operations:
        if isinstance(operation, IsolateReferences):
            yield operation
        yield from _flat(getattr(operation, "database_operations", ()))


def missing_references() -> dict[type[models.Model], list[str]]:
    """Return the references of each tenant-owned model that no migration isolates."""
    missing = {}
    for model in owned_models():
        isolated = isolated_references(model._meta.app_label).get(str(model._meta.model_name), set())
        left = [name for name in references_of(model) if name not in isolated]
        if left and model._meta.managed:
            missing[model] = left
    return missing


# In the database

_ROLE = "SELECT current_user::text, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user"

_OWNED_UNFORCED = """
SELECT c.relname FROM pg_class c
WHERE c.relname = ANY (%s) AND pg_table_is_visible(c.oid) AND NOT c.relforcerowsecurity
AND pg_has_role(current_user, c.relowner, 'USAGE')
"""

_CONSTRAINTS = """
SELECT c.relname, k.contype::text, (
    SELECT array_agg(a.attname::text ORDER BY p.n) FROM unnest(k.conkey) WITH ORDINALITY p(attnum, n)
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = p.attnum
) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
WHERE k.contype IN ('u', 'f') AND c.relname = ANY (%s) AND pg_table_is_visible(c.oid)
"""

_VIEWS = """
WITH RECURSIVE dependent AS (
    SELECT oid FROM pg_class WHERE relname = ANY (%s) AND relkind IN ('r', 'p') AND pg_table_is_visible(oid)
    UNION
    SELECT r.ev_class FROM dependent t
    JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = t.oid
        AND d.classid = 'pg_rewrite'::regclass
    JOIN pg_rewrite r ON r.oid = d.objid
)
SELECT v.relname, v.relkind::text FROM pg_class v JOIN dependent USING (oid)
WHERE v.relkind = 'm' OR (v.relkind = 'v' AND NOT COALESCE(
    (SELECT lower(o.option_value) IN ('true', 'on', '1', 'yes') FROM pg_options_to_table(v.reloptions) o
     WHERE o.option_name = 'security_invoker'), false))
ORDER BY 1
"""

_FUNCTIONS = """
SELECT p.oid::regprocedure::text FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prosecdef AND n.nspname NOT IN ('pg_catalog', 'information_schema')
AND has_function_privilege(current_user, p.oid, 'EXECUTE')
ORDER BY 1
"""

_OPERATIONS = "Write the operation into a migration: manage.py saas_kit_check_isolation --write"


def inspect_database(connection: Any) -> list[Finding]:
    """Return what is missing or wrong in a live PostgreSQL database."""
    return [
        *_inspect_privileges(connection),
        *_inspect_policies(connection),
        *_inspect_constraints(connection),
        *_inspect_detours(connection),
    ]


def inspect_role(connection: Any) -> list[Finding]:
    """Return why row-level security would not hold for the role that the connection uses."""
    problem, remedy = "is owned by the role and not forced, so no policy holds", "Run manage.py migrate."
    unforced = [
        Finding(table, problem, remedy) for (table,) in _fetch(connection, _OWNED_UNFORCED, _tables())
    ]
    return [*_inspect_privileges(connection), *unforced]


def _inspect_privileges(connection: Any) -> Iterator[Finding]:
    (role, is_superuser, bypasses), *_ = _fetch(connection, _ROLE)
    if is_superuser or bypasses:
        problem = (
            "is a superuser, whom no policy holds" if is_superuser else "has BYPASSRLS, so no policy holds it"
        )
        remedy = "Connect as a role of its own that is neither superuser nor BYPASSRLS."
        yield Finding(f"role {role}", problem, remedy)


def _tables() -> list[str]:
    return [model._meta.db_table for model, _ in policies.protected_models()]


def _inspect_policies(connection: Any) -> Iterator[Finding]:
    for model in inheriting_models():
        remedy = "Let it derive from an abstract model, or point to the other by a OneToOneField."
        yield Finding(
            model._meta.db_table, "has its organization in the table of a parent, and no policy", remedy
        )
    present = policies.read_security(connection, _tables())
    for model, mode in policies.protected_models():
        table = model._meta.db_table
        expected = policies.expected_security(connection, policies.column_of(model), mode)
        found = present.get(table)
        if found is None:
            yield Finding(table, "does not exist", "Run manage.py migrate.")
        elif not found.enabled or not found.forced:
            state = "is not enabled" if not found.enabled else "is not forced"
            yield Finding(
                table, f"row-level security {state}", "Run manage.py migrate as the owner of the table."
            )
        elif found != expected:
            known = {policy.name for policy in expected.policies}
            strange = [policy.name for policy in found.policies if policy.name not in known]
            what = (
                f"has policies of others: {', '.join(strange)}"
                if strange
                else "has other policies than it should"
            )
            remedy = "Drop those policies." if strange else "Run manage.py migrate as the owner of the table."
            yield Finding(table, what, remedy)


def _inspect_constraints(connection: Any) -> Iterator[Finding]:
    found: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for table, _, columns in _fetch(connection, _CONSTRAINTS, _tables()):
        found[table].add(tuple(columns))
    referenced = {target for model in owned_models() for target in references_of(model).values()}
    for model in {*owned_models(), *referenced}:
        if not policies.has_own_column(model):
            continue
        meta, organization = model._meta, policies.column_of(model)
        if model in referenced and (organization, _column(model, meta.pk.name)) not in found[meta.db_table]:
            yield Finding(
                meta.db_table, "has no unique key over the organization and the primary key", _OPERATIONS
            )
        for name in references_of(model):
            if (organization, _column(model, name)) not in found[meta.db_table]:
                yield Finding(
                    meta.db_table, f"could point at another organization's row by {name}", _OPERATIONS
                )


def _column(model: type[models.Model], name: str) -> str:
    return str(cast("Any", model._meta.get_field(name)).column)


def _inspect_detours(connection: Any) -> Iterator[Finding]:
    for view, kind in _fetch(connection, _VIEWS, _tables()):
        if kind == "m":
            yield Finding(
                view, "is a materialized view, which has no policies", "Keep it out of the role's reach."
            )
        else:
            remedy = f"ALTER VIEW {view} SET (security_invoker = true)"
            yield Finding(view, "is a view that reads with its owner's rights", remedy)
    for (function,) in _fetch(connection, _FUNCTIONS):
        if function not in TenancySettings.TRUSTED_FUNCTIONS:
            remedy = "Make it SECURITY INVOKER, or name it in SAAS_KIT_TENANCY_TRUSTED_FUNCTIONS."
            yield Finding(function, "is a function that runs with its owner's rights", remedy)


def _fetch(connection: Any, sql: str, *params: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, params or None)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
    return rows
