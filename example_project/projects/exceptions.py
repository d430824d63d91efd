"""What can be wrong with projects and tasks."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from saas_kit.core.exceptions import InvalidInput


class ProjectNameTaken(InvalidInput):
    """Another project of the organization has this name."""

    code = "unique"
    message = _("A project of this name exists already.")


class NotInOrganization(InvalidInput):
    """A task refers only to what is alive in its own organization."""

    code = "does_not_exist"
    message = _("There is no such thing in this organization.")
