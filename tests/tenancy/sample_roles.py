"""Roles as a host may bring them."""

from __future__ import annotations

from saas_kit.core.permissions import Level
from saas_kit.tenancy.permissions import OrganizationPermission
from saas_kit.tenancy.roles import SYSTEM_ROLES, Role

WITH_BILLING = (
    *SYSTEM_ROLES,
    # above a member, and may see to the members as an admin does
    Role("clerk", "Clerk", Level.ORGANIZATION, 25, frozenset({OrganizationPermission.MANAGE_MEMBERS.value})),
    # in an account: reaches into its organizations as a viewer
    Role("auditor", "Auditor", Level.ACCOUNT, 15, organization_role="viewer"),
)
WITHOUT_VIEWER = tuple(role for role in SYSTEM_ROLES if role.key != "viewer")
WITHOUT_OWNERS = tuple(role for role in SYSTEM_ROLES if role.key != "owner")
NOT_ROLES = ("owner", "admin")
ONE_ROLE = SYSTEM_ROLES[0]
