"""The shapes of accounts, organizations and memberships."""

from saas_kit.tenancy.api.serializers.customers import (
    AccountMembershipSerializer,
    AccountSerializer,
    AddAccountMemberSerializer,
    AddMemberSerializer,
    ChangeAccountRoleSerializer,
    ChangeRoleSerializer,
    MembershipSerializer,
    OrganizationSecuritySerializer,
    OrganizationSerializer,
    PermissionPageSerializer,
    PermissionSerializer,
    PersonSerializer,
    SlugField,
    TransferSerializer,
)
from saas_kit.tenancy.api.serializers.domains import (
    DomainRecordSerializer,
    DomainSerializer,
    JoinableOrganizationSerializer,
)

__all__ = [
    "AccountMembershipSerializer",
    "AccountSerializer",
    "AddAccountMemberSerializer",
    "AddMemberSerializer",
    "ChangeAccountRoleSerializer",
    "ChangeRoleSerializer",
    "DomainRecordSerializer",
    "DomainSerializer",
    "JoinableOrganizationSerializer",
    "MembershipSerializer",
    "OrganizationSecuritySerializer",
    "OrganizationSerializer",
    "PermissionPageSerializer",
    "PermissionSerializer",
    "PersonSerializer",
    "SlugField",
    "TransferSerializer",
]
