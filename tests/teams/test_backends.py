"""What a place in a team grants there."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import AnonymousUser

from saas_kit.core.permissions import has_permission
from saas_kit.teams.permissions import TeamPermission
from saas_kit.teams.services import change_team_role, remove_team_member
from saas_kit.tenancy.permissions import OrganizationPermission


def test_lead_manages_the_members_of_the_own_team_only(make_team_membership, make_team, fresh):
    """A lead has no more power over the rest of the organization than before."""
    place = make_team_membership(role="lead")
    lead, other = fresh(place.membership.user), make_team(organization=place.team.organization)

    assert has_permission(lead, TeamPermission.MANAGE_MEMBERS, place.team)
    assert not has_permission(lead, TeamPermission.MANAGE_MEMBERS, other)
    assert not has_permission(lead, TeamPermission.CHANGE, place.team)
    assert not has_permission(lead, TeamPermission.DELETE, place.team)
    assert not has_permission(lead, OrganizationPermission.MANAGE_MEMBERS, place.team.organization)


def test_member_of_a_team_manages_nobody(make_team_membership, fresh):
    """Until they lead it, and no longer once they do not."""
    place = make_team_membership()
    user = place.membership.user
    assert has_permission(fresh(user), TeamPermission.VIEW, place.team)
    assert not has_permission(fresh(user), TeamPermission.MANAGE_MEMBERS, place.team)

    change_team_role(place, "lead", actor=None)
    assert has_permission(fresh(user), TeamPermission.MANAGE_MEMBERS, place.team)

    remove_team_member(place, actor=None)
    assert not has_permission(fresh(user), TeamPermission.MANAGE_MEMBERS, place.team)


@pytest.mark.parametrize(
    ("role", "may"), [("viewer", False), ("member", False), ("admin", True), ("owner", True)]
)
def test_role_in_the_organization_reaches_its_teams(make_team, make_membership, fresh, role, may):
    """Owners and admins manage every team, in it or not; everybody sees them."""
    team = make_team()
    user = fresh(make_membership(team.organization, role=role).user)

    assert has_permission(user, TeamPermission.VIEW, team)
    assert has_permission(user, TeamPermission.MANAGE_MEMBERS, team) is may
    assert has_permission(user, TeamPermission.CREATE, team.organization) is may


def test_nobody_and_the_inactive_have_nothing(make_team_membership, fresh):
    """A lead who was deactivated leads nothing."""
    place = make_team_membership(role="lead")
    user = fresh(place.membership.user)
    user.is_active = False

    assert not has_permission(user, TeamPermission.MANAGE_MEMBERS, place.team)
    assert not has_permission(AnonymousUser(), TeamPermission.VIEW, place.team)


def test_stranger_has_nothing(make_team_membership, make_team):
    """A lead elsewhere is a stranger here."""
    place = make_team_membership(role="lead")

    assert not has_permission(place.membership.user, TeamPermission.VIEW, make_team())
