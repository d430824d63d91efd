"""
The stories that a person runs: `nox -s demo`, `nox -s tests`, and the gates by name.

The matrix and the gates are described in tox.ini; a session of that name here runs them there. What each
environment installs is a dependency group of pyproject.toml.
"""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import nox

ROOT = Path(__file__).parent
PROJECT = nox.project.load_toml(ROOT / "pyproject.toml")
GATES = {
    "lint": "Check the style of the code.",
    "types": "Check the types.",
    "contracts": "Check which module may import which.",
    "migrations": "Check that the migrations match the models, in every host.",
    "docs": "Build the documentation; a warning is an error.",
    "package": "Install the built wheel into a new project as the README says, and serve its API.",
}

nox.needs_version = ">=2025.2.9"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.sessions = ["tests", *GATES]
nox.options.error_on_external_run = True

# A request to end is treated as Ctrl-C: what was started is ended first, in order.
signal.signal(signal.SIGTERM, signal.default_int_handler)


@nox.session
def demo(session: nox.Session) -> None:
    """Serve the example project on an embedded database with demo data, and print how to sign in."""
    session.install("--editable", ".", *_group("demo"))
    _run(session, "python", "example_project/manage.py", "demo", *session.posargs)


@nox.session
def tests(session: nox.Session) -> None:
    """Run the whole suite; arguments go to pytest, as in `nox -s tests -- --without-services -k name`."""
    session.install("--editable", ".", *_group("test"))
    if "--without-services" not in session.posargs:
        _install_services(session)
    _run(session, "python", "-m", "tests", *session.posargs)


@nox.session
def schema(session: nox.Session) -> None:
    """Write the OpenAPI snapshot that the suite compares the API with."""
    session.install("--editable", ".", *_group("test"))
    command = ("python", "-m", "django", "spectacular", "--settings=tests.hosts.full.settings")
    checks = ("--validate", "--fail-on-warn")
    session.run(*command, *checks, "--format=openapi-json", "--file=tests/api/openapi.json")


@nox.session
def translations(session: nox.Session) -> None:
    """Compile the catalogues of what messages say, after their .po files were changed; needs gettext."""
    session.install("--editable", ".")
    session.chdir("src/saas_kit")
    session.run("python", "-m", "django", "compilemessages")


@nox.session
def screenshots(session: nox.Session) -> None:
    """Take the screenshots of the messages that the documentation shows; needs a Chromium."""
    session.install("--editable", ".", *_group("test"))
    session.run("python", "-m", "tests.email.screenshots")


@nox.session
def matrix(session: nox.Session) -> None:
    """Run the suite on every supported pair of Python and Django that this machine has a Python for."""
    _tox(session, "--skip-missing-interpreters=true")


def _add_gate(name: str, story: str) -> None:
    def gate(session: nox.Session) -> None:
        _tox(session, "-e", name)

    gate.__doc__ = story
    nox.session(gate, name=name)


for _name, _story in GATES.items():
    _add_gate(_name, _story)


def _tox(session: nox.Session, *arguments: str) -> None:
    session.install("tox>=4.25", *(["tox-uv>=1.25"] if shutil.which("uv") else []))
    posargs = ["--", *session.posargs] if session.posargs else []
    _run(session, "tox", "run", *arguments, *posargs)


def _run(session: nox.Session, *command: str) -> None:
    # Long enough for a server to stop; by default nox kills after half a second.
    session.run(*command, interrupt_timeout=5, terminate_timeout=60)


def _group(name: str) -> tuple[str, ...]:
    return nox.project.dependency_groups(PROJECT, name)


def _install_services(session: nox.Session) -> None:
    """Install the servers that neither the environment nor the machine has."""
    wanted = []
    if "DATABASE_URL" not in os.environ:
        wanted.append("postgresql-server")
    if "REDIS_URL" not in os.environ and shutil.which("redis-server") is None:
        wanted.append("redis-server")
    for group in wanted:
        # Where it does not install, the suite itself says what is missing and which ways there are.
        session.install(*_group(group), success_codes=range(256))
