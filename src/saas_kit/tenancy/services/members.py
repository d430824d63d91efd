"""Writes to who belongs to accounts and organizations, under one set of rules."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, models, transaction

from saas_kit.audit.services import record
from saas_kit.core import context
from saas_kit.core.changes import apply_changes
from saas_kit.core.events import send_on_commit
from saas_kit.core.exceptions import NotFound
from saas_kit.core.permissions import Level
from saas_kit.tenancy import signals
from saas_kit.tenancy.access import forget_access, get_access
from saas_kit.tenancy.exceptions import AlreadyMember, LastOwner, NotInAccount, RoleTooHigh, UnknownRole
from saas_kit.tenancy.models import (
    AbstractOrganization,
    Account,
    AccountMembership,
    Membership,
    RemovedMember,
)
from saas_kit.tenancy.people import people_in_account
from saas_kit.tenancy.roles import OWNER, Role, get_role
from saas_kit.tenancy.scoping import scope, within_organization
from saas_kit.tenancy.services.accounts import delete_account, lock_account
from saas_kit.tenancy.services.notices import tell_of_member, tell_of_role
from saas_kit.tenancy.services.organizations import lock_organization
from saas_kit.tenancy.services.seats import require_seats, revoke_needless


@transaction.atomic
@within_organization
def add_member(
    organization: AbstractOrganization, user: AbstractBaseUser, role: str, *, actor: AbstractBaseUser | None
) -> Membership:
    """
    Give somebody a role in an organization.

    Raises:
        UnknownRole: The organization has no such role.
        RoleTooHigh: The actor holds less than the role grants.
        NotInAccount: An actor adds somebody who does not belong to the account; anybody else is invited.
        AlreadyMember: The person is a member already.
        NoSeatsLeft: The organization may have no more members.
    """
    organization = lock_organization(organization)
    granted = get_role(role, organization=organization)
    require_dominance(actor, organization, granted)
    if actor is not None:
        _require_in_account(user, organization.account_id)
    return join_organization(organization, user, granted, actor)


@transaction.atomic
@within_organization
def introduce_member(
    organization: AbstractOrganization, user: AbstractBaseUser, role: str, *, actor: AbstractBaseUser | None
) -> Membership:
    """
    Give a role to somebody new to the service, whom the actor has just brought in.

    Raises:
        UnknownRole: The organization has no such role.
        RoleTooHigh: The actor holds less than the role grants.
        NoSeatsLeft: The organization may have no more members.
    """
    organization = lock_organization(organization)
    granted = get_role(role, organization=organization)
    require_dominance(actor, organization, granted)
    return join_organization(organization, user, granted, actor)


@transaction.atomic
@within_organization
def change_role(membership: Membership, role: str, *, actor: AbstractBaseUser | None) -> Membership:
    """
    Give a member another role.

    Raises:
        UnknownRole: The organization has no such role.
        RoleTooHigh: The actor holds less than the role grants, or than the member has.
        LastOwner: The member is the only owner left.
    """
    # two owners demoting each other must queue
    organization = lock_organization(membership.organization)
    membership = _reread(membership)
    granted = get_role(role, organization=organization)
    require_dominance(actor, organization, *_held_by(membership), granted)
    if membership.is_owner and granted.key != OWNER:
        _keep_an_owner(membership, Membership.objects.in_organization(organization))
    old_label = _label_of(membership)
    changes = apply_changes(membership, {"role": granted.key})
    if changes:
        forget_access(membership.user)
        record("member.role_changed", target=membership, actor=actor, changes=changes)
        tell_of_role(organization, membership.user, old_label, granted, actor=actor)
        send_on_commit(
            signals.role_changed,
            sender=Membership,
            membership=membership,
            old_role=changes["role"][0],
            actor=actor,
        )
    return membership


@transaction.atomic
@within_organization
def remove_member(membership: Membership, *, actor: AbstractBaseUser | None) -> None:
    """
    End somebody's membership of an organization, and with it their places in its teams.

    A member may always remove themselves. Whoever is removed by somebody else does not come back by their address.

    Raises:
        RoleTooHigh: The actor holds less than the member.
        LastOwner: The member is the only owner left.
    """
    organization = lock_organization(membership.organization)
    membership = _reread(membership)
    is_leaving = actor is not None and actor.pk == membership.user_id
    if not is_leaving:
        require_dominance(actor, organization, *_held_by(membership))
    if membership.is_owner:
        _keep_an_owner(membership, Membership.objects.in_organization(organization))
    if not is_leaving:
        removed = RemovedMember(organization=organization, user=membership.user)
        RemovedMember.objects.bulk_create([removed], ignore_conflicts=True)
    _end(membership, actor)


@transaction.atomic
def add_account_member(
    account: Account, user: AbstractBaseUser, role: str, *, actor: AbstractBaseUser | None
) -> AccountMembership:
    """
    Give somebody a role in an account.

    Raises:
        UnknownRole: There is no such role in accounts.
        RoleTooHigh: The actor holds less than the role grants.
        NotInAccount: An actor adds somebody who is in none of the account's organizations.
        AlreadyMember: The person is a member already.
    """
    account = lock_account(account)
    granted = get_role(role, level=Level.ACCOUNT)
    require_dominance(actor, account, granted)
    if actor is not None:
        _require_in_account(user, account.pk)
    membership: AccountMembership = _create(AccountMembership(account=account, user=user, role=granted.key))
    record("account_member.joined", target=membership, actor=actor, changes={"role": [None, granted.key]})
    send_on_commit(
        signals.account_member_joined, sender=AccountMembership, membership=membership, actor=actor
    )
    return membership


@transaction.atomic
def change_account_role(
    membership: AccountMembership, role: str, *, actor: AbstractBaseUser | None
) -> AccountMembership:
    """
    Give a member of an account another role.

    Raises:
        UnknownRole: There is no such role in accounts.
        RoleTooHigh: The actor holds less than the role grants, or than the member has.
        LastOwner: The member is the only owner left.
    """
    account = lock_account(membership.account)
    membership = _reread(membership)
    granted = get_role(role, level=Level.ACCOUNT)
    require_dominance(actor, account, *_held_by(membership), granted)
    if membership.is_owner and granted.key != OWNER:
        _keep_an_owner(membership, AccountMembership.objects.filter(account=account))
    old_label = _label_of(membership)
    changes = apply_changes(membership, {"role": granted.key})
    if changes:
        forget_access(membership.user)
        record("account_member.role_changed", target=membership, actor=actor, changes=changes)
        tell_of_role(account, membership.user, old_label, granted, actor=actor)
        send_on_commit(
            signals.account_role_changed,
            sender=AccountMembership,
            membership=membership,
            old_role=changes["role"][0],
            actor=actor,
        )
    return membership


@transaction.atomic
def remove_account_member(membership: AccountMembership, *, actor: AbstractBaseUser | None) -> None:
    """
    End somebody's role in an account; memberships of its organizations stay.

    A member may always remove themselves.

    Raises:
        RoleTooHigh: The actor holds less than the member.
        LastOwner: The member is the only owner left.
    """
    account = lock_account(membership.account)
    membership = _reread(membership)
    if actor is None or actor.pk != membership.user_id:
        require_dominance(actor, account, *_held_by(membership))
    if membership.is_owner:
        _keep_an_owner(membership, AccountMembership.objects.filter(account=account))
    _end(membership, actor)


@transaction.atomic
def end_memberships(user: AbstractBaseUser, *, actor: AbstractBaseUser | None) -> None:
    """
    End all of a person's memberships, for somebody who leaves the service.

    Accounts that are theirs alone are deleted. The audit log calls the person what the instance does.

    Raises:
        LastOwner: The person is the only owner of an account or an organization that others share.
    """
    own = AccountMembership.objects.filter(user=user, account__deleted_at__isnull=True).order_by("account")
    for found in own.select_related("account"):
        try:
            account = lock_account(found.account)
            account_membership = _reread(found)  # another role may have been given before the lock was had
        except NotFound:
            continue  # or it ended
        account_membership.user = user
        if not account_membership.is_owner:
            _end(account_membership, actor)
        elif is_shared(account, user):
            _keep_an_owner(account_membership, AccountMembership.objects.filter(account=account))
            _end(account_membership, actor)
        else:
            delete_account(account, actor=actor)
    alive = Membership.objects.filter(user=user, organization__deleted_at__isnull=True)
    for found_below in alive.select_related("organization").order_by("organization"):
        with scope(found_below.organization):
            _leave(found_below, user, actor)


def _leave(found: Membership, user: AbstractBaseUser, actor: AbstractBaseUser | None) -> None:
    try:
        organization = lock_organization(found.organization)
        membership = _reread(found)
    except NotFound:
        return  # it ended before the lock was had
    membership.user = user
    others = Membership.objects.in_organization(organization)
    if membership.is_owner and others.exclude(pk=membership.pk).exists():
        _keep_an_owner(membership, others)
    _end(membership, actor)


def join_organization(
    organization: AbstractOrganization,
    user: AbstractBaseUser,
    role: Role,
    actor: AbstractBaseUser | None,
    *,
    inviter: AbstractBaseUser | None = None,
) -> Membership:
    """
    Make somebody a member of an organization whose row is held; what else invites them is over.

    Args:
        inviter: Who is told; without one it is the owners.

    Raises:
        AlreadyMember: The person is a member already.
        NoSeatsLeft: The organization may have no more members.
    """
    revoke_needless(organization, user, actor=actor)
    membership: Membership = _create(Membership(organization=organization, user=user, role=role.key))
    require_seats(organization)
    record("member.joined", target=membership, actor=actor, changes={"role": [None, role.key]})
    tell_of_member(membership, role, inviter=inviter, actor=actor)
    send_on_commit(signals.member_joined, sender=Membership, membership=membership, actor=actor)
    return membership


def is_shared(account: Account, user: AbstractBaseUser) -> bool:
    """Tell whether anybody else has a role in an account or in one of its organizations."""
    others_in_account = AccountMembership.objects.filter(account=account).exclude(user=user)
    organizations = account.organizations.all()
    others = Membership.objects.filter(organization__in=organizations).exclude(user=user)
    return others_in_account.exists() or others.exists()


def _create(membership: Any) -> Any:
    try:
        with transaction.atomic():
            membership.save(force_insert=True)
    except IntegrityError as error:
        place = "organization" if isinstance(membership, Membership) else "account"
        same = {"user": membership.user, place: getattr(membership, place)}
        if type(membership).objects.filter(**same).exists():
            raise AlreadyMember from error
        raise
    forget_access(membership.user)
    return membership


def _end(membership: Membership | AccountMembership, actor: AbstractBaseUser | None) -> None:
    noun, signal = (
        ("member", signals.member_removed)
        if isinstance(membership, Membership)
        else ("account_member", signals.account_member_removed)
    )
    record(f"{noun}.removed", target=membership, actor=actor, changes={"role": [membership.role, None]})
    membership_id = membership.pk
    membership.delete()
    membership.pk = membership_id  # receivers and callers still want to name it
    forget_access(membership.user)
    send_on_commit(signal, sender=type(membership), membership=membership, actor=actor)


def _reread(membership: Any) -> Any:
    try:
        # held, so that nobody is put into a team on a membership that is ending
        rows = type(membership).objects.select_for_update(of=("self",))
        return rows.select_related("user").get(pk=membership.pk)
    except type(membership).DoesNotExist:
        raise NotFound from None


def _held_by(membership: Membership | AccountMembership) -> tuple[Role, ...]:
    try:
        return (membership.get_role(),)
    except UnknownRole:
        # a role that the host has since removed grants nothing, and keeps nobody in
        return ()


def _label_of(membership: Membership | AccountMembership) -> str:
    return next((str(role.label) for role in _held_by(membership)), membership.role)


def require_dominance(
    actor: AbstractBaseUser | None, place: Account | AbstractOrganization, *roles: Role
) -> None:
    """
    Refuse an actor whose role, as it is under the lock, is below one of the roles at stake.

    Raises:
        RoleTooHigh: It is.
    """
    if actor is None:
        return
    forget_access(actor)
    access = get_access(actor)
    held = access.role_in_account(place.pk) if isinstance(place, Account) else access.role_in(place)
    if held is not None and all(held.dominates(role) for role in roles):
        return
    if not access.is_staff:
        raise RoleTooHigh
    context.staff_access.set(True)


def _require_in_account(user: AbstractBaseUser, account_id: Any) -> None:
    if not user.is_active or not people_in_account(account_id).filter(pk=user.pk).exists():
        raise NotInAccount(field="user")


def _keep_an_owner(leaving: models.Model, memberships: Any) -> None:
    remaining = memberships.owners().filter(user__is_active=True).exclude(pk=leaving.pk)
    if not remaining.exists():
        raise LastOwner
