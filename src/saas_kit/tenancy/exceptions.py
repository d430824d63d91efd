"""What can be wrong with accounts, organizations and their members."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from saas_kit.core.exceptions import Conflict, InvalidInput, NotAllowed


class UnknownRole(InvalidInput):
    """There is no such role at this level."""

    code = "unknown_role"
    message = _("There is no such role here.")


class RoleTooHigh(NotAllowed):
    """The actor holds less than the role grants, or than the member has."""

    code = "role_too_high"
    message = _("You cannot grant, or act on, a role above your own.")


class LastOwner(Conflict):
    """Nobody would be left in charge."""

    code = "last_owner"
    message = _("There must be at least one owner. Make somebody else owner first.")


class AlreadyMember(Conflict):
    """The person is a member already."""

    code = "already_member"
    message = _("This person is a member already.")


class NotAMember(Conflict):
    """The person has no membership of their own to end."""

    code = "not_a_member"
    message = _("You are not a member yourself. Your role comes from the account.")


class NotInAccount(InvalidInput):
    """Only somebody who belongs to the account can be added; anybody else is invited."""

    code = "does_not_exist"
    message = _("There is no such person in this account.")


class SlugTaken(InvalidInput):
    """Another organization or account has this slug."""

    code = "unique"
    message = _("This slug is taken.")


class Suspended(NotAllowed):
    """The account or the organization is suspended: it can be read, not changed."""

    code = "suspended"
    message = _("This is suspended and cannot be changed.")


class MfaEnrollmentRequired(NotAllowed):
    """The organization is for people with a second factor only, and the actor has none."""

    code = "mfa_enrollment_required"
    message = _("This organization requires a second factor. Set one up first.")


class OwnMfaRequired(Conflict):
    """The actor would lock themselves out: they ask of others for a second factor that they do not have."""

    code = "mfa_enrollment_required"
    message = _("Set up a second factor of your own before you require one of others.")


class MfaUnknown(Conflict):
    """A second factor cannot be required, as nothing tells who has one."""

    code = "mfa_unknown"
    message = _("A second factor cannot be required here: it is not known who has one.")


class ScopeRequired(RuntimeError):
    """
    Tenant-owned rows were asked for where no scope says whose.

    It is a mistake in the program, not something a client can do wrong: over HTTP it is a 500.
    """

    def __init__(self, model: type[object]) -> None:
        super().__init__(
            f"{model.__name__} belongs to organizations, and no scope says which. "
            "Use scope(organization), or unscoped(reason=...) where all are meant."
        )


class OutOfScope(RuntimeError):
    """A row would be created or deleted in an organization that the scope does not hold, or that nothing names."""

    def __init__(self, model: type[object]) -> None:
        super().__init__(f"The {model.__name__} does not belong to an organization of the scope.")


class OrganizationFixed(RuntimeError):
    """A row would move to another organization."""

    def __init__(self, model: type[object]) -> None:
        super().__init__(f"The organization of a {model.__name__} cannot change.")
