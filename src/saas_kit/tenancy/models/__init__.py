"""Accounts, organizations, who belongs to them, and what belongs to them."""

from saas_kit.tenancy.models.customers import (
    AbstractOrganization,
    Account,
    AccountMembership,
    AccountMembershipQuerySet,
    AccountQuerySet,
    Membership,
    MembershipQuerySet,
    Organization,
    OrganizationQuerySet,
    Status,
    get_organization_model,
    slug_validator,
)
from saas_kit.tenancy.models.invitations import (
    EXPIRED,
    INVITATION_STATUSES,
    MESSAGE_MAX_LENGTH,
    Invitation,
    InvitationQuerySet,
    InvitationStatus,
    InvitationToken,
)
from saas_kit.tenancy.models.owned import (
    OrganizationOwned,
    OrganizationOwnedManager,
    OrganizationOwnedQuerySet,
)

__all__ = [
    "EXPIRED",
    "INVITATION_STATUSES",
    "MESSAGE_MAX_LENGTH",
    "AbstractOrganization",
    "Account",
    "AccountMembership",
    "AccountMembershipQuerySet",
    "AccountQuerySet",
    "Invitation",
    "InvitationQuerySet",
    "InvitationStatus",
    "InvitationToken",
    "Membership",
    "MembershipQuerySet",
    "Organization",
    "OrganizationOwned",
    "OrganizationOwnedManager",
    "OrganizationOwnedQuerySet",
    "OrganizationQuerySet",
    "Status",
    "get_organization_model",
    "slug_validator",
]
