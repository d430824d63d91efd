"""Prove that no route of the API reaches across organizations."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.test.utils import (
    get_unique_databases_and_mirrors,
    setup_databases,
    setup_test_environment,
    teardown_databases,
    teardown_test_environment,
)
from django.utils.module_loading import import_string

from saas_kit.testing.isolation import IsolationProof, prove

_LOUD = 2


class Command(BaseCommand):
    help = (
        "Prove that no route of the API reaches across organizations. It makes two organizations in a test "
        "database of its own, as `manage.py test` does, and tries as the owner of one, as a stranger and as nobody to "
        "read and to change what is the other's: by keys in the path, the query, the body and headers, by what is "
        "cached and by what is counted. It prints a table of routes and probes, each leak with its request for curl, "
        "and each route that it could not exercise. The status is 1 if anything leaks, or was not exercised and is "
        "not named with a reason in the proof."
    )
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--proof",
            metavar="DOTTED.PATH",
            help="An IsolationProof, or a callable that returns one: factories, bodies, and the routes that need "
            "not be exercised, with reasons.",
        )
        parser.add_argument(
            "--urlconf",
            metavar="DOTTED.PATH",
            help="The URL configuration whose routes are probed (default: ROOT_URLCONF).",
        )
        parser.add_argument(
            "--prefix", metavar="PATH", help="Probe the routes whose path begins with it (default: /api/)."
        )
        parser.add_argument(
            "--keepdb", action="store_true", help="Keep the test database, and use the one that was kept."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        proof = self._proof(options["proof"])
        given = {name: options[name] for name in ("urlconf", "prefix") if options[name]}
        with (
            _test_database(verbosity=options["verbosity"] - 1, keepdb=options["keepdb"]),
            _quiet(options["verbosity"]),
        ):
            report = prove(replace(proof, **given))
        self.stdout.write(report.summary())
        if not report.is_clean:
            raise SystemExit(1)

    def _proof(self, path: str | None) -> IsolationProof:
        if path is None:
            return IsolationProof()
        try:
            found = import_string(path)
        except ImportError as error:
            raise CommandError(f"--proof {path}: {error}") from error
        proof = found() if callable(found) else found
        if not isinstance(proof, IsolationProof):
            raise CommandError(f"--proof {path}: this is no IsolationProof.")
        return proof


@contextmanager
def _test_database(*, verbosity: int, keepdb: bool) -> Iterator[None]:
    databases, _mirrors = get_unique_databases_and_mirrors()
    aliases = {alias: False for _name, used in databases.values() for alias in used}
    setup_test_environment(debug=False)
    try:
        made = setup_databases(
            max(verbosity, 0), interactive=False, keepdb=keepdb, aliases=aliases, serialized_aliases=[]
        )
        try:
            yield
        finally:
            teardown_databases(made, max(verbosity, 0), keepdb=keepdb)
    finally:
        teardown_test_environment()


@contextmanager
def _quiet(verbosity: int) -> Iterator[None]:
    # refusals are what is hoped for, and each would be a line in the log
    if verbosity < _LOUD:
        logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
