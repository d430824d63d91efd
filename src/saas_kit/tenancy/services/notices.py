"""What people are told of what somebody else did in an account or an organization."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser

from saas_kit.email.conf import EmailSettings
from saas_kit.email.messages import Message
from saas_kit.email.services import send
from saas_kit.tenancy.conf import TenancySettings
from saas_kit.tenancy.domain_proofs import record_name, record_value
from saas_kit.tenancy.messages import (
    AccountSuspended,
    DomainUnproved,
    MemberJoined,
    OwnershipTransferred,
    RoleChanged,
)
from saas_kit.tenancy.models import (
    AbstractOrganization,
    Account,
    AccountMembership,
    EmailDomain,
    Membership,
)
from saas_kit.tenancy.people import email_of, name_of
from saas_kit.tenancy.roles import Role

_MOST_OWNERS = 10  # that one fact is told to


def tell_of_member(
    membership: Membership,
    role: Role,
    *,
    inviter: AbstractBaseUser | None,
    actor: AbstractBaseUser | None,
) -> None:
    """Tell whoever invited a new member, or else the owners; whom the system brings in nobody is told of."""
    if actor is None:
        return
    member, organization = membership.user, membership.organization
    message = MemberJoined(
        organization=organization.name,
        member=name_of(member),
        email=email_of(member),
        role=str(role.label),
    )
    told = [inviter] if inviter is not None else _owners_of(organization, besides=[member, actor])
    for person in told:
        _send(message, person, organization=organization, cause=str(membership.pk))


def tell_of_role(
    place: Account | AbstractOrganization,
    member: AbstractBaseUser,
    old_role: str,
    role: Role,
    *,
    actor: AbstractBaseUser | None,
) -> None:
    """Tell a member that they have another role, unless they gave it to themselves."""
    if actor is not None and actor.pk == member.pk:
        return
    _send(RoleChanged(place=place.name, old_role=old_role, role=str(role.label)), member, organization=place)


def tell_of_transfer(account: Account, *, old_owner: AbstractBaseUser | None, new_owner: Any) -> None:
    """Tell the new owner of an account that it is theirs, and the old one unless platform staff gave it away."""
    message = OwnershipTransferred(
        account=account.name,
        old_owner=EmailSettings.PRODUCT_NAME if old_owner is None else name_of(old_owner),
        new_owner=name_of(new_owner),
    )
    for person in (new_owner, old_owner):
        if person is not None:
            _send(message, person)


def tell_of_suspension(place: Account | AbstractOrganization, *, actor: AbstractBaseUser | None) -> None:
    """Tell the owners of an account or an organization that it is suspended."""
    for owner in _owners_of(place, besides=[] if actor is None else [actor]):
        _send(AccountSuspended(place=place.name), owner, organization=place)


def tell_of_missing_proof(domain: EmailDomain, *, missing_since: datetime) -> None:
    """Tell the owners of an organization that what proves one of its domains is gone."""
    message = DomainUnproved(
        organization=domain.organization.name,
        domain=domain.domain,
        name=record_name(domain.domain),
        value=record_value(domain.proof),
        lost_at=missing_since + TenancySettings.DOMAIN_GRACE,
    )
    cause = f"{domain.pk} {missing_since:%Y%m%d%H%M%S}"
    for owner in _owners_of(domain.organization, besides=[]):
        _send(message, owner, organization=domain.organization, cause=cause)


def _owners_of(place: Account | AbstractOrganization, *, besides: list[Any]) -> list[Any]:
    memberships: Any = (
        AccountMembership.objects.filter(account=place)
        if isinstance(place, Account)
        else Membership.objects.in_organization(place)
    )
    active = memberships.owners().filter(user__is_active=True).exclude(user__in=besides)
    return [each.user for each in active.select_related("user").order_by("pk")[:_MOST_OWNERS]]


def _send(
    message: Message,
    person: Any,
    *,
    organization: Account | AbstractOrganization | None = None,
    cause: str = "",
) -> None:
    address = email_of(person)
    if address:
        about = None if isinstance(organization, Account) else organization
        send(message, to=address, organization=about, cause=cause)
