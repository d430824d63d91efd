"""The wheel holds the package and nothing else, and makes a host of a new project as the README says."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import venv
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import pytest

import saas_kit
from tests.plugin import ROOT

pytestmark = pytest.mark.wheel

SOURCE = ROOT / "src" / "saas_kit"
QUICKSTART = re.compile(r"<!-- quickstart: (?P<name>\w+) -->\s*```\w*\n(?P<text>.*?)```", re.DOTALL)
START_UP = 30.0  # seconds

# What belongs to the run of these tests, and must not reach the new project.
OURS = ("DJANGO_", "PYTHON", "PYTEST_", "DATABASE_URL", "REDIS_URL", "VIRTUAL_ENV", "TOX_", "UV_")


@pytest.fixture(scope="module")
def wheel(pytestconfig: pytest.Config) -> Path:
    path = Path(pytestconfig.getoption("wheel")).resolve()
    assert path.suffix == ".whl", f"--wheel names no wheel: {path}"
    return path


@pytest.fixture(scope="module")
def quickstart() -> dict[str, str]:
    readme = (ROOT / "README.md").read_text()
    return {match["name"]: match["text"] for match in QUICKSTART.finditer(readme)}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a shell in an empty virtual environment."""
    directory = tmp_path_factory.mktemp("environment")
    venv.create(directory, with_pip=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    path = os.pathsep.join([str(directory / "bin"), inherited.get("PATH", os.defpath)])
    return {**inherited, "PATH": path, "VIRTUAL_ENV": str(directory), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@pytest.fixture(scope="module")
def new_project(
    wheel: Path,
    quickstart: dict[str, str],
    environment: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """The directory of a project that has the README's lines and no others."""
    directory = tmp_path_factory.mktemp("quickstart")
    install = re.sub(r"django-saas-kit(?=[\[\s\"']|$)", str(wheel), quickstart["install"])
    _shell(install, directory, environment)
    if not list(directory.rglob("manage.py")):
        _shell("django-admin startproject mysite .", directory, environment)

    (manage,) = directory.rglob("manage.py")
    (settings,) = manage.parent.glob("*/settings.py")
    with settings.open("a") as file:
        file.write(f"\n\n{quickstart['settings']}")
    settings.with_name("urls.py").write_text(quickstart["urls"])
    return manage.parent


@pytest.fixture
def make_project(new_project: Path, tmp_path: Path):
    def make(more_settings: str = "") -> Path:
        project = tmp_path / "project"
        shutil.copytree(new_project, project)
        (settings,) = project.glob("*/settings.py")
        with settings.open("a") as file:
            file.write(f"\n\n{more_settings}")
        return project

    return make


@pytest.fixture
def empty_database() -> Iterator[dict[str, object]]:
    """The parts of Django's `DATABASES["default"]` for a new PostgreSQL database."""
    import psycopg

    url = urlsplit(os.environ["DATABASE_URL"])
    name = f"quickstart_{os.getpid()}"
    with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
        yield {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": name,
            "USER": url.username or "",
            "PASSWORD": url.password or "",
            "HOST": url.hostname or "",
            "PORT": url.port or "",
        }
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


class TestWheel:
    def test_holds_every_file_of_the_package(self, wheel):
        """Migrations, templates, translations and the type marker arrive with the code."""
        expected = {
            path.relative_to(SOURCE.parent).as_posix()
            for path in SOURCE.rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }

        assert {
            name for name in zipfile.ZipFile(wheel).namelist() if name.startswith("saas_kit/")
        } == expected

    def test_holds_nothing_else(self, wheel):
        """Neither the suite nor the example project is installed."""
        top = {name.partition("/")[0] for name in _names(wheel)}

        assert top == {"saas_kit", f"django_saas_kit-{saas_kit.__version__}.dist-info"}

    def test_is_marked_as_typed(self, wheel):
        assert "saas_kit/py.typed" in _names(wheel)


class TestQuickstart:
    def test_on_sqlite(self, make_project, quickstart, environment):
        """A new project becomes a working host with the README's lines alone."""
        _assert_works(make_project(), quickstart["commands"], environment)

    @pytest.mark.postgresql
    def test_on_postgresql(self, make_project, quickstart, environment, empty_database, wheel):
        """The same lines work on PostgreSQL, with the driver that the extra brings."""
        _shell(f"python -m pip install --quiet '{wheel}[postgres]'", Path.cwd(), environment)
        project = make_project(f"DATABASES = {{'default': {empty_database!r}}}\n")

        _assert_works(project, quickstart["commands"], environment)


def _names(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def _assert_works(project: Path, commands: str, environment: dict[str, str]) -> None:
    before, serving, after = commands.partition("python manage.py runserver")
    assert serving, "the README's last command serves the project"
    assert not after.strip(), "the README's last command serves the project"
    _shell(before, project, environment)
    _shell("python manage.py check --fail-level WARNING", project, environment)
    _shell("python manage.py makemigrations --check --dry-run", project, environment)

    with _served(project, environment) as port:
        person = {"email": "ada@example.com", "password": "correct horse battery"}
        assert _ask(port, "GET", "/api/v1/organizations/")[0] == 401
        assert _ask(port, "POST", "/api/v1/auth/register/", person)[0] == 201
        status, tokens = _ask(port, "POST", "/api/v1/auth/login/", person)
        assert status == 200
        status, page = _ask(port, "GET", "/api/v1/organizations/", token=tokens["access"])
        assert status == 200
        assert len(page["results"]) == 1


@contextmanager
def _served(project: Path, environment: dict[str, str]) -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = project / "server.log"
    with log.open("wb") as output:
        command = ["python", "manage.py", "runserver", "--noreload", f"127.0.0.1:{port}"]
        server = subprocess.Popen(
            command, cwd=project, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        deadline = time.monotonic() + START_UP
        while not _listens(port):
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield port
    except BaseException:
        sys.stdout.write(log.read_text())
        raise
    finally:
        server.terminate()
        server.wait(START_UP)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _ask(
    port: int, method: str, path: str, body: dict[str, str] | None = None, *, token: str = ""
) -> tuple[int, dict]:
    connection = HTTPConnection("127.0.0.1", port, timeout=START_UP)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    content = None
    if body is not None:
        content, headers["Content-Type"] = json.dumps(body), "application/json"
    try:
        connection.request(method, path, content, headers)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def _shell(script: str, directory: Path, environment: dict[str, str]) -> None:
    script = re.sub(r"^\$ ", "", script, flags=re.MULTILINE)
    result = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        check=False,
        cwd=directory,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, f"{script}\n{result.stdout}{result.stderr}"
