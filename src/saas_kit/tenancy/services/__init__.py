"""
Every write to accounts and organizations, and to their members, invitations and domains.

Each service is atomic, keeps the invariants, records itself in the audit log and sends its signal after the
commit. ``actor`` is who acts; None is the system. Whether the actor may do it is for the caller to ask.
"""

from saas_kit.tenancy.services.accounts import (
    change_account,
    create_account,
    delete_account,
    lock_account,
    restore_account,
    set_account_status,
    transfer_account,
)
from saas_kit.tenancy.services.answers import (
    accept_invitation,
    check_invitation,
    decline_invitation,
    find_invitation,
    received_invitations,
)
from saas_kit.tenancy.services.domains import (
    MAX_DOMAINS,
    CheckedDomains,
    change_domain,
    check_domains,
    claim_domain,
    delete_domain,
    verify_domain,
)
from saas_kit.tenancy.services.erasure import forget_person
from saas_kit.tenancy.services.invitations import (
    MAX_TEAMS,
    delete_invitation,
    invite,
    remind_invitations,
    resend_invitation,
    revoke_invitation,
)
from saas_kit.tenancy.services.members import (
    add_account_member,
    add_member,
    change_account_role,
    change_role,
    end_memberships,
    introduce_member,
    is_shared,
    remove_account_member,
    remove_member,
)
from saas_kit.tenancy.services.offers import find_offer, join_by_domain, join_on_offer
from saas_kit.tenancy.services.organizations import (
    change_organization,
    create_organization,
    delete_organization,
    lock_organization,
    restore_organization,
    set_organization_status,
)

__all__ = [
    "MAX_DOMAINS",
    "MAX_TEAMS",
    "CheckedDomains",
    "accept_invitation",
    "add_account_member",
    "add_member",
    "change_account",
    "change_account_role",
    "change_domain",
    "change_organization",
    "change_role",
    "check_domains",
    "check_invitation",
    "claim_domain",
    "create_account",
    "create_organization",
    "decline_invitation",
    "delete_account",
    "delete_domain",
    "delete_invitation",
    "delete_organization",
    "end_memberships",
    "find_invitation",
    "find_offer",
    "forget_person",
    "introduce_member",
    "invite",
    "is_shared",
    "join_by_domain",
    "join_on_offer",
    "lock_account",
    "lock_organization",
    "received_invitations",
    "remind_invitations",
    "remove_account_member",
    "remove_member",
    "resend_invitation",
    "restore_account",
    "restore_organization",
    "revoke_invitation",
    "set_account_status",
    "set_organization_status",
    "transfer_account",
    "verify_domain",
]
