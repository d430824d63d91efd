"""Run another command in the scope of organizations."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser

from saas_kit.tenancy.exceptions import OrganizationFixed, OutOfScope, ScopeRequired
from saas_kit.tenancy.management.scoped import OrganizationCommand


class Command(OrganizationCommand):
    help = (
        "Run another command, as dumpdata, loaddata, shell or one of your own, in the scope of organizations. "
        "It sees and changes tenant-owned rows of these organizations only; what belongs to nobody, as people and "
        "accounts, is not restricted. Put -- before the command: "
        "manage.py saas_kit_in_scope --organization acme -- dumpdata projects"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--reason", default="", help="Why all organizations are needed; it is logged.")
        parser.add_argument("command", help="The command to run.")
        parser.add_argument("arguments", nargs="*", help="Its arguments and options.")

    def reason(self, options: dict[str, Any]) -> str:
        if not options["reason"].strip():
            raise CommandError("--all-organizations needs a --reason, which is written to the log.")
        return str(options["reason"])

    def handle(self, *args: Any, **options: Any) -> None:
        streams = {name: options[name] for name in ("stdout", "stderr") if options.get(name) is not None}
        try:
            call_command(options["command"], *options["arguments"], **streams)
        except (ScopeRequired, OutOfScope, OrganizationFixed) as error:
            raise CommandError(str(error)) from error
