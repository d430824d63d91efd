"""What can be wrong with teams and their members."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from saas_kit.core.exceptions import Conflict, InvalidInput


class NameTaken(InvalidInput):
    """Another team of the organization has this name."""

    code = "unique"
    message = _("A team of this name exists already.")


class NotInOrganization(InvalidInput):
    """Only a member of the organization can be in its teams."""

    code = "does_not_exist"
    message = _("There is no such member in this organization.")


class AlreadyInTeam(Conflict):
    """The person is in the team already."""

    code = "already_member"
    message = _("This person is in the team already.")
