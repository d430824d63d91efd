"""Joining an organization by an address in a domain that it has proved."""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction

from saas_kit.core.addresses import domain_of
from saas_kit.core.exceptions import Conflict, NotAllowed, NotFound
from saas_kit.core.verified_email import has_verified_email
from saas_kit.tenancy.access import has_second_factor
from saas_kit.tenancy.exceptions import AlreadyMember, EmailUnverified, MfaEnrollmentRequired, UnknownRole
from saas_kit.tenancy.mail_providers import is_public_mail_domain
from saas_kit.tenancy.models import (
    AbstractOrganization,
    EmailDomain,
    EmailDomainQuerySet,
    Enrollment,
    Membership,
)
from saas_kit.tenancy.people import email_of
from saas_kit.tenancy.roles import OWNER, Role, get_role
from saas_kit.tenancy.scoping import unscoped, within_organization
from saas_kit.tenancy.services.members import join_organization
from saas_kit.tenancy.services.organizations import lock_organization


def find_offer(user: AbstractBaseUser) -> EmailDomain | None:
    """Return the domain through which somebody may join its organization by their proved address; None of none."""
    with unscoped(reason="finding the organization that has the domain of somebody's address"):
        offer: EmailDomain | None = _offers_to(user).select_related("organization").first()
    return None if offer is None or _role_of(offer) is None else offer


@transaction.atomic
def join_on_offer(organization_id: UUID, user: AbstractBaseUser) -> Membership:
    """
    Let somebody join the organization that they may join by their address, as they want to.

    Args:
        organization_id: The key of the organization. One that is not offered is refused like one that is not there.

    Raises:
        EmailUnverified: They did not prove that their address is theirs.
        AlreadyMember: They are a member already.
        NotFound: It is not offered to them.
        MfaEnrollmentRequired: The organization requires a second factor, and they have none.
        NoSeatsLeft: The organization may have no more members.
    """
    if not has_verified_email(user):
        raise EmailUnverified
    offer = find_offer(user)
    if offer is None or offer.organization_id != organization_id:
        raise _no_offer(organization_id, user)
    return _join(offer.organization, user, (Enrollment.SUGGEST, Enrollment.AUTOMATIC))


@transaction.atomic
def join_by_domain(user: AbstractBaseUser) -> Membership | None:
    """
    Let somebody new join the organization that takes in new people with an address like theirs, if there is one.

    It is for whoever signs up, when they prove their address for the first time. People who were there before are
    asked: see ``join_on_offer()``. Where the organization cannot take them in now, the offer stays.

    Returns:
        The membership; None where they did not become a member.
    """
    offer = find_offer(user)
    if offer is None or offer.enrollment != Enrollment.AUTOMATIC:
        return None
    try:
        with transaction.atomic():
            return _join(offer.organization, user, (Enrollment.AUTOMATIC,))
    except (Conflict, NotAllowed, NotFound):
        return None


@within_organization
def _join(
    organization: AbstractOrganization, user: AbstractBaseUser, enrollments: tuple[Enrollment, ...]
) -> Membership:
    organization = lock_organization(organization)
    # what was offered may have ended before the organization was held
    offers = _offers_to(user).in_organization(organization).filter(enrollment__in=enrollments)
    offer = offers.select_related("organization").first()
    role = None if offer is None else _role_of(offer)
    if role is None:
        raise _no_offer(organization.pk, user)
    if organization.require_mfa and not has_second_factor(user):
        raise MfaEnrollmentRequired
    return join_organization(organization, user, role, user)


def _no_offer(organization_id: UUID, user: AbstractBaseUser) -> AlreadyMember | NotFound:
    own = Membership.objects.filter(user=user, organization__deleted_at__isnull=True)
    return AlreadyMember() if own.filter(organization=organization_id).exists() else NotFound()


def _offers_to(user: AbstractBaseUser) -> EmailDomainQuerySet:
    offers: EmailDomainQuerySet = EmailDomain.objects.all()
    domain = domain_of(email_of(user))
    if not user.is_active or not has_verified_email(user) or is_public_mail_domain(domain):
        return offers.none()
    return offers.offered_to(user, domain=domain)


def _role_of(offer: EmailDomain) -> Role | None:
    # the host may have removed the role since
    try:
        role = get_role(offer.role, organization=offer.organization)
    except UnknownRole:
        return None
    return None if role.key == OWNER else role
