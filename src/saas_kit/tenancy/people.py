"""The people who belong to an account, an organization; only they can be given a role there."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib.auth import get_user_model
from django.db.models import Q, QuerySet

from saas_kit.core.addresses import normalize_email
from saas_kit.tenancy.models import AbstractOrganization, AccountMembership, Membership


def people_in_account(account_id: UUID) -> QuerySet[Any]:
    """Return the active people who have a role in an account, or in one of its organizations."""
    in_account = AccountMembership.objects.filter(account=account_id)
    in_organization = Membership.objects.filter(
        organization__account=account_id, organization__deleted_at__isnull=True
    )
    return _active().filter(Q(pk__in=in_account.values("user")) | Q(pk__in=in_organization.values("user")))


def account_members(account_id: UUID) -> QuerySet[Any]:
    """Return the active people who have a role in an account."""
    return _active().filter(pk__in=AccountMembership.objects.filter(account=account_id).values("user"))


def organization_members(organization: AbstractOrganization) -> QuerySet[Any]:
    """Return the active people who are members of an organization themselves."""
    return _active().filter(pk__in=Membership.objects.in_organization(organization).values("user"))


def email_of(person: Any) -> str:
    """Return somebody's address, normalized; empty of somebody without one."""
    return normalize_email(getattr(person, person.get_email_field_name()) or "")


def name_of(person: Any) -> str:
    """Return what to call somebody: their name, or else what they sign in with."""
    full_name = getattr(person, "get_full_name", person.__str__)()
    return str(full_name).strip() or str(person)


def _active() -> QuerySet[Any]:
    people: QuerySet[Any] = get_user_model()._default_manager.filter(is_active=True)
    return people
