"""Say what keeps organizations apart in the live database, and write the migration that is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DEFAULT_DB_ALIAS, connections, models
from django.db.migrations import Migration
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.writer import MigrationWriter

from saas_kit.tenancy import isolation, row_security
from saas_kit.tenancy.guard import owned_models
from saas_kit.tenancy.operations import IsolateModel, IsolateReferences


class Command(BaseCommand):
    help = (
        "Inspect what keeps the rows of organizations apart: the guarded managers, the composite foreign keys, and on "
        "PostgreSQL the policies of row-level security, the role that the project connects as, and the views and "
        "functions that would pass by them. Every finding is named with what mends it, and the exit code is then 1. "
        "With --write, the migrations that are missing are written."
    )
    requires_system_checks: Any = []  # it says more than they do, and mends what they warn of

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--database",
            default=DEFAULT_DB_ALIAS,
            choices=tuple(connections),
            help="Which database to inspect.",
        )
        parser.add_argument(
            "--write",
            action="store_true",
            help="Write the missing migrations; nothing else is inspected then.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["write"]:
            self._write()
            return
        findings = [*self._in_models(), *self._in_database(connections[options["database"]])]
        for each in findings:
            self.stdout.write(f"{self.style.ERROR(each.where)}: {each.problem}\n    {each.remedy}")
        if findings:
            number = len(findings)
            raise CommandError(f"{number} {'finding' if number == 1 else 'findings'}.")
        count = len(owned_models())
        self.stdout.write(
            self.style.SUCCESS(f"Nothing is missing: {count} tenant-owned models were inspected.")
        )

    def _in_models(self) -> list[isolation.Finding]:
        managers = [
            isolation.Finding(model._meta.label, f"the manager {name} is not guarded", "See the check E008.")
            for model in owned_models()
            for name in isolation.unguarded_managers(model)
        ]
        references = [
            isolation.Finding(
                model._meta.label,
                f"no migration isolates {', '.join(names)}",
                "Run manage.py saas_kit_check_isolation --write, then manage.py migrate.",
            )
            for model, names in isolation.missing_references().items()
        ]
        return [*managers, *references]

    def _in_database(self, connection: Any) -> list[isolation.Finding]:
        if not row_security.is_supported(connection):
            self.stdout.write(
                f"The database is {connection.display_name}, which has no row-level security: "
                "the guard alone keeps organizations apart."
            )
            return []
        if not row_security.is_on(connection):
            self.stdout.write(
                "SAAS_KIT_TENANCY_ROW_LEVEL_SECURITY is off: the guard alone keeps organizations apart."
            )
            return []
        return isolation.inspect_database(connection)

    def _write(self) -> None:
        missing = isolation.missing_references()
        targets = {target for model, names in missing.items() for target in _targets(model, names)}
        wanted: dict[type[models.Model], list[str]] = dict(missing)
        for target in targets:
            if str(target._meta.model_name) not in isolation.isolated_references(target._meta.app_label):
                wanted.setdefault(target, [])
        if not wanted:
            self.stdout.write("No migration is missing.")
            return
        loader = MigrationLoader(None)
        written: dict[str, tuple[str, str]] = {}
        for label in _in_order(wanted):
            written[label] = self._write_app(label, wanted, loader, written)

    def _write_app(
        self,
        label: str,
        wanted: dict[type[models.Model], list[str]],
        loader: MigrationLoader,
        written: dict[str, tuple[str, str]],
    ) -> tuple[str, str]:
        leaves = sorted(loader.graph.leaf_nodes(label))
        if not leaves:
            raise CommandError(
                f"The app {label} has no migrations yet. Run manage.py makemigrations {label} first."
            )
        own = {model: names for model, names in wanted.items() if model._meta.app_label == label}
        number = int(leaves[-1][1][:4]) + 1 if leaves[-1][1][:4].isdigit() else len(leaves) + 1
        migration = type("Migration", (Migration,), {})(f"{number:04d}_isolation", label)
        migration.dependencies = [*leaves, *_others(label, own, loader, written)]
        migration.operations = [_operation(model, own[model]) for model in _sorted(own)]
        writer = MigrationWriter(migration)
        path = Path(writer.path)
        path.write_text(writer.as_string(), encoding="utf-8")
        self.stdout.write(f"{self.style.MIGRATE_LABEL(str(path))}")
        for operation in migration.operations:
            self.stdout.write(f"    {operation.describe()}")
        return (label, migration.name)


def _targets(model: type[models.Model], names: list[str]) -> list[type[models.Model]]:
    references = isolation.references_of(model)
    return [references[name] for name in names]


def _sorted(own: dict[type[models.Model], list[str]]) -> list[type[models.Model]]:
    """Put what is pointed to before what points to it."""
    placed: list[type[models.Model]] = []

    def place(model: type[models.Model], path: tuple[type[models.Model], ...]) -> None:
        for target in _targets(model, own.get(model, [])):
            if target in own and target not in path:
                place(target, (*path, target))
        if model not in placed:
            placed.append(model)

    for model in sorted(own, key=lambda each: each._meta.label):
        place(model, (model,))
    return placed


def _in_order(wanted: dict[type[models.Model], list[str]]) -> list[str]:
    return list(dict.fromkeys(model._meta.app_label for model in _sorted(wanted)))


def _others(
    label: str,
    own: dict[type[models.Model], list[str]],
    loader: MigrationLoader,
    written: dict[str, tuple[str, str]],
) -> list[tuple[str, str]]:
    labels = {target._meta.app_label for model, names in own.items() for target in _targets(model, names)}
    return [
        written.get(other) or max(loader.graph.leaf_nodes(other))
        for other in sorted(labels - {label})
        if apps.is_installed(apps.get_app_config(other).name)
    ]


def _operation(model: type[models.Model], references: list[str]) -> IsolateReferences:
    isolated = isolation.isolated_references(model._meta.app_label)
    kind = IsolateReferences if str(model._meta.model_name) in isolated else IsolateModel
    return kind(str(model._meta.object_name), tuple(references))
