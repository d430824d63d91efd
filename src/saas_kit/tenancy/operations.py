"""Operations for the migrations of tenant-owned models; they do nothing on databases other than PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.migrations.operations.base import Operation

from saas_kit.tenancy import policies, row_security
from saas_kit.tenancy.guard import FIELD


class IsolateReferences(Operation):
    """
    Make foreign keys of a tenant-owned model unable to point at another organization's row, not even by raw SQL.

    Each gets a second, composite foreign key that includes the organization.

    Args:
        name: The model, which has a foreign key ``organization``.
        references: Its foreign keys to models that were isolated before.
    """

    reduces_to_sql = True
    reversible = True

    def __init__(self, name: str, references: Sequence[str] = ()) -> None:
        self.name = name
        self.references = tuple(references)

    def deconstruct(self) -> tuple[str, list[Any], dict[str, Any]]:
        keywords: dict[str, Any] = {"name": self.name}
        if self.references:
            keywords["references"] = self.references
        return type(self).__name__, [], keywords

    @property
    def name_lower(self) -> str:
        """The model's name in lower case."""
        return self.name.lower()

    def state_forwards(self, app_label: str, state: Any) -> None:
        """Change nothing: the models are as they were."""

    def database_forwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = to_state.apps.get_model(app_label, self.name)
        if self._applies(schema_editor, model):
            for statement in self.forwards_sql(schema_editor, model):
                schema_editor.execute(statement)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = from_state.apps.get_model(app_label, self.name)
        if self._applies(schema_editor, model):
            for statement in self.backwards_sql(schema_editor, model):
                schema_editor.execute(statement)

    def describe(self) -> str:
        return f"Keep references of {self.name} inside the organization"

    @property
    def migration_name_fragment(self) -> str:
        return f"isolate_{self.name_lower}"

    def references_model(self, name: str, app_label: str) -> bool:
        return name.lower() == self.name_lower

    def references_field(self, model_name: str, name: str, app_label: str) -> bool:
        return self.references_model(model_name, app_label) and name in (FIELD, *self.references)

    def forwards_sql(self, schema_editor: Any, model: Any) -> list[str]:
        """Return the SQL that adds what the model lacks."""
        quote, meta = schema_editor.quote_name, model._meta
        statements = []
        for reference in self.references:
            field = meta.get_field(reference)
            target = field.related_model._meta
            statements.append(
                f"ALTER TABLE {quote(meta.db_table)} "
                f"ADD CONSTRAINT {quote(_constraint(schema_editor, model, field.column, suffix='_same'))} "
                f"FOREIGN KEY ({quote(meta.get_field(FIELD).column)}, {quote(field.column)}) "
                f"REFERENCES {quote(target.db_table)} "
                f"({quote(target.get_field(FIELD).column)}, {quote(target.pk.column)}) DEFERRABLE INITIALLY DEFERRED"
            )
        return statements

    def backwards_sql(self, schema_editor: Any, model: Any) -> list[str]:
        """Return the SQL that takes away what the operation added."""
        columns = [model._meta.get_field(reference).column for reference in self.references]
        names = [_constraint(schema_editor, model, column, suffix="_same") for column in columns]
        return [_drop(schema_editor, model, name) for name in names]

    def _applies(self, schema_editor: Any, model: Any) -> bool:
        return row_security.is_supported(schema_editor.connection) and bool(
            self.allow_migrate_model(schema_editor.connection.alias, model)
        )


class IsolateModel(IsolateReferences):
    """
    Make the rows of a table unable to leave their organization, in the database itself.

    - A unique key over the organization and the primary key, which others can point to.
    - What ``IsolateReferences`` does, for the named foreign keys.
    - The policies of row-level security, where that is on.
    """

    def describe(self) -> str:
        return f"Isolate the rows of {self.name} by organization"

    def forwards_sql(self, schema_editor: Any, model: Any) -> list[str]:
        quote, meta = schema_editor.quote_name, model._meta
        organization, key = meta.get_field(FIELD).column, meta.pk.column
        name = _constraint(schema_editor, model, key, suffix="_key")
        unique = f"ADD CONSTRAINT {quote(name)} UNIQUE ({quote(organization)}, {quote(key)})"
        statements = [
            f"ALTER TABLE {quote(meta.db_table)} {unique}",
            *super().forwards_sql(schema_editor, model),
        ]
        if row_security.is_on(schema_editor.connection):
            mode = policies.MODES.get(meta.label, "all")
            connection = schema_editor.connection
            statements += policies.protect_statements(connection, meta.db_table, organization, mode)
        return statements

    def backwards_sql(self, schema_editor: Any, model: Any) -> list[str]:
        return [
            *policies.drop_statements(schema_editor.connection, model._meta.db_table),
            *super().backwards_sql(schema_editor, model),
            _drop(
                schema_editor, model, _constraint(schema_editor, model, model._meta.pk.column, suffix="_key")
            ),
        ]


def _constraint(schema_editor: Any, model: Any, column: str, *, suffix: str) -> str:
    columns = [model._meta.get_field(FIELD).column, column]
    return str(schema_editor._create_index_name(model._meta.db_table, columns, suffix=suffix))


def _drop(schema_editor: Any, model: Any, name: str) -> str:
    quote = schema_editor.quote_name
    return f"ALTER TABLE {quote(model._meta.db_table)} DROP CONSTRAINT {quote(name)}"
