"""What a person may do, loaded once and asked many times."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db.models import OuterRef, Q
from django.utils.module_loading import import_string

from saas_kit.core import caller
from saas_kit.core.permissions import Level
from saas_kit.core.second_factor import SecondFactor, registered_second_factor
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
        return caller.JSONRows(
            rows, "organization_id", "role", "organization__deleted_at", "organization__require_mfa"
        )

    def reachable(user: OuterRef) -> caller.JSONRows:
        rows = organization._base_manager.filter(account__memberships__user=user)
        # of the deleted, which can be restored, those alone that somebody may not even restore
        rows = rows.filter(Q(deleted_at__isnull=True) | Q(require_mfa=True))
        return caller.JSONRows(rows, "pk", "account_id", "deleted_at", "require_mfa")

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
            or through the account, and that are open to them: what a request of theirs may touch.
        is_staff: Whether the person acts in every organization as platform staff.
        closed_ids: Those, with the deleted, that the person has a role in and that are closed to them until they have
            a second factor.
        lacks_second_factor: Whether something is closed to the person because they have no second factor.
    """

    accounts: dict[UUID, str]
    organizations: dict[UUID, str]
    organization_ids: frozenset[UUID]
    is_staff: bool
    closed_ids: frozenset[UUID] = frozenset()
    lacks_second_factor: bool = False

    def is_closed(self, organization: Any) -> bool:
        """Tell whether an organization is closed to the person until they have a second factor."""
        return self.lacks_second_factor and bool(organization.require_mfa)

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
        if hasattr(obj, "account_id"):
            role = None if self.is_closed(obj) else self.role_in(obj)
        else:
            role = self.role_in_account(obj.pk)
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
    reaching = {key for key, role in accounts.items() if _amounts_to_a_role(role)}
    reached = [
        *((key, *facts) for key, role, *facts in memberships if _find(role, Level.ORGANIZATION)),
        *(
            (key, *facts)
            for key, account, *facts in caller.get_part(user, REACHABLE_PART)
            if UUID(account) in reaching
        ),
    ]
    alive = frozenset(UUID(key) for key, deleted_at, _ in reached if deleted_at is None)
    requiring = frozenset(UUID(key) for key, _, requires in reached if requires)
    is_staff = TenancySettings.STAFF_ACCESS and bool(getattr(user, "is_superuser", False))
    # asked where it matters only: a host's own function may cost a statement
    lacks_second_factor = (is_staff or bool(requiring)) and not has_second_factor(user)
    closed = requiring if lacks_second_factor else frozenset()
    return UserAccess(
        accounts=accounts,
        organizations={UUID(key): role for key, role, _, _ in memberships},
        organization_ids=alive - closed,
        is_staff=is_staff,
        closed_ids=closed,
        lacks_second_factor=lacks_second_factor,
    )


def _amounts_to_a_role(account_role: str) -> bool:
    role = _find(account_role, Level.ACCOUNT)
    return role is not None and _find(role.organization_role, Level.ORGANIZATION) is not None


def second_factor() -> SecondFactor | None:
    """Return what tells whether a person has a second factor; None where nothing does."""
    path = TenancySettings.SECOND_FACTOR
    if not path:
        return registered_second_factor()
    function: SecondFactor = import_string(path)
    return function


def has_second_factor(user: Any) -> bool:
    """Tell whether a person has a second factor; where nothing tells it, nobody has."""
    tell = second_factor()
    return tell is not None and tell(user)


@contextmanager
def as_if_enrolled(user: Any) -> Iterator[None]:
    """
    Let the block find what a person could see if they had a second factor.

    It is for telling them apart from strangers, and for leaving. What is found is not for their eyes.
    """
    access = get_access(user)
    if not access.lacks_second_factor:
        yield
        return
    user.__dict__["_saas_kit_access"] = replace(
        access,
        organization_ids=access.organization_ids | access.closed_ids,
        closed_ids=frozenset(),
        lacks_second_factor=False,
    )
    try:
        yield
    finally:
        user.__dict__["_saas_kit_access"] = access


def forget_access(user: Any) -> None:
    """Drop what is known of a person's roles; a service that changes them calls it for its actor."""
    user.__dict__.pop("_saas_kit_access", None)
    caller.forget_parts(user)
