"""What can be wrong with accounts, organizations and their members."""

from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from saas_kit.core.exceptions import Conflict, Gone, InvalidInput, NotAllowed, Unavailable


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


class AlreadyInvited(InvalidInput):
    """The address was named before in the same request."""

    code = "duplicate"
    message = _("This address is in the request twice.")


class NoSeatsLeft(Conflict):
    """The organization has as many members and open invitations as it may have."""

    code = "no_seats_left"
    message = _("There are no seats left in this organization.")


class UnknownTeam(InvalidInput):
    """The organization has no such team."""

    code = "does_not_exist"
    message = _("There is no such team in this organization.")


class EmailMismatch(NotAllowed):
    """The invitation is for another address than that of the person who answers it."""

    code = "email_mismatch"
    message = _("This invitation is for another e-mail address than yours.")


class EmailUnverified(NotAllowed):
    """The person did not prove yet that their address is theirs."""

    code = "email_unverified"
    message = _("Confirm your e-mail address first.")


class InvitationExpired(Gone):
    """Nobody answered the invitation in time."""

    code = "invitation_expired"
    message = _("This invitation has expired.")


class InvitationRevoked(Gone):
    """The invitation was taken back, replaced by a newer one, or is void."""

    code = "invitation_revoked"
    message = _("This invitation is no longer valid.")


class InvitationDeclined(Gone):
    """The invited person declined."""

    code = "invitation_declined"
    message = _("This invitation was declined.")


class AlreadyAccepted(Conflict):
    """The invitation was accepted before."""

    code = "already_accepted"
    message = _("This invitation was accepted already.")


class PublicMailDomain(InvalidInput):
    """Anybody can have an address in the domain, so that no organization can claim it."""

    code = "public_mail_domain"
    message = _("Anybody can have an address in this domain. Name a domain of your own.")


class DomainClaimed(InvalidInput):
    """The organization has claimed the domain already."""

    code = "unique"
    message = _("The organization has this domain already.")


class TooManyDomains(Conflict):
    """The organization has as many domains as it may claim."""

    code = "too_many_domains"
    message = _("This organization cannot have more domains. Delete one first.")


class OwnerByDomain(InvalidInput):
    """Nobody is to become an owner by their address alone."""

    code = "owner_by_domain"
    message = _("Nobody can become an owner by their address. Choose another role.")


class DomainUnproved(Conflict):
    """The record that proves the domain is not in DNS, or not yet."""

    code = "domain_unproved"
    message = _("The record was not found in DNS. It can take hours until a new one is seen everywhere.")


class DomainTaken(Conflict):
    """Another organization has proved the domain."""

    code = "domain_taken"
    message = _("This domain belongs to another organization.")


class DnsUnavailable(Unavailable):
    """DNS does not tell whether the record that proves a domain is there."""

    code = "dns_unavailable"
    message = _("DNS does not answer for this domain right now.")


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
