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
from saas_kit.tenancy.api.serializers.invitations import (
    AcceptedInvitationSerializer,
    BulkInviteSerializer,
    BulkResultsSerializer,
    InvitationPreviewSerializer,
    InvitationSerializer,
    InviteSerializer,
    ReceivedInvitationSerializer,
)

__all__ = [
    "AcceptedInvitationSerializer",
    "AccountMembershipSerializer",
    "AccountSerializer",
    "AddAccountMemberSerializer",
    "AddMemberSerializer",
    "BulkInviteSerializer",
    "BulkResultsSerializer",
    "ChangeAccountRoleSerializer",
    "ChangeRoleSerializer",
    "DomainRecordSerializer",
    "DomainSerializer",
    "InvitationPreviewSerializer",
    "InvitationSerializer",
    "InviteSerializer",
    "JoinableOrganizationSerializer",
    "MembershipSerializer",
    "OrganizationSecuritySerializer",
    "OrganizationSerializer",
    "PermissionPageSerializer",
    "PermissionSerializer",
    "PersonSerializer",
    "ReceivedInvitationSerializer",
    "SlugField",
    "TransferSerializer",
]
