"""Operations for the migrations of tenant-owned models; they do nothing on databases other than PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db.migrations.operations.base import Operation

from saas_kit.tenancy import policies, row_security
from saas_kit.tenancy.guard import FIELD


class IsolateModel(Operation):
    """
    Make the rows of a table unable to leave their organization, in the database itself.

    - A unique key over the organization and the primary key, which others can point to.
    - For each of the named foreign keys a second one, which includes the organization, so that a row cannot point at
      another organization's, not even by raw SQL.
    - The policies of row-level security, where that is on.

    Args:
        name: The model, which has a foreign key ``organization``.
        references: Its foreign keys to other tenant-owned models, which were isolated before.
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
        if not self._applies(schema_editor, app_label, model):
            return
        meta, quote = model._meta, schema_editor.quote_name
        organization = meta.get_field(FIELD).column
        key = f"{quote(organization)}, {quote(meta.pk.column)}"
        schema_editor.execute(
            f"ALTER TABLE {quote(meta.db_table)} ADD CONSTRAINT {quote(self._key_name(schema_editor, model))} "
            f"UNIQUE ({key})"
        )
        for reference in self.references:
            field = meta.get_field(reference)
            target = field.related_model._meta
            schema_editor.execute(
                f"ALTER TABLE {quote(meta.db_table)} "
                f"ADD CONSTRAINT {quote(self._reference_name(schema_editor, model, field))} "
                f"FOREIGN KEY ({quote(organization)}, {quote(field.column)}) REFERENCES {quote(target.db_table)} "
                f"({quote(target.get_field(FIELD).column)}, {quote(target.pk.column)}) "
                "DEFERRABLE INITIALLY DEFERRED"
            )
        if row_security.is_on(schema_editor.connection):
            mode = policies.MODES.get(f"{app_label}.{meta.object_name}", "all")
            for statement in policies.protect_statements(
                schema_editor.connection, meta.db_table, organization, mode
            ):
                schema_editor.execute(statement)

    def database_backwards(self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any) -> None:
        model = from_state.apps.get_model(app_label, self.name)
        if not self._applies(schema_editor, app_label, model):
            return
        quote = schema_editor.quote_name
        table = model._meta.db_table
        for statement in policies.drop_statements(schema_editor.connection, table):
            schema_editor.execute(statement)
        names = [
            self._reference_name(schema_editor, model, model._meta.get_field(each))
            for each in self.references
        ]
        for name in (*names, self._key_name(schema_editor, model)):
            schema_editor.execute(f"ALTER TABLE {quote(table)} DROP CONSTRAINT {quote(name)}")

    def describe(self) -> str:
        return f"Isolate the rows of {self.name} by organization"

    @property
    def migration_name_fragment(self) -> str:
        return f"isolate_{self.name_lower}"

    def references_model(self, name: str, app_label: str) -> bool:
        return name.lower() == self.name_lower

    def references_field(self, model_name: str, name: str, app_label: str) -> bool:
        return self.references_model(model_name, app_label) and name in (FIELD, *self.references)

    def _applies(self, schema_editor: Any, app_label: str, model: Any) -> bool:
        return row_security.is_supported(schema_editor.connection) and bool(
            self.allow_migrate_model(schema_editor.connection.alias, model)
        )

    def _key_name(self, schema_editor: Any, model: Any) -> str:
        meta = model._meta
        columns = [meta.get_field(FIELD).column, meta.pk.column]
        return str(schema_editor._create_index_name(meta.db_table, columns, suffix="_key"))

    def _reference_name(self, schema_editor: Any, model: Any, field: Any) -> str:
        meta = model._meta
        columns = [meta.get_field(FIELD).column, field.column]
        return str(schema_editor._create_index_name(meta.db_table, columns, suffix="_same"))
