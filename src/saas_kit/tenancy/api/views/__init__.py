"""Accounts, organizations and their members over HTTP."""

from saas_kit.tenancy.api.views.customers import (
    AccountMemberViewSet,
    AccountViewSet,
    MemberViewSetBase,
    OrganizationMemberViewSet,
    OrganizationViewSet,
    PermissionListView,
)

__all__ = [
    "AccountMemberViewSet",
    "AccountViewSet",
    "MemberViewSetBase",
    "OrganizationMemberViewSet",
    "OrganizationViewSet",
    "PermissionListView",
]
