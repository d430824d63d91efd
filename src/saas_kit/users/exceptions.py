"""What can be wrong where people and organizations meet."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from saas_kit.core.exceptions import InvalidInput


class UnknownInvitation(InvalidInput):
    """There is no invitation with this token."""

    code = "invalid_token"
    message = _("This invitation is not valid.")

    def __init__(self) -> None:
        super().__init__(field="invitation_token")


class UnknownOrganization(InvalidInput):
    """There is no such organization, or the person is not in it."""

    code = "does_not_exist"
    message = _("You are in no such organization.")
