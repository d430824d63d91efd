"""Row-level security as it is deployed: behind PgBouncer, and as a role that owns no table."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import ProgrammingError, connection, connections, transaction
from django.db.utils import OperationalError

from saas_kit.core.context import fresh_context
from saas_kit.tenancy import isolation, policies, scope, unscoped
from saas_kit.tenancy.guard import owned_models

ROOT = Path(__file__).resolve().parents[2]
ROLES = ROOT / "example_project" / "deploy" / "roles.sql"

pytestmark = [
    pytest.mark.without_scope,
    pytest.mark.hosts("full"),
    pytest.mark.postgresql,
    pytest.mark.django_db(transaction=True),
]


@contextmanager
def connected(**changes: Any) -> Iterator[Any]:
    """Connect to the database of the test in another way; it is the default in the block."""
    usual = connections["default"]
    other = type(usual)({**usual.settings_dict, **changes}, "default")
    connections["default"] = other
    try:
        yield other
    finally:
        other.close()
        connections["default"] = usual


@pytest.fixture
def notes(make_organization: Any) -> Any:
    from tests.hosts.full.widgets.models import Note

    a, b = make_organization(), make_organization()
    for organization, names in ((a, ("a1", "a2")), (b, ("b1",))):
        with scope(organization):
            Note.objects.bulk_create(Note(name=name) for name in names)
    return Note, a, b


def _names() -> list[str]:
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT name FROM widgets_note ORDER BY name")
        return [name for (name,) in cursor.fetchall()]


class TestPgBouncer:
    @pytest.fixture
    def bouncer(self, tmp_path: Path) -> Iterator[int]:
        """Start PgBouncer in transaction mode, with one connection to the server; its port."""
        program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
        if program is None:
            pytest.skip("PgBouncer is not installed (Debian: apt-get install pgbouncer)")
        server = connection.settings_dict
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = int(free.getsockname()[1])
        configuration = tmp_path / "pgbouncer.ini"
        configuration.write_text(
            "[databases]\n"
            f"* = host={server['HOST']} port={server['PORT']} user={server['USER']} pool_size=1\n"
            "[pgbouncer]\n"
            f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n"
            "auth_type = any\npool_mode = transaction\nmax_client_conn = 50\nserver_reset_query =\n"
            "ignore_startup_parameters = extra_float_digits,options\n"
        )
        process = subprocess.Popen(
            [program, "--quiet", *self._user(), str(configuration)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._wait(port, process)
            yield port
        finally:
            process.terminate()
            process.wait(10)

    @staticmethod
    def _user() -> list[str]:
        # it refuses to run as root, and takes its privileges off itself once it has read its configuration
        return ["--user=nobody"] if os.geteuid() == 0 else [f"--user={getpass.getuser()}"]

    @staticmethod
    def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 15
        while time.monotonic() < deadline and process.poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.05)
        pytest.fail("PgBouncer did not start")

    def _through(self, port: int) -> Any:
        return connected(
            HOST="127.0.0.1", PORT=port, PASSWORD="none", CONN_MAX_AGE=0, DISABLE_SERVER_SIDE_CURSORS=True
        )

    def test_no_scope_is_left_for_the_next_client(self, bouncer: int, notes: Any) -> None:
        """I20: two clients take turns on one connection of the server, and neither sees what the other did."""
        model, a, b = notes
        with self._through(bouncer) as first:
            process = self._process(first)
            for _ in range(20):
                with scope(a):
                    assert _names() == ["a1", "a2"]
                with self._through(bouncer) as second:
                    assert _names() == []
                    with scope(b):
                        assert _names() == ["b1"]
                        assert [each.name for each in model.objects.iterator()] == ["b1"]
                    assert self._process(second) == process  # it is the same connection indeed
                assert _names() == []
                with scope(a), transaction.atomic():
                    assert _names() == ["a1", "a2"]
                    model.objects.filter(name="a1").update(size=3)
                assert _names() == []

    @staticmethod
    def _process(using: Any) -> int:
        with using.cursor() as cursor:
            cursor.execute("SELECT pg_backend_pid()")
            return int(cursor.fetchone()[0])


class TestSeparateRole:
    @pytest.fixture
    def app_role(self) -> Iterator[str]:
        """Make the roles of `deploy/roles.sql` in the database of the test, whose owner takes the part of the owner."""
        owner, role = connection.settings_dict["USER"], f"app_{uuid4().hex[:12]}"
        lines = ROLES.read_text().replace("example_owner", owner).replace("example_app", role).splitlines()
        script = "\n".join(line for line in lines if not line.startswith(("--", f"CREATE ROLE {owner}")))
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(script)
        except ProgrammingError as error:
            pytest.skip(f"the role of the suite may not create roles ({error})".replace("\n", " "))
        with connection.cursor() as cursor:
            # the tables of the test were made before the privileges by default
            cursor.execute(f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}")
            cursor.execute(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {role}")
        try:
            yield role
        finally:
            with connection.cursor() as cursor:
                cursor.execute(f"GRANT {role} TO CURRENT_USER; DROP OWNED BY {role}; DROP ROLE {role}")

    def test_finds_nothing_without_a_scope(self, app_role: str, notes: Any, make_team: Any) -> None:
        """I17: as the role of the site every tenant table is empty and takes no row, until a scope is set."""
        _, a, _ = notes
        with unscoped(reason="test"):
            make_team(organization=a)
        with connected(USER=app_role, PASSWORD="none") as using, using.cursor() as cursor:
            for model in owned_models():
                cursor.execute(f"SELECT count(*) FROM {model._meta.db_table}")
                assert cursor.fetchone() == (0,), model
                cursor.execute(f"UPDATE {model._meta.db_table} SET updated_at = now()")
                assert cursor.rowcount == 0
                cursor.execute(f"DELETE FROM {model._meta.db_table}")
                assert cursor.rowcount == 0
            insert = (
                "INSERT INTO widgets_note (id, created_at, updated_at, name, size, organization_id) "
                "VALUES (gen_random_uuid(), now(), now(), 'x', 1, %s)"
            )
            with pytest.raises(ProgrammingError, match="row-level security"):
                cursor.execute(insert, [a.pk])
            with scope(a):
                cursor.execute(insert, [a.pk])
                assert _names() == ["a1", "a2", "x"]

    def test_is_held_and_cannot_let_itself_go(self, app_role: str, notes: Any) -> None:
        """I19: no superuser, no BYPASSRLS, no owner; it cannot change a policy or a table."""
        with connected(USER=app_role, PASSWORD="none") as using:
            assert isolation.inspect_role(using) == []
            with fresh_context():
                call_command("saas_kit_check_isolation")
            for statement in (
                "ALTER TABLE widgets_note DISABLE ROW LEVEL SECURITY",
                "DROP POLICY saas_kit_isolation ON widgets_note",
                "TRUNCATE widgets_note CASCADE",
            ):
                with pytest.raises((ProgrammingError, OperationalError)), using.cursor() as cursor:
                    cursor.execute(statement)
            with using.cursor() as cursor:
                cursor.execute("SELECT tableowner FROM pg_tables WHERE tableowner = current_user")
                assert cursor.fetchall() == []
            # a `migrate` by mistake finds nothing to mend, so it fails nowhere
            assert policies.sync_policies(using) == []
