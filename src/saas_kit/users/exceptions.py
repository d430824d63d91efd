"""What can be wrong where people and organizations meet."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from saas_kit.core.exceptions import InvalidInput


class UnknownOrganization(InvalidInput):
    """There is no such organization, or the person is not in it."""

    code = "does_not_exist"
    message = _("You are in no such organization.")
