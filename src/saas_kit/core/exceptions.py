"""The errors that the kit's services raise, one tree; each names what is wrong."""

from __future__ import annotations

from typing import ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


class SaasKitError(Exception):
    """
    Something that the caller can be told.

    Args:
        message: Replaces the class's message.
        field: The input that is at fault, as a dotted path; None where none is.
    """

    code: ClassVar[str] = "error"
    message: str | Promise = _("Something went wrong.")

    def __init__(self, message: str | Promise | None = None, *, field: str | None = None) -> None:
        if message is not None:
            self.message = message
        self.field = field
        super().__init__(message)

    def __str__(self) -> str:
        return str(self.message)


class InvalidInput(SaasKitError):
    """The input is not valid."""

    code = "invalid"
    message = _("The input is not valid.")


class NotAuthenticated(SaasKitError):
    """Nobody is signed in, or the credentials are of no use."""

    code = "not_authenticated"
    message = _("You are not signed in.")


class NotAllowed(SaasKitError):
    """The actor may not do this."""

    code = "permission_denied"
    message = _("You do not have permission to do this.")


class NotFound(SaasKitError):
    """There is no such thing, or the actor may not know of it."""

    code = "not_found"
    message = _("Not found.")


class Conflict(SaasKitError):
    """The present state does not allow it."""

    code = "conflict"
    message = _("The present state does not allow this.")


class RateLimited(SaasKitError):
    """
    Too many attempts.

    Args:
        retry_after: Seconds until the next attempt is accepted.
    """

    code = "rate_limited"
    message = _("Too many requests.")

    def __init__(self, message: str | Promise | None = None, *, retry_after: int = 60) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Gone(SaasKitError):
    """It was there and will not come back."""

    code = "gone"
    message = _("This is no longer available.")


class Unavailable(SaasKitError):
    """
    Something that is needed cannot be reached right now.

    Args:
        retry_after: Seconds until it is worth another try.
    """

    code = "unavailable"
    message = _("The service is not available right now.")

    def __init__(self, message: str | Promise | None = None, *, retry_after: int = 5) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotDeleted(Conflict):
    """Only what was deleted can be restored."""

    code = "not_deleted"
    message = _("This was not deleted.")


class NotUnique(Conflict):
    """A unique value was taken by something else meanwhile."""

    code = "unique"
    message = _("A value that must be unique was taken meanwhile.")


class StillReferenced(Conflict):
    """Something alive points to it and protects it."""

    code = "in_use"
    message = _("This is still in use.")


class ParentDeleted(Conflict):
    """What it belongs to is deleted; that must be restored first."""

    code = "parent_deleted"
    message = _("What this belongs to is deleted. Restore that first.")
