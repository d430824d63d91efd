"""Answers ``user.has_perm(permission, obj)`` for accounts, organizations and what they own."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.backends import BaseBackend

from saas_kit.core import context
from saas_kit.tenancy.access import get_access
from saas_kit.tenancy.models import AbstractOrganization, Account


class TenancyBackend(BaseBackend):
    """
    Grants what a person's roles in the account and the organization grant.

    The object is an account, an organization, or a row with an ``organization``. An organization that requires a
    second factor grants nothing to somebody without one, platform staff either.
    """

    def has_perm(self, user_obj: Any, perm: str, obj: Any = None) -> bool:
        if obj is None or not user_obj.is_active or not user_obj.is_authenticated:
            return False
        subject = (
            obj if isinstance(obj, Account | AbstractOrganization) else getattr(obj, "organization", None)
        )
        if not isinstance(subject, Account | AbstractOrganization):
            return False
        access = get_access(user_obj)
        if access.allows(perm, subject):
            return True
        if access.is_staff and not (isinstance(subject, AbstractOrganization) and access.is_closed(subject)):
            context.staff_access.set(True)
            return True
        return False
