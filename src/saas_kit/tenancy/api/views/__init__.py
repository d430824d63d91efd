"""Accounts, organizations and their members over HTTP."""

from saas_kit.tenancy.api.views.customers import (
    AccountMemberViewSet,
    AccountViewSet,
    MemberViewSetBase,
    OrganizationMemberViewSet,
    OrganizationViewSet,
    PermissionListView,
)
from saas_kit.tenancy.api.views.domains import (
    JoinableOrganizationViewSet,
    JoinOrganizationView,
    OrganizationDomainViewSet,
)
from saas_kit.tenancy.api.views.invitations import OrganizationInvitationViewSet, ReceivedInvitationViewSet

__all__ = [
    "AccountMemberViewSet",
    "AccountViewSet",
    "JoinOrganizationView",
    "JoinableOrganizationViewSet",
    "MemberViewSetBase",
    "OrganizationDomainViewSet",
    "OrganizationInvitationViewSet",
    "OrganizationMemberViewSet",
    "OrganizationViewSet",
    "PermissionListView",
    "ReceivedInvitationViewSet",
]
