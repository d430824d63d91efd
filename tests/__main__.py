"""
Run every suite on every database it is for, and close with what each of them said.

`python -m tests [--suite NAME]... [--database NAME] [--without-services] [arguments of pytest]`
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import FrameType

from tests.plugin import HOSTS, ROOT

EXAMPLE = "example"
SEEDED = "seeded"  # a host for the isolation prover alone
SUITES = (*HOSTS, EXAMPLE)
ON_BOTH_DATABASES = ("full", EXAMPLE)
DATABASES = {"sqlite": "SQLite", "postgresql": "PostgreSQL and Redis"}
NO_TESTS = 5  # pytest's exit code where nothing was selected


@dataclass(frozen=True)
class Run:
    suite: str
    database: str

    def __str__(self) -> str:
        return f"{self.suite} on {DATABASES[self.database]}"

    @property
    def arguments(self) -> list[str]:
        if self.suite == EXAMPLE:
            settings = ["--ds=config.settings", "--override-ini=pythonpath=. example_project"]
        else:
            settings = [f"--ds=tests.hosts.{self.suite}.settings"]
        return [*settings, f"--database={self.database}"]

    @property
    def environment(self) -> dict[str, str]:
        if self.suite != EXAMPLE:
            return dict(os.environ)
        # The project refuses to run without a secret outside DEBUG; a developer's own .env is not the suite's.
        return {**os.environ, "DEBUG": "true", "ENV_FILE": os.devnull}

    @property
    def directory(self) -> str:
        return {EXAMPLE: "example_project/tests", SEEDED: "tests/testing"}.get(self.suite, "tests")

    def covers(self, path: str) -> bool:
        """Tell whether a path that was asked for is one of this suite's."""
        if self.suite == SEEDED:
            return path.startswith(self.directory)
        return path.startswith("example_project") == (self.suite == EXAMPLE)


@dataclass(frozen=True)
class Outcome:
    """How a run ended; `line` is pytest's own summary."""

    code: int
    line: str
    passed: int = 0
    failed: int = 0
    skipped: int = 0


def main() -> int:
    """Run the suites and return the exit code: that of the first run that failed."""
    parser = argparse.ArgumentParser(prog="python -m tests", allow_abbrev=False)
    parser.add_argument("--suite", action="append", choices=SUITES, help="only this suite (repeatable)")
    parser.add_argument("--database", choices=tuple(DATABASES), help="only on this database")
    parser.add_argument("--without-services", action="store_true", help="leave out the runs on PostgreSQL")
    options, arguments = parser.parse_known_args()
    paths = [argument for argument in arguments if _is_path(argument)]
    arguments = [argument for argument in arguments if argument not in paths]

    outcomes: dict[Run, Outcome] = {}
    left_out: list[Run] = []
    runner = _Runner(arguments)
    for run in _runs(options.suite or SUITES, options.database):
        targets = [path for path in paths if run.covers(path)]
        if options.without_services and run.database == "postgresql":
            left_out.append(run)
        elif targets or not paths:
            print(f"\n=== {run} ===", flush=True)
            outcomes[run] = runner.run(run, targets or [run.directory])
        if runner.stopped_by:
            break
    _report(outcomes, left_out)
    if runner.stopped_by:
        return 128 + runner.stopped_by
    return _exit_code(outcomes, selective=bool(paths or arguments))


class _Runner:
    """Starts pytest, one run at a time, and passes a request to stop on to it."""

    def __init__(self, arguments: Sequence[str]) -> None:
        self.arguments = arguments
        self.stopped_by = 0
        self._process: subprocess.Popen[bytes] | None = None
        signal.signal(signal.SIGINT, self._stop)
        signal.signal(signal.SIGTERM, self._stop)

    def run(self, run: Run, targets: Sequence[str]) -> Outcome:
        summary = ROOT / ".local" / f"summary-{os.getpid()}.json"
        summary.parent.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "pytest", *run.arguments, f"--summary-file={summary}"]
        command += [*self._workers(), *self.arguments, *targets]
        self._process = subprocess.Popen(command, cwd=ROOT, env=run.environment)
        try:
            code = self._wait(self._process)
            if not summary.exists():
                return Outcome(code, "did not run")
            counts = json.loads(summary.read_text())
            left_out = [f"{count} left out {reason}" for reason, count in counts.pop("left_out").items()]
            line = "; ".join([counts.pop("line"), *left_out])
            return Outcome(code, line, **counts)
        finally:
            summary.unlink(missing_ok=True)

    def _wait(self, process: subprocess.Popen[bytes]) -> int:
        while True:
            # Ctrl-C reaches pytest as well, which then ends in order; one that hangs is told once more.
            with suppress(subprocess.TimeoutExpired):
                return process.wait(10 if self.stopped_by else None)
            process.terminate()

    def _workers(self) -> list[str]:
        chosen = ("-n", "--numprocesses", "--pdb", "--trace")
        if any(argument.startswith(chosen) for argument in self.arguments):
            return []
        return ["--numprocesses=auto", "--maxprocesses=4", "--dist=worksteal"]

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self.stopped_by = number
        if number == signal.SIGTERM and self._process is not None:
            self._process.terminate()


def _runs(suites: Sequence[str], database: str | None) -> Iterator[Run]:
    for suite in SUITES:
        for name in DATABASES:
            applies = name == "sqlite" or suite in ON_BOTH_DATABASES
            if suite in suites and database in {None, name} and applies:
                yield Run(suite, name)


def _is_path(argument: str) -> bool:
    return not argument.startswith("-") and (ROOT / argument.partition("::")[0]).exists()


def _exit_code(outcomes: dict[Run, Outcome], *, selective: bool) -> int:
    codes = [outcome.code for outcome in outcomes.values()]
    if selective and any(code != NO_TESTS for code in codes):
        # `-k name` need not match something in every suite.
        codes = [code for code in codes if code != NO_TESTS]
    return next((code for code in codes if code), 0 if codes else NO_TESTS)


def _report(outcomes: dict[Run, Outcome], left_out: Sequence[Run]) -> None:
    print("\n=== all runs ===")
    for run, outcome in outcomes.items():
        print(f"{run}: {outcome.line}{f' (exit code {outcome.code})' if outcome.code else ''}")
    for run in left_out:
        print(f"{run}: left out (--without-services was given)")
    passed = sum(outcome.passed for outcome in outcomes.values())
    failed = sum(outcome.failed or int(outcome.code not in {0, NO_TESTS}) for outcome in outcomes.values())
    skipped = sum(outcome.skipped for outcome in outcomes.values())
    print(f"{passed} passed, {failed} failed, {skipped} skipped", flush=True)


if __name__ == "__main__":
    sys.exit(main())
