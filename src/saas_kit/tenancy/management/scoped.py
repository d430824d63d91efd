"""Commands that work on the rows of the organizations that their caller names, and on no others."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from saas_kit.tenancy.models import AbstractOrganization, get_organization_model
from saas_kit.tenancy.scoping import scope, unscoped


class OrganizationCommand(BaseCommand):
    """
    A command that runs in a scope: ``--organization``, once or more, or ``--all-organizations``, must be given.

    Attributes:
        organizations: Those that were named; None where all are in scope.
    """

    organizations: list[AbstractOrganization] | None = None

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        # not in add_arguments(), which subclasses replace
        parser = super().create_parser(prog_name, subcommand, **kwargs)
        self.add_scope_arguments(parser)
        self._name = subcommand
        return parser

    def add_scope_arguments(self, parser: CommandParser) -> None:
        """Add the options that name the scope."""
        group = parser.add_argument_group("scope")
        group.add_argument(
            "--organization",
            action="append",
            metavar="ID_OR_SLUG",
            help="An organization to work on. May be given several times.",
        )
        group.add_argument("--all-organizations", action="store_true", help="Work on all organizations.")

    def execute(self, *args: Any, **options: Any) -> str | None:
        """
        Run the command in the scope that its options name.

        Raises:
            CommandError: They name none, or an organization that is not there or deleted.
        """
        with self._scope_of(options):
            return super().execute(*args, **options)

    def reason(self, options: dict[str, Any]) -> str:
        """Return why the command works on all organizations, for the log."""
        return f"manage.py {self._name} --all-organizations"

    def _scope_of(self, options: dict[str, Any]) -> scope | unscoped:
        names = options.get("organization") or []
        if isinstance(names, str | UUID) or not isinstance(names, list | tuple):
            names = [names]  # as call_command() may pass it
        if bool(names) == bool(options.get("all_organizations")):
            raise CommandError("Give either --organization, once or more, or --all-organizations.")
        if not names:
            self.organizations = None
            return unscoped(reason=self.reason(options))
        self.organizations = [find_organization(each) for each in names]
        return scope(self.organizations)


def find_organization(name: Any) -> AbstractOrganization:
    """
    Return the organization that an id, a slug, or the organization itself stands for.

    Raises:
        CommandError: There is none, or it is deleted.
    """
    organizations: Any = get_organization_model().all_objects
    found: AbstractOrganization | None
    key = getattr(name, "pk", name)
    try:
        found = organizations.filter(pk=UUID(str(key))).first()
    except ValueError:
        found = organizations.filter(slug__iexact=str(key), deleted_at__isnull=True).first()
    if found is None:
        raise CommandError(f"There is no organization {str(key)!r}.")
    if found.is_deleted:
        raise CommandError(f"The organization {str(key)!r} is deleted.")
    return found
