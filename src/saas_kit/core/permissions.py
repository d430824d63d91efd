"""The vocabulary of "may": permissions are registered here and asked through Django's back ends."""

from __future__ import annotations

from collections.abc import Mapping
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


_registry: dict[tuple[str, Level], Permission] = {}


def register(level: Level, minimum_roles: Mapping[Any, str]) -> None:
    """
    Register permissions that roles at one level may hold; one permission may be registered at several levels.

    Args:
        level: Where the roles are held.
        minimum_roles: For each permission, a member of a ``TextChoices`` whose value is
            ``app_label.verb_noun``, the key of the lowest system role that holds it.

    Raises:
        ValueError: It is registered already, with another label or role.
    """
    for member, minimum_role in minimum_roles.items():
        permission = Permission(member.value, member.label, level, minimum_role)
        known = _registry.setdefault((member.value, level), permission)
        if known != permission:
            raise ValueError(
                f"The permission {member.value!r} is registered twice at the level of the {level}."
            )


def registered(*, level: Level | None = None) -> list[Permission]:
    """Return the registered permissions, in order of their names; those of one level where it is given."""
    chosen = (each for each in _registry.values() if level is None or each.level is level)
    return sorted(chosen, key=lambda each: (each.codename, each.level))


def has_permission(user: Any, permission: str, obj: models.Model) -> bool:
    """
    Tell whether one of the authentication back ends grants a permission on an object.

    It is ``user.has_perm()`` without Django's short cut for superusers: what platform staff may do to
    other people's data is for the back ends to say.
    """
    if not user.is_active:
        return False
    return any(
        backend.has_perm(user, permission, obj)
        for backend in auth.get_backends()
        if hasattr(backend, "has_perm")
    )
