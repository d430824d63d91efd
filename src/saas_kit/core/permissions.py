"""The vocabulary of "may": permissions are registered here and asked through Django's back ends."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.contrib import auth
from django.db import models
from django.utils.functional import Promise


class Level(StrEnum):
    """Where a role is held and a permission applies."""

    ACCOUNT = "account"
    ORGANIZATION = "organization"
    TEAM = "team"


class Access(StrEnum):
    """What a view may declare instead of a permission."""

    PUBLIC = "public"
    """Anybody, signed in or not."""
    AUTHENTICATED = "authenticated"
    """Anybody who is signed in."""


@dataclass(frozen=True, slots=True)
class Permission:
    """
    One registered permission.

    Attributes:
        codename: Its name, ``app_label.verb_noun``.
        label: Its name for people.
        level: Where it applies.
        minimum_role: The key of the lowest system role at that level that holds it.
    """

    codename: str
    label: str | Promise
    level: Level
    minimum_role: str


_registry: dict[str, Permission] = {}


def register(choices: type[models.TextChoices], *, level: Level, minimum_roles: Mapping[Any, str]) -> None:
    """
    Register an app's permissions.

    Args:
        choices: The permissions, value ``app_label.verb_noun``, with labels.
        level: Where they apply.
        minimum_roles: For each permission the key of the lowest system role that holds it.

    Raises:
        ValueError: A permission has no minimum role, or its name belongs to another app's permission.
    """
    for member in choices:
        if member not in minimum_roles:
            raise ValueError(f"{choices.__qualname__}.{member.name} has no minimum role.")
        permission = Permission(member.value, member.label, level, minimum_roles[member])
        known = _registry.setdefault(member.value, permission)
        if known != permission:
            raise ValueError(f"The permission {member.value!r} is registered twice.")


def registered(*, level: Level | None = None) -> list[Permission]:
    """Return the registered permissions, in order of their names; those of one level where it is given."""
    return sorted(
        (each for each in _registry.values() if level is None or each.level is level), key=lambda each: each.codename
    )


def has_permission(user: Any, permission: str, obj: models.Model) -> bool:
    """
    Tell whether one of the authentication back ends grants a permission on an object.

    It is ``user.has_perm()`` without Django's short cut for superusers: what platform staff may do to
    other people's data is for the back ends to say.
    """
    if not user.is_active:
        return False
    return any(
        backend.has_perm(user, permission, obj) for backend in auth.get_backends() if hasattr(backend, "has_perm")
    )


def codenames(permissions: Iterable[Permission]) -> frozenset[str]:
    """Return the names of permissions."""
    return frozenset(each.codename for each in permissions)
