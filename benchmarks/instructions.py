"""
How many instructions each way takes, which is the same on a busy machine.

Valgrind counts them, in a process of its own that ``benchmarks.isolation --instructions`` starts.
"""

from __future__ import annotations

import gc
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import django

from benchmarks.measuring import Way

RUNS = 10
_DATABASES = "BENCHMARK_DATABASES"
_FOLDER = "BENCHMARK_FOLDER"


def count(names: dict[str, str]) -> Iterator[tuple[str, int, int]]:
    """Return the instructions of a run of both ways of each case; needs ``valgrind``."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, _DATABASES: json.dumps(names), _FOLDER: folder, "PYTHONHASHSEED": "0"}
        program = [sys.executable, "-m", "benchmarks.instructions"]
        output = f"--callgrind-out-file={folder}/counted"
        valgrind = ["valgrind", "--tool=callgrind", "--instr-atstart=no", output, "--quiet", *program]
        found = subprocess.run(valgrind, env=environment, check=True, stdout=subprocess.PIPE, text=True)  # noqa: S603
        for line in found.stdout.splitlines():
            name, without, with_ = line.split("\t")
            yield name, int(without), int(with_)


def main() -> None:
    """Count, in the process that valgrind runs."""
    django.setup()
    from benchmarks import costs  # noqa: PLC0415 - it imports models, which Django has to know first
    from benchmarks.databases import Databases  # noqa: PLC0415

    databases = Databases(json.loads(os.environ[_DATABASES]))
    databases.use("off")
    for case in [*costs.guard_cases(databases), *costs.security_cases(databases)]:
        with case.around():
            counted = [str(_instructions_of(way)) for way in (case.without, case.with_)]
        sys.stdout.write("\t".join([case.name, *counted]) + "\n")


def _instructions_of(way: Way) -> int:
    way.prepare()
    for _ in range(3):
        way.run()
    gc.collect()
    gc.disable()
    _control("--instr=on")
    for _ in range(RUNS):
        way.run()
    _control("--instr=off")
    gc.enable()
    _control("--dump")
    dumps = Path(os.environ[_FOLDER]).glob("counted.*")
    newest = max(dumps, key=lambda path: int(path.suffix[1:]))
    (total,) = re.findall(r"^totals: (\d+)$", newest.read_text(), re.MULTILINE)
    return int(total) // RUNS


def _control(option: str) -> None:
    command = ["callgrind_control", option, str(os.getpid())]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603


if __name__ == "__main__":
    main()
