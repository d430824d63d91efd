"""What a person may do, loaded once and asked many times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import OuterRef

from saas_kit.core import caller
from saas_kit.core.permissions import Level
from saas_kit.tenancy.conf import TenancySettings, organization_model
from saas_kit.tenancy.exceptions import UnknownRole
from saas_kit.tenancy.roles import Role, get_role, highest

ACCOUNTS_PART = "accounts"
MEMBERSHIPS_PART = "memberships"
REACHABLE_PART = "reachable_organizations"


def register_caller_parts() -> None:
    """Let the statement that loads a caller load the roles too."""

    account_membership = apps.get_model("saas_kit_tenancy.AccountMembership")
    membership = apps.get_model("saas_kit_tenancy.Membership")
    organization = apps.get_model(organization_model())

    def accounts(user: OuterRef) -> caller.JSONRows:
        return caller.JSONRows(account_membership._base_manager.filter(user=user), "account_id", "role")

    def memberships(user: OuterRef) -> caller.JSONRows:
        rows = membership._base_manager.filter(user=user)
        return caller.JSONRows(rows, "organization_id", "role", "organization__deleted_at")

    def reachable(user: OuterRef) -> caller.JSONRows:
        alive = organization._base_manager.filter(account__memberships__user=user, deleted_at__isnull=True)
        return caller.JSONRows(alive, "pk", "account_id")

    caller.register_part(ACCOUNTS_PART, accounts, reads={account_membership: ("user",)})
    caller.register_part(
        MEMBERSHIPS_PART, memberships, reads={membership: ("user",), organization: ("memberships__user",)}
    )
    caller.register_part(
        REACHABLE_PART,
        reachable,
        reads={account_membership: ("user",), organization: ("account__memberships__user",)},
    )


@dataclass(frozen=True)
class UserAccess:
    """
    A person's roles.

    Attributes:
        accounts: The key of the role in each account, by the account's id.
        organizations: The key of the role in each organization where the person has a membership, by its id.
        organization_ids: The organizations that are not deleted and that the person has a role in, of their own
            or through the account: what a request of theirs may touch.
        is_staff: Whether the person acts in every organization as platform staff.
    """

    accounts: dict[UUID, str]
    organizations: dict[UUID, str]
    organization_ids: frozenset[UUID]
    is_staff: bool

    def role_in_account(self, account_id: UUID) -> Role | None:
        """Return the role in an account, None of a stranger."""
        return _find(self.accounts.get(account_id), Level.ACCOUNT)

    def role_in(self, organization: Any) -> Role | None:
        """Return the role in an organization, the person's own or the account's, whichever is higher."""
        own = _find(self.organizations.get(organization.pk), Level.ORGANIZATION)
        account_role = self.role_in_account(organization.account_id)
        through_account = (
            None if account_role is None else _find(account_role.organization_role, Level.ORGANIZATION)
        )
        return highest(role for role in (own, through_account) if role is not None)

    def allows(self, permission: str, obj: Any) -> bool:
        """Tell whether a role grants a permission on an account, or on an organization."""
        role = self.role_in(obj) if hasattr(obj, "account_id") else self.role_in_account(obj.pk)
        return role is not None and permission in role.permissions

    def account_roles_granting(self, permission: str | None) -> set[str]:
        """
        Return the roles in accounts, of those that the person has, that reach into organizations.

        With a permission, those that grant it there.
        """
        return {
            key
            for key in set(self.accounts.values())
            if (account_role := _find(key, Level.ACCOUNT)) is not None
            and (role := _find(account_role.organization_role, Level.ORGANIZATION)) is not None
            and permission in (None, *role.permissions)
        }


def _find(key: str | None, level: Level) -> Role | None:
    # a role that the host has since removed grants nothing
    if key is None:
        return None
    try:
        return get_role(key, level=level)
    except UnknownRole:
        return None


def get_access(user: Any) -> UserAccess:
    """
    Return a person's roles as the database had them when they were first asked for.

    They are kept with the user instance, as Django keeps permissions: in a request that is for as long as it
    lasts. Somebody who is not signed in, or no longer active, has none.
    """
    if not user.is_authenticated or not user.is_active:
        return UserAccess({}, {}, frozenset(), is_staff=False)
    access: UserAccess | None = user.__dict__.get("_saas_kit_access")
    if access is None:
        access = user.__dict__["_saas_kit_access"] = _load(user)
    return access


def _load(user: Any) -> UserAccess:
    accounts = {UUID(key): role for key, role in caller.get_part(user, ACCOUNTS_PART)}
    memberships = caller.get_part(user, MEMBERSHIPS_PART)
    own = {
        UUID(key)
        for key, role, deleted_at in memberships
        if deleted_at is None and _find(role, Level.ORGANIZATION)
    }
    reaching = {key for key, role in accounts.items() if _amounts_to_a_role(role)}
    through_account = {
        UUID(key) for key, account in caller.get_part(user, REACHABLE_PART) if UUID(account) in reaching
    }
    return UserAccess(
        accounts=accounts,
        organizations={UUID(key): role for key, role, _ in memberships},
        organization_ids=frozenset(own | through_account),
        is_staff=TenancySettings.STAFF_ACCESS and bool(getattr(user, "is_superuser", False)),
    )


def _amounts_to_a_role(account_role: str) -> bool:
    role = _find(account_role, Level.ACCOUNT)
    return role is not None and _find(role.organization_role, Level.ORGANIZATION) is not None


def forget_access(user: Any) -> None:
    """Drop what is known of a person's roles; a service that changes them calls it for its actor."""
    user.__dict__.pop("_saas_kit_access", None)
    caller.forget_parts(user)
