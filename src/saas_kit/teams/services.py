"""
Every write to teams and their members.

Each service is atomic, keeps the invariants, records itself in the audit log and sends its signal after the
commit. ``actor`` is who acts; None is the system. Whether the actor may do it is for the caller to ask.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.db.models import Value
from django.db.models.functions import Lower

from saas_kit.audit.services import record
from saas_kit.core.changes import apply_changes
from saas_kit.core.events import send_on_commit
from saas_kit.core.exceptions import NotAllowed, NotFound
from saas_kit.core.permissions import Level, has_permission
from saas_kit.teams import signals
from saas_kit.teams.exceptions import AlreadyInTeam, NameTaken, NotInOrganization
from saas_kit.teams.models import Team, TeamMembership
from saas_kit.teams.permissions import TeamPermission
from saas_kit.tenancy.exceptions import UnknownTeam
from saas_kit.tenancy.models import AbstractOrganization, Membership
from saas_kit.tenancy.roles import get_role, system_roles
from saas_kit.tenancy.scoping import within_organization
from saas_kit.tenancy.services import lock_organization
from saas_kit.tenancy.slugs import save_with_slug


@transaction.atomic
@within_organization
def create_team(
    organization: AbstractOrganization,
    *,
    name: str,
    slug: str | None = None,
    description: str = "",
    actor: AbstractBaseUser | None,
) -> Team:
    """
    Create a team in an organization.

    Args:
        slug: Made from the name where it is left out.

    Raises:
        NameTaken: Another team of the organization has the name, whatever the case.
        SlugTaken: Another team of the organization has the slug.
    """
    organization = lock_organization(
        organization
    )  # nothing is added to an organization that is being deleted
    _require_free_name(organization, name)

    def save(candidate: str) -> Team:
        created: Team = Team.objects.create(
            organization=organization, name=name, slug=candidate, description=description
        )
        return created

    team = save_with_slug(Team, save, name=name, slug=slug)
    record("team.created", target=team, actor=actor)
    send_on_commit(signals.team_created, sender=Team, team=team, actor=actor)
    return team


@transaction.atomic
@within_organization
def change_team(team: Team, *, actor: AbstractBaseUser | None, **values: Any) -> Team:
    """
    Change a team's ``name``, ``slug`` or ``description``.

    Raises:
        NameTaken: Another team of the organization has the name, whatever the case.
        SlugTaken: Another team of the organization has the slug.
    """
    organization = lock_organization(team.organization)
    team = _lock_team(team)
    _require_free_name(organization, values.get("name", team.name), besides=team)

    def save(_: str) -> Team:
        changes.update(apply_changes(team, values))
        return team

    changes: dict[str, list[Any]] = {}
    save_with_slug(Team, save, name=team.name, slug=values.get("slug", team.slug), besides=team)
    if changes:
        record("team.changed", target=team, actor=actor, changes=changes)
        send_on_commit(signals.team_changed, sender=Team, team=team, changes=changes, actor=actor)
    return team


@transaction.atomic
@within_organization
def delete_team(team: Team, *, actor: AbstractBaseUser | None) -> None:
    """
    Delete a team, so that it can be restored.

    Raises:
        NotFound: It is deleted already.
        StillReferenced: Something alive protects it.
    """
    _lock_team(team)
    team.delete()
    record("team.deleted", target=team, actor=actor)
    send_on_commit(signals.team_deleted, sender=Team, team=team, actor=actor)


@transaction.atomic
@within_organization
def restore_team(team: Team, *, actor: AbstractBaseUser | None) -> Team:
    """
    Bring a team back.

    Raises:
        NotDeleted: It is alive.
        NotUnique: Its name or its slug was taken meanwhile.
        ParentDeleted: Its organization is deleted.
    """
    team.restore()
    record("team.restored", target=team, actor=actor)
    send_on_commit(signals.team_restored, sender=Team, team=team, actor=actor)
    return team


@transaction.atomic
@within_organization
def add_team_member(
    team: Team, user: AbstractBaseUser, role: str, *, actor: AbstractBaseUser | None
) -> TeamMembership:
    """
    Put a member of the organization in one of its teams.

    Raises:
        UnknownRole: There is no such role in teams.
        NotInOrganization: The person is not a member of the team's organization.
        AlreadyInTeam: The person is in the team already.
    """
    granted = get_role(role, level=Level.TEAM)
    lock_organization(team.organization)  # first, as every write does; two orders of locks are a deadlock
    team = _lock_team(team)
    # held, so that a membership that is ending does not leave a place in a team behind
    own = Membership.objects.select_for_update(of=("self",)).filter(
        organization=team.organization_id, user=user
    )
    membership: Any = own.first()
    if membership is None:
        raise NotInOrganization(field="user")
    membership.user = user
    team_membership = TeamMembership(
        organization=team.organization, team=team, membership=membership, role=granted.key
    )
    try:
        with transaction.atomic():
            team_membership.save(force_insert=True)
    except IntegrityError as error:
        if TeamMembership.objects.filter(team=team, membership=membership).exists():
            raise AlreadyInTeam from error
        raise
    record("team_member.joined", target=team_membership, actor=actor, changes={"role": [None, granted.key]})
    send_on_commit(
        signals.team_member_joined, sender=TeamMembership, team_membership=team_membership, actor=actor
    )
    return team_membership


@transaction.atomic
@within_organization
def change_team_role(
    team_membership: TeamMembership, role: str, *, actor: AbstractBaseUser | None
) -> TeamMembership:
    """
    Give somebody another role in a team.

    Raises:
        UnknownRole: There is no such role in teams.
        NotFound: The person has left the team.
    """
    granted = get_role(role, level=Level.TEAM)
    current = _lock_team_membership(team_membership)
    changes = apply_changes(current, {"role": granted.key})
    if changes:
        record("team_member.role_changed", target=current, actor=actor, changes=changes)
        send_on_commit(
            signals.team_role_changed,
            sender=TeamMembership,
            team_membership=current,
            old_role=changes["role"][0],
            actor=actor,
        )
    return current


@transaction.atomic
@within_organization
def remove_team_member(team_membership: TeamMembership, *, actor: AbstractBaseUser | None) -> None:
    """
    Take somebody out of a team; they stay in the organization.

    Raises:
        NotFound: The person has left the team.
    """
    current = _lock_team_membership(team_membership)
    changes = {"role": [current.role, None]}
    record("team_member.removed", target=current, actor=actor, changes=changes)
    key = current.pk
    current.delete()
    current.pk = key  # receivers still want to name it
    send_on_commit(signals.team_member_removed, sender=TeamMembership, team_membership=current, actor=actor)


def check_placement(
    organization: AbstractOrganization, team_ids: Sequence[UUID], actor: AbstractBaseUser | None
) -> None:
    """
    Refuse teams that a new member of an organization cannot be put into; asked in the organization's scope.

    Raises:
        UnknownTeam: The organization has no such team.
        NotAllowed: The actor may not put people into one of them.
    """
    chosen = list(Team.objects.filter(organization=organization, pk__in=team_ids))
    if len(chosen) != len(set(team_ids)):
        raise UnknownTeam(field="teams")
    if actor is None:
        return
    for team in chosen:
        team.organization = organization
        if not has_permission(actor, TeamPermission.MANAGE_MEMBERS, team):
            raise NotAllowed


@transaction.atomic
@within_organization
def place_member(membership: Membership, team_ids: Sequence[UUID]) -> None:
    """Put a new member of an organization into teams, in the lowest role; those that are gone are left out."""
    role = system_roles(Level.TEAM)[-1].key
    teams = Team.objects.filter(organization=membership.organization_id, pk__in=team_ids)
    for team in teams.select_related("organization").order_by("pk"):
        add_team_member(team, membership.user, role, actor=membership.user)


def _lock_team_membership(team_membership: TeamMembership) -> TeamMembership:
    rows = TeamMembership.objects.select_for_update(of=("self",)).select_related("team", "membership__user")
    locked: TeamMembership | None = rows.filter(pk=team_membership.pk).first()
    if locked is None:
        raise NotFound
    return locked


def _lock_team(team: Team) -> Team:
    locked: Team | None = (
        Team.objects.select_for_update(of=("self",)).select_related("organization").filter(pk=team.pk).first()
    )
    if locked is None:
        raise NotFound
    return locked


def _require_free_name(organization: AbstractOrganization, name: str, *, besides: Team | None = None) -> None:
    # the organization's row is held, so nobody takes the name between this and the write
    # compared as the constraint does it; upper case, as in iexact, folds other letters together
    named = Team.objects.annotate(lower_name=Lower("name")).filter(lower_name=Lower(Value(name)))
    teams = named.filter(organization=organization)
    if teams.exclude(pk=getattr(besides, "pk", None)).exists():
        raise NameTaken(field="name")
