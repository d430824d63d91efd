"""Roles: named sets of permissions at one level, in an order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cache

from django.core.signals import setting_changed
from django.db import models
from django.utils.functional import Promise
from django.utils.module_loading import import_string
from django.utils.translation import gettext_lazy as _

from saas_kit.core.permissions import Level, registered
from saas_kit.tenancy.conf import TenancySettings
from saas_kit.tenancy.exceptions import UnknownRole


@dataclass(frozen=True, slots=True)
class Role:
    """
    A role at one level.

    Attributes:
        key: Its stable name, as stored with a membership.
        label: Its name for people.
        level: Where it is held.
        rank: Its place in the order of that level: it holds what every lower rank holds. Nobody grants a
            role of a higher rank than their own.
        extra_permissions: Permissions that it holds beside those that its rank gives.
        organization_role: For a role in an account, the role that it amounts to in each of the account's
            organizations; None where it amounts to none.
    """

    key: str
    label: str | Promise
    level: Level
    rank: int
    extra_permissions: frozenset[str] = field(default=frozenset())
    organization_role: str | None = None

    @property
    def permissions(self) -> frozenset[str]:
        """The names of the permissions that it grants."""
        return _permissions_of(self)

    def dominates(self, other: Role) -> bool:
        """Whether it ranks as high as the other role and holds all that it grants."""
        return self.rank >= other.rank and self.permissions >= other.permissions


OWNER = "owner"

SYSTEM_ROLES = (
    Role("owner", _("Owner"), Level.ACCOUNT, 40, organization_role="owner"),
    Role("admin", _("Admin"), Level.ACCOUNT, 30, organization_role="admin"),
    Role("member", _("Member"), Level.ACCOUNT, 20),
    Role("owner", _("Owner"), Level.ORGANIZATION, 40),
    Role("admin", _("Admin"), Level.ORGANIZATION, 30),
    Role("member", _("Member"), Level.ORGANIZATION, 20),
    Role("viewer", _("Viewer"), Level.ORGANIZATION, 10),
    Role("lead", _("Lead"), Level.TEAM, 20),
    Role("member", _("Member"), Level.TEAM, 10),
)


def get_role(
    key: str, *, level: Level = Level.ORGANIZATION, organization: models.Model | None = None
) -> Role:
    """
    Return a role by its key.

    Args:
        organization: Where it is to be held; an organization may have roles of its own.

    Raises:
        UnknownRole: There is no such role at this level.
    """
    try:
        return _system_roles()[level, key]
    except (KeyError, TypeError):
        raise UnknownRole(field="role") from None


def system_roles(level: Level) -> list[Role]:
    """Return the system roles of one level, the highest first."""
    return sorted(
        (role for role in _system_roles().values() if role.level is level), key=lambda role: -role.rank
    )


def role_choices(level: Level) -> list[tuple[str, str | Promise]]:
    """Return the keys and labels of one level's system roles, the highest first."""
    return [(role.key, role.label) for role in system_roles(level)]


def roles_granting(permission: str, *, level: Level) -> list[str]:
    """Return the keys of one level's system roles that hold a permission."""
    return list(_roles_granting(permission, level))


def highest(roles: Iterable[Role]) -> Role | None:
    """Return the role of the highest rank; None of none."""
    return max(roles, key=lambda role: role.rank, default=None)


@cache
def _system_roles() -> dict[tuple[Level, str], Role]:
    roles: tuple[Role, ...] = import_string(TenancySettings.ROLES)
    return {(role.level, role.key): role for role in roles}


@cache
def _permissions_of(role: Role) -> frozenset[str]:
    ranks = {each.key: each.rank for each in _system_roles().values() if each.level is role.level}
    by_rank = (
        permission.codename
        for permission in registered(level=role.level)
        if ranks.get(permission.minimum_role, role.rank + 1) <= role.rank
    )
    return role.extra_permissions | frozenset(by_rank)


@cache
def _roles_granting(permission: str, level: Level) -> tuple[str, ...]:
    return tuple(role.key for role in system_roles(level) if permission in role.permissions)


def _forget_roles(*, setting: str, **kwargs: object) -> None:
    if setting == "SAAS_KIT_TENANCY_ROLES":
        for function in (_system_roles, _permissions_of, _roles_granting):
            function.cache_clear()


setting_changed.connect(_forget_roles, dispatch_uid="saas_kit.tenancy.roles")
