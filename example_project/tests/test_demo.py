"""The demo: its data, and the command that serves it."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from projects.demo import ORGANIZATIONS, PASSWORD, PEOPLE, PROJECTS, STAFF, TEAMS, load_demo
from projects.management.commands.demo import LOGINS
from projects.models import Project, Task
from projects.receivers import FIRST_TASKS
from saas_kit.audit.models import Event
from saas_kit.teams.models import Team, TeamMembership
from saas_kit.tenancy.models import Account, AccountMembership, Membership, get_organization_model

PROJECT = Path(__file__).resolve().parent.parent
START_UP = 90  # seconds
MODELS = (
    get_user_model(),
    Account,
    AccountMembership,
    get_organization_model(),
    Membership,
    Team,
    TeamMembership,
    Project,
    Task,
    Event,
)


@pytest.fixture
def load(django_capture_on_commit_callbacks, db):
    """Load the demo's data, with what follows on the commit; how many rows there are then of each model."""

    def load() -> dict[str, int]:
        with django_capture_on_commit_callbacks(execute=True):
            load_demo()
        return {model._meta.model_name: model._base_manager.count() for model in MODELS}

    return load


class TestData:
    def test_has_what_it_promises(self, load):
        """Two accounts, three organizations, a dozen people in different roles, teams and projects."""
        counts = load()

        assert counts["user"] == len(PEOPLE) + 1 == 13
        assert (counts["account"], counts["organization"]) == (2, 3)
        assert set(Membership.objects.values_list("role", flat=True)) == {
            "owner",
            "admin",
            "member",
            "viewer",
        }
        assert set(AccountMembership.objects.values_list("role", flat=True)) == {"owner", "admin", "member"}
        assert counts["team"] == len(TEAMS)
        assert counts["teammembership"] == sum(map(len, TEAMS.values()))
        assert counts["project"] == len(PROJECTS) + len(ORGANIZATIONS)
        tasks = sum(len(project.tasks) for project in PROJECTS)
        assert counts["task"] == tasks + len(ORGANIZATIONS) * len(FIRST_TASKS)
        assert get_user_model().objects.filter(is_superuser=True).get().email == STAFF

    def test_gives_tasks_to_those_who_were_named(self, load):
        load()

        named = [email for project in PROJECTS for _, _, email in project.tasks if email]
        assert sorted(
            Task.objects.exclude(assignee=None).values_list("assignee__user__email", flat=True)
        ) == (sorted(named))

    def test_loading_again_changes_nothing(self, load):
        assert load() == load()

    def test_loading_again_adds_what_is_missing(self, load):
        before = load()
        Task.objects.filter(title="Test it").purge()

        after = load()

        assert after.pop("event") == before.pop("event") + 1
        assert after == before

    def test_uses_addresses_that_belong_to_nobody(self):
        """RFC 2606 keeps these domains for examples."""
        addresses = [STAFF, *(person.email for person in PEOPLE)]

        assert all(address.endswith((".example", "@example.com")) for address in addresses)

    def test_names_logins_that_work(self, load, client):
        load()

        for email, _ in LOGINS:
            body = {"email": email, "password": PASSWORD}
            assert client.post("/api/v1/auth/login/", body, "application/json").status_code == 200, email


class TestCommand:
    def test_refuses_to_load_outside_debug(self, settings):
        """Passwords that everybody knows have no place on a server."""
        settings.DEBUG = False

        with pytest.raises(CommandError, match="DEBUG"):
            call_command("demo", "--no-serve")

    def test_refuses_to_empty_another_database(self, start_command, demo_database):
        """What DATABASE_URL names may be somebody's real one."""
        process = start_command("demo", "--no-serve", "--reset", database=demo_database)

        assert process.popen.wait(START_UP) == 1
        assert "Only the embedded database is reset." in process.output

    def test_starts_anew(self, tmp_path, clean_environment):
        """The embedded database is replaced, and nothing is written beside it."""
        project = tmp_path / "project"
        shutil.copytree(
            PROJECT, project, ignore=shutil.ignore_patterns(".*", "tests", "staticfiles", "media")
        )
        database = project / ".local" / "db.sqlite3"
        database.parent.mkdir()
        database.write_text("not a database")
        before = set(_files(project))

        command = [sys.executable, "-B", "manage.py", "demo", "--no-serve", "--reset"]
        result = subprocess.run(
            command, check=False, cwd=project, env=clean_environment(), capture_output=True, text=True
        )

        assert result.returncode == 0, result.stderr
        assert database.read_bytes().startswith(b"SQLite format 3")
        assert {path for path in set(_files(project)) - before if ".local" not in path.parts} == set()

    def test_loads_again(self, start_command, demo_database):
        process = start_command("demo", "--no-serve", database=demo_database)

        assert process.popen.wait(START_UP) == 0, process.output
        assert "The demo data is loaded." in process.output

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    def test_serves_until_it_is_stopped(self, start_command, demo_database, number):
        """It says where it is, and ends in order."""
        process = start_command("demo", "--port=0", database=demo_database)
        address = process.wait_for(r"(http://127\.0\.0\.1:\d+)/api/docs/")[1]

        assert requests.get(f"{address}/api/v1/projects/", timeout=10).status_code == 401
        assert process.stop(number) == 0
        assert "Stopped." in process.output

    def test_says_that_a_port_is_taken(self, start_command, demo_database):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            process = start_command("demo", f"--port={port}", database=demo_database)

            assert process.popen.wait(START_UP) == 1
        assert f"Port {port} cannot be used" in process.output


class TestPages:
    @pytest.mark.parametrize("page", ["/api/docs/", "/api/redoc/"])
    def test_load_nothing_from_elsewhere(self, server, page):
        """The documentation works without any other site."""
        text = requests.get(server + page, timeout=10).text
        loaded = [part.split('"')[0] for part in text.replace("href=", "src=").split('src="')[1:]]

        assert loaded
        for path in loaded:
            assert path.startswith("/"), path
            assert requests.get(server + path, timeout=10).status_code == 200, path
        assert "googleapis" not in text

    def test_home_is_the_documentation(self, server):
        assert requests.get(server, timeout=10).url == f"{server}/api/docs/"

    def test_admin_is_for_staff(self, server):
        with requests.Session() as session:
            session.get(f"{server}/admin/login/", timeout=10)
            form = {
                "username": STAFF,
                "password": PASSWORD,
                "csrfmiddlewaretoken": session.cookies["csrftoken"],
            }
            session.post(f"{server}/admin/login/?next=/admin/", data=form, timeout=10)
            for page in ("projects/project", "projects/task", "saas_kit_tenancy/organization"):
                assert session.get(f"{server}/admin/{page}/", timeout=10).status_code == 200, page


def _files(directory: Path) -> Iterator[Path]:
    return (path.relative_to(directory) for path in directory.rglob("*") if path.is_file())
