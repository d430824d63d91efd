"""`manage.py saas_kit_prove_isolation`, in a test database of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.plugin import ROOT

pytestmark = [pytest.mark.hosts("full"), pytest.mark.once]

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run() -> Run:
    """Run the command in a process of its own, on SQLite."""
    inherited = {
        name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")
    }
    environment = {**inherited, "DJANGO_SETTINGS_MODULE": "tests.testing.proving_settings"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "django", "saas_kit_prove_isolation", *arguments],
            check=False,
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
        )

    return run


def test_a_proof_that_holds(run: Run) -> None:
    result = run("--proof", "tests.testing.careless.PROOF")

    assert result.returncode == 0, result.stdout + result.stderr
    assert "GET /careful/widgets/{pk}/" in result.stdout
    assert "0 leaks, 0 not exercised" in result.stdout


def test_a_proof_that_does_not_hold(run: Run) -> None:
    """The status is 1, and the output has the request."""
    result = run("--proof", "tests.testing.careless.make_proof")

    assert result.returncode == 1, result.stdout + result.stderr
    assert "curl -i -X GET http://localhost:8000/careless/leak/" in result.stdout


def test_options_take_the_place_of_what_the_proof_says(run: Run) -> None:
    result = run("--urlconf", "tests.testing.careless", "--prefix", "/broken/")

    assert result.returncode == 1
    assert "GET /broken/crash/: the caller's own request failed: 500 RuntimeError" in result.stdout


@pytest.mark.parametrize("path", ["no.such.proof", "tests.plugin.ROOT"])
def test_a_proof_that_is_none(run: Run, path: str) -> None:
    result = run("--proof", path)

    assert result.returncode == 1
    assert "CommandError: --proof" in result.stderr
