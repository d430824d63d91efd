"""Serve the project with demo data."""

from __future__ import annotations

import signal
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.core.servers.basehttp import get_internal_wsgi_application, run
from django.db import connection, connections

HOST = "127.0.0.1"
USUAL_PORT = 8000
LOGINS = (
    ("ada@acme.example", "owner of the account Acme"),
    ("alan@acme.example", "admin of Acme Berlin"),
    ("edsger@acme.example", "member of Acme Berlin and Acme Lisbon"),
    ("donald@acme.example", "viewer of Acme Berlin"),
    ("hedy@globex.example", "owner of the account Globex"),
    ("staff@example.com", "platform staff; the admin is theirs"),
)


class Command(BaseCommand):
    """
    Serve the project with demo data.

    Migrates the database, adds what is missing of the demo's people, organizations, teams and projects, prints
    where everything is and how to sign in, and serves until Ctrl-C. The data is kept in a SQLite database under
    example_project/.local/, or in the database that DATABASE_URL names.
    """

    requires_system_checks: Any = []
    requires_migrations_checks = False

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> Any:
        description = "\n".join(line.strip() for line in (self.__doc__ or "").strip().splitlines())
        parser = super().create_parser(
            prog_name, subcommand, formatter_class=RawDescriptionHelpFormatter, **kwargs
        )
        parser.description = description
        return parser

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--port",
            type=int,
            help=f"Serve on this port. Without it: {USUAL_PORT}, or any free one if that is taken.",
        )
        parser.add_argument("--no-serve", action="store_true", help="Load the data, and serve nothing.")
        parser.add_argument(
            "--reset", action="store_true", help="Start from an empty database; the embedded one only."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEBUG:
            raise CommandError(
                "The demo's passwords are known to everybody, so it only loads with DEBUG on, and DEBUG is off."
            )
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            self._load(reset=options["reset"])
            if options["no_serve"]:
                self.stdout.write(self.style.SUCCESS("The demo data is loaded."))
            else:
                self._serve(options["port"])
        except KeyboardInterrupt:
            self.stdout.write("\nStopped.")
        finally:
            connections.close_all()

    def _load(self, *, reset: bool) -> None:
        from projects.demo import load_demo

        if reset:
            self._reset()
        self.stdout.write("Preparing the database ...")
        call_command("migrate", verbosity=0, interactive=False)
        load_demo()

    def _reset(self) -> None:
        database = settings.DATABASES["default"]
        embedded: Path = getattr(settings, "EMBEDDED_DATABASE")  # noqa: B009 - the type checker knows only Django's
        if str(database["NAME"]) != str(embedded):
            raise CommandError("Only the embedded database is reset. Empty the one of DATABASE_URL yourself.")
        connection.close()
        for suffix in ("", "-wal", "-shm"):
            embedded.with_name(embedded.name + suffix).unlink(missing_ok=True)

    def _serve(self, port: int | None) -> None:
        application = StaticFilesHandler(get_internal_wsgi_application())
        # 0 is any port that is free
        ports = [USUAL_PORT, 0] if port is None else [port]
        for candidate in ports:
            try:
                run(HOST, candidate, application, threading=True, on_bind=self._tell)  # type: ignore[arg-type]
            except OSError as error:
                if candidate == ports[-1]:
                    raise CommandError(f"Port {candidate} cannot be used: {error}.") from error

    def _tell(self, port: int) -> None:
        from projects.demo import PASSWORD

        address = f"http://{HOST}:{port}"
        width = max(len(email) for email, _ in LOGINS)
        lines = [
            "",
            self.style.MIGRATE_HEADING("The demo is running"),
            f"  API and its documentation  {address}/api/docs/",
            f"  the same to read           {address}/api/redoc/",
            f"  OpenAPI schema             {address}/api/schema/",
            f"  admin                      {address}/admin/",
            "",
            self.style.MIGRATE_HEADING(f"Sign in with the password: {PASSWORD}"),
            *(f"  {email:<{width}}  {role}" for email, role in LOGINS),
            "",
            "Get a token, for the button Authorize of the documentation:",
            f"  curl {address}/api/v1/auth/login/ -H 'Content-Type: application/json' \\",
            f'    -d \'{{"email": "{LOGINS[0][0]}", "password": "{PASSWORD}"}}\'',
            "",
            "Stop it with Ctrl-C.",
        ]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()
