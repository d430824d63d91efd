"""What can be wrong with messages."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from saas_kit.core.exceptions import Conflict


class NothingLeftToSend(Conflict):
    """The message had a secret, which was removed once it was sent."""

    code = "nothing_left_to_send"
    message = _("This message had a link that was removed once it was sent. Cause a new one.")
