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
from saas_kit.tenancy.models.owned import (
    OrganizationOwned,
    OrganizationOwnedManager,
    OrganizationOwnedQuerySet,
)

__all__ = [
    "AbstractOrganization",
    "Account",
    "AccountMembership",
    "AccountMembershipQuerySet",
    "AccountQuerySet",
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
