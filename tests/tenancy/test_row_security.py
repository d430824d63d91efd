"""Row-level security: what the scope does not hold is not there, whoever asks and however they connect."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.core.signals import request_started
from django.db import IntegrityError, ProgrammingError, connection, connections, transaction
from django.test import override_settings

from saas_kit.core.context import Scope, fresh_context
from saas_kit.tenancy import policies, receivers, row_security, scope, unscoped
from saas_kit.tenancy.guard import owned_models

pytestmark = [
    pytest.mark.without_scope,
    pytest.mark.hosts("full"),
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
]


@pytest.fixture
def notes(make_organization: Callable[..., Any]) -> Any:
    from tests.hosts.full.widgets.models import Note

    a, b = make_organization(), make_organization()
    for organization, names in ((a, ("a1", "a2")), (b, ("b1",))):
        with scope(organization):
            Note.objects.bulk_create(Note(name=name) for name in names)
    return Note, a, b


@contextmanager
def connected(**changes: Any) -> Iterator[Any]:
    """Connect to the database of the test with other settings; it is the default in the block."""
    usual = connections["default"]
    options = {**usual.settings_dict["OPTIONS"], **changes.pop("OPTIONS", {})}
    other = type(usual)({**usual.settings_dict, **changes, "OPTIONS": options}, "default")
    connections["default"] = other
    try:
        yield other
    finally:
        other.close()
        if other.pool:
            other.close_pool()
        connections["default"] = usual


def names(using: Any = None) -> list[str]:
    """Read what SQL of one's own finds, past the guard."""
    with (using or connections["default"]).cursor() as cursor:
        cursor.execute("SELECT name FROM widgets_note ORDER BY name")
        return [name for (name,) in cursor.fetchall()]


def setting(using: Any) -> str:
    with using.cursor() as cursor:
        cursor.execute(f"SHOW {row_security.SETTING}")
        return str(cursor.fetchone()[0])


WAYS: dict[str, dict[str, Any]] = {
    "as Django connects": {},
    "kept open": {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True},
    "parameters bound by the server": {"OPTIONS": {"server_side_binding": True}},
    "a pool of one": {"CONN_MAX_AGE": 0, "OPTIONS": {"pool": {"min_size": 1, "max_size": 1, "timeout": 5}}},
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
class TestStatements:
    def test_find_what_is_in_scope(self, way: Any, notes: Any) -> None:
        """I17: SQL of one's own finds nothing without a scope, and with one what that holds."""
        _, a, b = notes
        with connected(**way) as using:
            for _ in range(2):
                assert names(using) == []
                with scope(a):
                    assert names(using) == ["a1", "a2"]
                    with scope(b):
                        assert names(using) == ["b1"]
                    assert names(using) == ["a1", "a2"]
                with scope([a, b]):
                    assert names(using) == ["a1", "a2", "b1"]
                with unscoped(reason="test"):
                    assert names(using) == ["a1", "a2", "b1"]
                with scope([]):
                    assert names(using) == []

    def test_in_a_transaction(self, way: Any, notes: Any) -> None:
        """The setting follows the scope within a transaction, through savepoints and their rollbacks."""
        _, a, b = notes
        with connected(**way) as using, transaction.atomic():
            assert names(using) == []
            with scope(a):
                assert names(using) == ["a1", "a2"]
                with transaction.atomic(), scope(b):
                    assert names(using) == ["b1"]
                    transaction.set_rollback(True)
                assert names(using) == ["a1", "a2"]
                with pytest.raises(ProgrammingError), transaction.atomic(), using.cursor() as cursor:
                    cursor.execute("SELECT nothing FROM widgets_note")
                assert names(using) == ["a1", "a2"]
            with scope(b), transaction.atomic():
                assert names(using) == ["b1"]
            assert names(using) == []

    def test_writes_stay_inside(self, way: Any, notes: Any) -> None:
        """I17: INSERT elsewhere fails; UPDATE and DELETE reach nothing elsewhere, and nothing without a scope."""
        model, a, b = notes
        insert = (
            "INSERT INTO widgets_note (id, created_at, updated_at, name, size, organization_id) "
            "VALUES (gen_random_uuid(), now(), now(), 'x', 1, %s)"
        )
        with connected(**way) as using, using.cursor() as cursor:
            for entered in (scope([]), scope(b)):
                with entered:
                    with pytest.raises(ProgrammingError, match="row-level security"):
                        cursor.execute(insert, [a.pk])
                    cursor.execute("UPDATE widgets_note SET size = 9 WHERE organization_id = %s", [a.pk])
                    assert cursor.rowcount == 0
                    cursor.execute("DELETE FROM widgets_note WHERE organization_id = %s", [a.pk])
                    assert cursor.rowcount == 0
            with pytest.raises(ProgrammingError, match="row-level security"):
                cursor.execute(insert, [a.pk])
            with scope(a):
                cursor.execute(insert, [a.pk])
                with pytest.raises(ProgrammingError, match="row-level security"):
                    cursor.execute("UPDATE widgets_note SET organization_id = %s WHERE name = 'x'", [b.pk])
                cursor.execute("UPDATE widgets_note SET size = 9 WHERE name = 'x'")
                assert cursor.rowcount == 1
        with unscoped(reason="test"):
            assert [each.name for each in model.objects.filter(size=9)] == ["x"]

    def test_other_ways_to_execute(self, way: Any, notes: Any) -> None:
        """Iterators with cursors of the server, many sets of parameters and composed SQL are in scope as well."""
        from psycopg import sql

        model, a, b = notes
        with connected(**way) as using, scope(a):
            assert [each.name for each in model.objects.order_by("name").iterator(1)] == ["a1", "a2"]
            with transaction.atomic():
                assert len(list(model.objects.iterator(1))) == 2
            with using.cursor() as cursor:
                cursor.executemany(
                    "UPDATE widgets_note SET size = %s WHERE name = %s", [(5, "a1"), (6, "b1")]
                )
                cursor.execute(
                    sql.SQL("SELECT name FROM {} WHERE size = 5").format(sql.Identifier("widgets_note"))
                )
                assert cursor.fetchall() == [("a1",)]
                cursor.execute(
                    "/* a report */ (SELECT name FROM widgets_note) UNION (SELECT 'more') ORDER BY 1"
                )
                assert [name for (name,) in cursor.fetchall()] == ["a1", "a2", "more"]
                cursor.execute("WITH found AS (SELECT * FROM widgets_note) SELECT count(*) FROM found")
                assert cursor.fetchone() == (2,)
        with scope(b):
            assert model.objects.get().size == 1

    def test_programs_in_the_database(self, way: Any, notes: Any) -> None:
        """A block of code in a transaction runs in the present scope, not in that of an earlier statement."""
        model, a, b = notes
        with connected(**way) as using, using.cursor() as cursor:
            with transaction.atomic():
                with scope(a):
                    assert names(using) == ["a1", "a2"]
                with scope(b):
                    cursor.execute("DO $$ BEGIN UPDATE widgets_note SET size = 7; END $$")
                cursor.execute("DO $$ BEGIN UPDATE widgets_note SET size = 8; END $$")
            with scope(a):
                cursor.execute(
                    "DO $$ BEGIN UPDATE widgets_note SET size = 9; END $$"
                )  # alone it has no scope
                cursor.execute(
                    "VACUUM (ANALYZE) saas_kit_tenancy_account"
                )  # which some statements cannot take
        with unscoped(reason="test"):
            assert [(each.name, each.size) for each in model.objects.order_by("name")] == [
                ("a1", 1),
                ("a2", 1),
                ("b1", 7),
            ]

    @pytest.mark.parametrize(
        "statement",
        ["ROLLBACK TO SAVEPOINT s", "/* tag */ ROLLBACK TO SAVEPOINT s", "SELECT 1; ROLLBACK TO SAVEPOINT s"],
    )
    def test_after_a_rollback_by_hand(self, way: Any, notes: Any, statement: str) -> None:
        """A rollback takes the setting back to a wider scope; the next statement has its own again."""
        _, a, _ = notes
        with connected(**way) as using, transaction.atomic():
            with unscoped(reason="test"), using.cursor() as cursor:
                assert len(names(using)) == 3
                cursor.execute("SAVEPOINT s")
            with scope(a), using.cursor() as cursor:
                assert names(using) == ["a1", "a2"]
                cursor.execute(statement)
                assert names(using) == ["a1", "a2"]

    def test_leaves_nothing_behind(self, way: Any, notes: Any) -> None:
        """I20: after a statement, and after a transaction, the connection knows of no organization."""
        _, a, _ = notes
        with connected(**way) as using:
            with scope(a):
                names(using)
                assert setting(using) == ""
                with transaction.atomic():
                    names(using)
                    assert setting(using) == str(a.pk)
                assert setting(using) == ""
            process = using.connection.info.backend_pid
            using.close()
            with using.cursor() as cursor:
                cursor.execute("SELECT name FROM widgets_note")
                assert cursor.fetchall() == []
            if way.get("OPTIONS", {}).get("pool"):
                assert using.connection.info.backend_pid == process


class TestRoundTrips:
    @pytest.fixture
    def messages(self, tmp_path: Path) -> Callable[..., Any]:
        """Return the queries that a block sends to the server, as libpq writes them down."""

        @contextmanager
        def trace(using: Any) -> Iterator[list[str]]:
            path, found = tmp_path / "trace", []
            with path.open("w") as file:
                using.connection.pgconn.trace(file.fileno())
                yield found
                using.connection.pgconn.untrace()
            found += [line for line in path.read_text().splitlines() if "\tF\t" in line and "Query" in line]

        return trace

    def test_are_as_many_as_statements(self, notes: Any, messages: Callable[..., Any]) -> None:
        """The scope goes to the server in the message of the statement, and not again while it is the same."""
        _, a, b = notes
        with connected() as using:
            names(using)
            with messages(using) as outside, scope(a):
                names(using)
                names(using)
            with messages(using) as inside, transaction.atomic():
                with scope(a):
                    names(using)
                    names(using)
                with scope(b):
                    names(using)
        assert ["SET LOCAL" in each for each in outside] == [True, True]
        assert ["SET LOCAL" in each for each in inside if "SELECT" in each] == [True, False, True]
        assert len([each for each in inside if "SELECT" in each or "SET LOCAL" in each]) == 3


class TestKeys:
    def test_rows_point_into_their_organization_only(self, notes: Any) -> None:
        """A row cannot point at another organization's, not even by raw SQL of somebody who sees both."""
        model, _, _ = notes
        with unscoped(reason="test"):
            mine, also_mine, theirs = model.objects.order_by("name")
        update = "UPDATE widgets_note SET reply_to_id = %s WHERE id = %s"
        with unscoped(reason="test"), connection.cursor() as cursor:
            cursor.execute(update, [also_mine.pk, mine.pk])
            with pytest.raises(IntegrityError, match="_same"):
                cursor.execute(update, [theirs.pk, mine.pk])

    def test_members_of_teams_are_members_of_their_organization(self, make_team, make_membership) -> None:
        """The kit's own references are composite too."""
        from saas_kit.teams.models import TeamMembership

        team, outsider = make_team(), make_membership()
        insider = make_membership(team.organization)
        with unscoped(reason="test"):
            TeamMembership.objects.create(
                organization=team.organization, team=team, membership=insider, role="member"
            )
            with pytest.raises(IntegrityError, match="_same"):
                TeamMembership.objects.create(
                    organization=team.organization, team=team, membership=outsider, role="member"
                )


class TestPolicies:
    def test_every_table_has_them(self) -> None:
        """I18: each table with an organization, but the outbox, is enabled and forced, with USING and WITH CHECK."""
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT c.relname, c.relrowsecurity, c.relforcerowsecurity FROM pg_class c "
                "JOIN pg_attribute t ON t.attrelid = c.oid AND t.attname = 'organization_id' AND NOT t.attisdropped "
                "WHERE c.relkind = 'r' AND pg_table_is_visible(c.oid) ORDER BY 1"
            )
            tables = cursor.fetchall()
        # what delivers it has no scope, and no route shows it
        tables.remove(("saas_kit_email_outboxmessage", False, False))
        assert tables == [
            (name, True, True)
            for name in (
                "saas_kit_audit_event",
                "saas_kit_teams_team",
                "saas_kit_teams_teammembership",
                "saas_kit_tenancy_emaildomain",
                "saas_kit_tenancy_invitation",
                "saas_kit_tenancy_invitationtoken",
                "saas_kit_tenancy_membership",
                "saas_kit_tenancy_removedmember",
                "widgets_note",
                "widgets_widget",
            )
        ]
        security = policies.read_security(connection, [model._meta.db_table for model in owned_models()])
        for table in security.values():
            (policy,) = table.policies
            assert policy.using
            assert policy.check

    def test_memberships_are_read_by_all_and_written_in_scope(
        self, make_membership, make_organization
    ) -> None:
        """Who may have which scope is read before there is one; joining an organization needs its scope."""
        from saas_kit.tenancy.models import Membership

        membership, elsewhere = make_membership(), make_organization()
        assert Membership.objects.filter(pk=membership.pk).exists()
        with scope(elsewhere):
            assert Membership.objects.filter(pk=membership.pk).update(role="owner") == 0
            with pytest.raises(ProgrammingError, match="row-level security"):
                Membership.objects.create(
                    organization=membership.organization, user=membership.user, role="owner"
                )
        with scope(membership.organization):
            assert Membership.objects.filter(pk=membership.pk).update(role="viewer") == 1

    def test_are_mended_after_migrate(self, notes: Any) -> None:
        """A table that lost its policies, or has others, gets them back with the next ``migrate``."""
        _, a, _ = notes
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE widgets_note NO FORCE ROW LEVEL SECURITY")
            cursor.execute("ALTER POLICY saas_kit_isolation ON widgets_note USING (true)")
            cursor.execute("DROP POLICY saas_kit_isolation ON widgets_widget")
        with scope(a):
            assert names() == ["a1", "a2", "b1"]

        assert sorted(policies.sync_policies(connection)) == ["widgets_note", "widgets_widget"]
        assert policies.sync_policies(connection) == []
        with scope(a):
            assert names() == ["a1", "a2"]

    def test_can_be_turned_off_and_on(self, notes: Any) -> None:
        """The setting takes effect both ways."""
        try:
            with override_settings(SAAS_KIT_TENANCY_ROW_LEVEL_SECURITY=False):
                policies.sync_policies(connection)
                assert names() == ["a1", "a2", "b1"]
        finally:
            policies.sync_policies(connection)
        assert names() == []


class TestMigrating:
    def test_ends_with_the_next_request_where_migrate_failed(self, notes: Any) -> None:
        """Migrations see all rows; a run that failed leaves that to nobody who is answered in the process."""
        assert names() == []
        receivers.see_all_rows(using="default")
        assert names() == ["a1", "a2", "b1"]

        request_started.send(sender=None)

        assert names() == []


class TestThreads:
    def test_interleaved(self, notes: Any) -> None:
        """I15, T9: threads that change scopes and fail at random never see each other's rows."""
        model, a, b = notes
        wrong: list[Any] = []

        def work(number: int) -> None:
            try:
                for step in range(50):
                    mine, expected = ((a, {"a1", "a2"}), (b, {"b1"}))[(number + step) % 2]
                    with fresh_context():
                        with suppress(ZeroDivisionError), scope(mine):
                            found = {each.name for each in model.objects.all()} | set(names())
                            if found != expected:
                                wrong.append((expected, found))
                            1 / (step % 5)
                        if names():
                            wrong.append("rows without a scope")
            finally:
                connections.close_all()

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        assert wrong == []


def test_what_policies_read() -> None:
    """No scope is nothing, all is a star, and several are in one order."""
    assert row_security.value_of(None) == ""
    assert row_security.value_of(Scope(None)) == "*"
    assert row_security.value_of(Scope(frozenset())) == ""


def test_models_that_are_not_owned_are_left_alone() -> None:
    """A table without an organization has no policies."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT relname FROM pg_class WHERE relrowsecurity AND relkind = 'r'")
        protected = {name for (name,) in cursor.fetchall()}
    assert protected == {model._meta.db_table for model, _ in policies.protected_models()}
