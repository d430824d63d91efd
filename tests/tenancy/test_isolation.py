"""What the checks and ``saas_kit_check_isolation`` find, in models, migrations and the live database."""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from django.apps import apps
from django.conf import settings as django_settings
from django.contrib import admin
from django.core import checks
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.db import connection, models
from django.db.models.functions import Lower
from django.test import override_settings
from django.test.utils import isolate_apps

from saas_kit.tenancy import guard, isolation, isolation_checks, policies, row_security
from saas_kit.tenancy.guard import owned_models
from saas_kit.tenancy.models import Membership, OrganizationOwned, OrganizationOwnedQuerySet

pytestmark = [pytest.mark.hosts("full"), pytest.mark.without_scope]

FRESH = Path(__file__).parent / "unisolated" / "migrations"


def _ids(*, tag: str = checks.Tags.compatibility, **kwargs: Any) -> set[str]:
    return {str(each.id) for each in checks.run_checks(tags=[tag], **kwargs) if not each.is_silenced()}


MIDDLEWARE = "saas_kit.tenancy.middleware.OrganizationMiddleware"
OTHERS = [each for each in django_settings.MIDDLEWARE if each != MIDDLEWARE]
MISTAKES: dict[str, tuple[str, dict[str, Any]]] = {
    "models that point to what is an organization's": (
        "saas_kit_tenancy.W008",
        {"SILENCED_SYSTEM_CHECKS": []},
    ),
    "references are not isolated": (
        "saas_kit_tenancy.W009",
        {"MIGRATION_MODULES": {"widgets": "tests.tenancy.unisolated.migrations"}},
    ),
    "middleware for sessions is missing": ("saas_kit_tenancy.W031", {"MIDDLEWARE": OTHERS}),
    "middleware for sessions comes too early": (
        "saas_kit_tenancy.W031",
        {"MIDDLEWARE": [MIDDLEWARE, *OTHERS]},
    ),
}


class TestModels:
    def test_managers(self) -> None:
        """A manager that finds all rows is named; so is the base manager, where another base comes first."""

        class Plain(models.Model):
            def __str__(self) -> str:
                return str(self.pk)

            class Meta:
                abstract = True

        with isolate_apps("tests.hosts.full.widgets"):

            class Guarded(OrganizationOwned):
                named = models.Manager.from_queryset(OrganizationOwnedQuerySet)()

                class Meta:
                    app_label = "widgets"

            class Careless(OrganizationOwned):
                objects: ClassVar[Any] = models.Manager()
                everything = models.Manager()

                class Meta:
                    app_label = "widgets"

            class Hidden(Plain, OrganizationOwned):
                class Meta:
                    app_label = "widgets"

        assert isolation.unguarded_managers(Guarded) == []
        assert sorted(isolation.unguarded_managers(Careless)) == ["everything", "objects"]
        assert isolation.unguarded_managers(Hidden) == ["_base_manager"]

    def test_unguarded_manager_is_an_error(self) -> None:
        """E008: a host hears of it when it starts."""
        note = apps.get_model("widgets.Note")
        assert "saas_kit_tenancy.E008" not in _ids()
        models.Manager().contribute_to_class(note, "everything")
        try:
            assert "saas_kit_tenancy.E008" in _ids()
        finally:
            note._meta.local_managers = [
                each for each in note._meta.local_managers if each.name != "everything"
            ]
            note._meta._expire_cache()
            del note.everything

    @pytest.mark.parametrize(("check_id", "values"), MISTAKES.values(), ids=MISTAKES)
    def test_mistake_is_reported(self, settings: Any, check_id: str, values: dict[str, Any]) -> None:
        """Each mistake has its id, and a hint that can be followed; the settings of the host are without fault."""
        assert check_id not in _ids()
        for name, value in values.items():
            setattr(settings, name, value)

        found = [each for each in checks.run_checks(tags=[checks.Tags.compatibility]) if each.id == check_id]

        assert [each for each in found if not each.is_silenced()]
        assert all(each.hint and each.msg for each in found)

    def test_admin_that_hides_whose_rows_it_shows(self) -> None:
        """W030: a page of tenant-owned rows says whose they are."""
        team = apps.get_model("saas_kit_teams.Team")
        usual = type(admin.site.get_model_admin(team))
        assert "saas_kit_tenancy.W030" not in _ids()
        admin.site.unregister(team)
        admin.site.register(team)
        try:
            assert "saas_kit_tenancy.W030" in _ids()
        finally:
            admin.site.unregister(team)
            admin.site.register(team, usual)

    def test_references_and_links(self) -> None:
        """Foreign keys to tenant-owned rows and to memberships count; links without an organization are named."""
        with isolate_apps("tests.hosts.full.widgets"):

            class Shelf(OrganizationOwned):
                class Meta:
                    app_label = "widgets"

            class Book(OrganizationOwned):
                shelf = models.ForeignKey(Shelf, models.CASCADE)
                reader = models.OneToOneField(Membership, models.SET_NULL, null=True)
                other = models.ForeignKey("saas_kit_tenancy.Account", models.CASCADE)
                shelves = models.ManyToManyField(Shelf, related_name="+")

                class Meta:
                    app_label = "widgets"

        assert isolation.references_of(Book) == {"shelf": Shelf, "reader": Membership}
        assert isolation.references_of(Shelf) == {}
        assert isolation.shared_links(Book) == ["shelves"]

    def test_a_table_that_inherits_its_organization(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """E009: no policy could hold a table without the column, so that such a model is an error."""
        with isolate_apps("tests.hosts.full.widgets") as isolated:

            class Parent(OrganizationOwned):
                class Meta:
                    app_label = "widgets"

            class Child(Parent):
                holder = models.ForeignKey(Membership, models.CASCADE)

                class Meta:
                    app_label = "widgets"

            assert isolation.references_of(Child) == {}
            assert isolation.inheriting_models() == []
            monkeypatch.setattr(guard, "apps", isolated)
            assert isolation.inheriting_models() == [Child]
            assert [each.id for each in isolation_checks.check_inheritance()] == ["saas_kit_tenancy.E009"]

    def test_uniques(self) -> None:
        """I22: a unique key begins with the organization, or has a reference that cannot leave it."""
        with isolate_apps("tests.hosts.full.widgets"):

            class Box(OrganizationOwned):
                code = models.CharField(max_length=10, unique=True)
                name = models.CharField(max_length=10)
                holder = models.ForeignKey(Membership, models.CASCADE)

                class Meta:
                    app_label = "widgets"
                    unique_together = (("name", "code"), ("organization", "code"))
                    constraints = (
                        models.UniqueConstraint(fields=["name"], name="names_of_all"),
                        models.UniqueConstraint(Lower("name"), name="lower_names_of_all"),
                        models.UniqueConstraint("organization", Lower("name"), name="own_names"),
                        models.UniqueConstraint(fields=["holder", "name"], name="names_of_holder"),
                    )

        assert isolation.shared_uniques(Box) == ["code", "name, code", "names_of_all", "lower_names_of_all"]

        Box.unique_among_organizations = frozenset({"names_of_all"})

        assert isolation.shared_uniques(Box) == ["code", "name, code", "lower_names_of_all"]

    def test_own_tables_are_without_fault(self) -> None:
        """I22: the kit's and the host's unique keys are of one organization each."""
        models_of_all = owned_models()

        assert models_of_all
        assert [name for model in models_of_all for name in isolation.shared_uniques(model)] == []


@pytest.fixture
def fresh_migrations(tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Migrations of the widgets in a folder of their own, none of which isolates anything yet."""
    folder = tmp_path / "fresh_migrations"
    shutil.copytree(FRESH, folder, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.syspath_prepend(str(tmp_path))
    settings.MIGRATION_MODULES = {"widgets": "fresh_migrations"}
    yield folder
    for name in [each for each in sys.modules if each.partition(".")[0] == "fresh_migrations"]:
        del sys.modules[name]


class TestWriting:
    def test_writes_what_is_missing(self, fresh_migrations: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """The migration isolates what is pointed to and what points; after it nothing is missing."""
        assert list(isolation.missing_references().values()) == [["reply_to"]]

        call_command("saas_kit_check_isolation", write=True)

        text = (fresh_migrations / "0002_isolation.py").read_text()
        assert "IsolateModel" in text
        assert "('widgets', '0001_initial')" in text
        assert "0002_isolation.py" in capsys.readouterr().out
        importlib.invalidate_caches()
        assert isolation.missing_references() == {}
        assert isolation.isolated_references("widgets") == {"note": {"reply_to"}}
        call_command("saas_kit_check_isolation", write=True)
        assert "No migration is missing." in capsys.readouterr().out

    def test_adds_to_what_is_isolated(self, fresh_migrations: Path) -> None:
        """A model that has its key gets the new references alone."""
        path = fresh_migrations / "0001_initial.py"
        operation = (
            'operations = [__import__("saas_kit.tenancy.operations", fromlist=["x"]).IsolateModel("Note")]'
        )
        path.write_text(path.read_text().replace("operations = []", operation))

        call_command("saas_kit_check_isolation", write=True, verbosity=0)

        text = (fresh_migrations / "0002_isolation.py").read_text()
        assert "IsolateReferences" in text
        assert "IsolateModel" not in text

    def test_an_app_without_migrations_is_told_first(self, settings: Any) -> None:
        """There is nothing to depend on yet."""
        settings.MIGRATION_MODULES = {"widgets": None}
        with pytest.raises(CommandError, match="makemigrations widgets"):
            call_command("saas_kit_check_isolation", write=True)


def _execute(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


BROKEN = {
    "not enabled": ("ALTER TABLE widgets_note DISABLE ROW LEVEL SECURITY", "widgets_note", "not enabled"),
    "not forced": ("ALTER TABLE widgets_note NO FORCE ROW LEVEL SECURITY", "widgets_note", "not forced"),
    "no policy": ("DROP POLICY saas_kit_isolation ON widgets_note", "widgets_note", "other policies"),
    "a weaker policy": (
        "ALTER POLICY saas_kit_isolation ON widgets_note USING (true)",
        "widgets_note",
        "other",
    ),
    "one more policy": ("CREATE POLICY leak ON widgets_note USING (true)", "widgets_note", "of others: leak"),
    "a kit's table": (
        "DROP POLICY saas_kit_update ON saas_kit_tenancy_membership",
        "membership",
        "other policies",
    ),
    "no reference": (
        "ALTER TABLE widgets_note DROP CONSTRAINT {same}",
        "widgets_note",
        "could point at another organization's row by reply_to",
    ),
    "a view with its owner's rights": ("CREATE VIEW leak AS SELECT * FROM widgets_note", "leak", "is a view"),
    "a materialized view": (
        "CREATE MATERIALIZED VIEW leak AS SELECT * FROM widgets_note",
        "leak",
        "is a materialized view",
    ),
    "a materialized view of a view": (
        "CREATE VIEW v WITH (security_invoker) AS TABLE widgets_note; CREATE MATERIALIZED VIEW leak AS TABLE v",
        "leak",
        "is a materialized view",
    ),
    "a function with its owner's rights": (
        "CREATE FUNCTION leak() RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        "leak()",
        "is a function",
    ),
}


@pytest.mark.postgresql
@pytest.mark.django_db
class TestDatabase:
    def _constraint(self, kind: str) -> str:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT conname FROM pg_constraint WHERE conrelid = 'widgets_note'::regclass AND conname LIKE %s",
                [f"%{kind}"],
            )
            return str(cursor.fetchone()[0])

    def test_is_without_fault(self, capsys: pytest.CaptureFixture[str]) -> None:
        """I18, I19, I21: the permitted twin of all that follows."""
        call_command("saas_kit_check_isolation")
        assert "Nothing is missing: 8 tenant-owned models" in capsys.readouterr().out

    @pytest.mark.parametrize(("statement", "where", "problem"), BROKEN.values(), ids=BROKEN)
    def test_names_what_is_wrong(
        self, statement: str, where: str, problem: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """I18, I21: each fault is named with its table, and the exit code is not 0."""
        _execute(statement.format(same=self._constraint("_same")))

        with pytest.raises(CommandError, match="1 finding"):
            call_command("saas_kit_check_isolation")

        [line] = [each for each in capsys.readouterr().out.splitlines() if problem in each]
        assert where in line

    def test_views_and_functions_that_are_fine(self, settings: Any) -> None:
        """I21: a view with its caller's rights and a function that the host trusts are no finding."""
        _execute(
            "CREATE VIEW fine WITH (security_invoker) AS SELECT * FROM widgets_note",
            "CREATE FUNCTION known(a uuid) RETURNS int LANGUAGE sql SECURITY DEFINER AS 'SELECT 1'",
        )
        settings.SAAS_KIT_TENANCY_TRUSTED_FUNCTIONS = ["known(uuid)"]
        call_command("saas_kit_check_isolation")

    def test_a_table_that_is_gone(self, capsys: pytest.CaptureFixture[str]) -> None:
        """A database that lags behind the models is told of."""
        _execute("ALTER TABLE widgets_note RENAME TO elsewhere")
        with pytest.raises(CommandError):
            call_command("saas_kit_check_isolation")
        assert "widgets_note: does not exist" in capsys.readouterr().out

    def test_off_by_one_setting(self, capsys: pytest.CaptureFixture[str]) -> None:
        """Where a host turned the policies off there is nothing to inspect, and that is said."""
        with override_settings(SAAS_KIT_TENANCY_ROW_LEVEL_SECURITY=False):
            call_command("saas_kit_check_isolation")
        assert "ROW_LEVEL_SECURITY is off" in capsys.readouterr().out

    def test_sync_mends_the_policies(self) -> None:
        """What ``migrate`` does after every run is enough for the tables of the kit and of the host."""
        for statement, where, _ in BROKEN.values():
            if "POLICY saas_kit" in statement or "LEVEL SECURITY" in statement:
                _execute(statement)
                assert any(where in table for table in policies.sync_policies(connection))
        call_command("saas_kit_check_isolation")


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
class TestRole:
    def test_the_suite_runs_as_an_owner_who_is_held(self) -> None:
        """I19: neither superuser nor BYPASSRLS; an owner, but forced."""
        assert isolation.inspect_role(connection) == []
        assert "saas_kit_tenancy.E011" not in _ids(
            tag=checks.Tags.database, include_deployment_checks=True, databases=["default"]
        )

    def test_an_owner_without_force_is_named(self) -> None:
        """I19: E011 names the table, at deployment only."""
        _execute("ALTER TABLE widgets_note NO FORCE ROW LEVEL SECURITY")
        try:
            [finding] = isolation.inspect_role(connection)
            assert finding.where == "widgets_note"
            assert "saas_kit_tenancy.E011" in _ids(
                tag=checks.Tags.database, include_deployment_checks=True, databases=["default"]
            )
            assert "saas_kit_tenancy.E011" not in _ids(tag=checks.Tags.database, databases=["default"])
        finally:
            policies.sync_policies(connection)


@pytest.mark.django_db
def test_says_what_a_database_without_policies_has(capsys: pytest.CaptureFixture[str]) -> None:
    """On SQLite, and there only, the models and the migrations are looked at and the rest is said to be missing."""
    call_command("saas_kit_check_isolation")
    out = capsys.readouterr().out
    assert ("SQLite, which has no row-level security" in out) is (connection.vendor == "sqlite")
    assert "Nothing is missing" in out


def test_psycopg_2_is_refused() -> None:
    """A driver that cannot send the scope along is told of when it connects, instead of finding nothing for ever."""
    old_driver = SimpleNamespace(vendor="postgresql", execute_wrappers=[], Database=SimpleNamespace())
    with pytest.raises(ImproperlyConfigured, match="psycopg 3"):
        row_security.watch_connection(connection=old_driver)
    with override_settings(SAAS_KIT_TENANCY_ROW_LEVEL_SECURITY=False):
        row_security.watch_connection(connection=old_driver)
    assert old_driver.execute_wrappers == []
