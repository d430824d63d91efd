"""
Every write to accounts, organizations and their members.

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
from saas_kit.tenancy.services.organizations import (
    change_organization,
    create_organization,
    delete_organization,
    lock_organization,
    restore_organization,
    set_organization_status,
)

__all__ = [
    "add_account_member",
    "add_member",
    "change_account",
    "change_account_role",
    "change_organization",
    "change_role",
    "create_account",
    "create_organization",
    "delete_account",
    "delete_organization",
    "end_memberships",
    "introduce_member",
    "is_shared",
    "lock_account",
    "lock_organization",
    "remove_account_member",
    "remove_member",
    "restore_account",
    "restore_organization",
    "set_account_status",
    "set_organization_status",
    "transfer_account",
]
