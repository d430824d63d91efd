"""Roles: named sets of permissions at one level, in an order."""

from __future__ import annotations

from itertools import pairwise

import pytest

from saas_kit.core.permissions import Level, registered
from saas_kit.tenancy.exceptions import UnknownRole
from saas_kit.tenancy.permissions import AccountPermission, OrganizationPermission
from saas_kit.tenancy.roles import (
    SYSTEM_ROLES,
    get_role,
    highest,
    role_choices,
    roles_granting,
    system_roles,
)

BILLING = "tests.tenancy.sample_roles.WITH_BILLING"


class TestSystemRoles:
    @pytest.mark.parametrize(
        ("level", "keys"),
        [
            (Level.ACCOUNT, ["owner", "admin", "member"]),
            (Level.ORGANIZATION, ["owner", "admin", "member", "viewer"]),
            (Level.TEAM, ["lead", "member"]),
        ],
    )
    def test_are_listed_from_the_top(self, level, keys):
        """Each level has its own, the highest first."""
        assert [role.key for role in system_roles(level)] == keys
        assert [key for key, _ in role_choices(level)] == keys

    @pytest.mark.parametrize("level", list(Level))
    def test_higher_role_holds_what_the_lower_holds(self, level):
        """The order of ranks is one of permissions too."""
        for higher, lower in pairwise(system_roles(level)):
            assert higher.permissions >= lower.permissions
            assert higher.dominates(lower)
            assert not lower.dominates(higher)
            assert higher.dominates(higher)

    @pytest.mark.parametrize("level", list(Level))
    def test_highest_role_holds_everything(self, level):
        """No permission is out of everybody's reach."""
        assert system_roles(level)[0].permissions == {each.codename for each in registered(level=level)}

    def test_minimum_roles_exist(self):
        """Every permission, the host's too, names a role of its level as the lowest that holds it."""
        for permission in registered():
            assert (
                permission.codename in get_role(permission.minimum_role, level=permission.level).permissions
            )

    @pytest.mark.parametrize(
        ("key", "holds", "lacks"),
        [
            ("viewer", OrganizationPermission.VIEW_MEMBERS, OrganizationPermission.MANAGE_MEMBERS),
            ("member", OrganizationPermission.VIEW, OrganizationPermission.CHANGE),
            ("admin", OrganizationPermission.MANAGE_MEMBERS, OrganizationPermission.DELETE),
            ("owner", OrganizationPermission.DELETE, AccountPermission.DELETE),
        ],
    )
    def test_roles_hold_what_is_theirs(self, key, holds, lacks):
        """What each role of an organization may, and one thing that it may not."""
        permissions = get_role(key).permissions

        assert holds in permissions
        assert lacks not in permissions

    def test_permission_knows_its_roles(self):
        """The question the other way round."""
        granting = roles_granting(OrganizationPermission.CHANGE, level=Level.ORGANIZATION)

        assert set(granting) == {"owner", "admin"}
        assert roles_granting("saas_kit_tenancy.fly", level=Level.ORGANIZATION) == []


class TestGetRole:
    @pytest.mark.parametrize("key", ["", "OWNER", "lead", "owner ", None, ["owner"], {"a": 1}, 1])
    def test_unknown_key_is_refused(self, key):
        """Whatever comes in a body, what is no role's key is an unknown role."""
        with pytest.raises(UnknownRole):
            get_role(key)

    def test_level_is_part_of_the_question(self):
        """A lead is one in a team only."""
        assert get_role("lead", level=Level.TEAM).level is Level.TEAM
        assert get_role("admin", level=Level.ACCOUNT) != get_role("admin", level=Level.ORGANIZATION)

    def test_highest_of_several(self):
        """The role of the highest rank, and none of none."""
        assert highest([get_role("viewer"), get_role("admin"), get_role("member")]) == get_role("admin")
        assert highest([]) is None


class TestRolesOfTheHost:
    @pytest.fixture(autouse=True)
    def roles(self, settings):
        settings.SAAS_KIT_TENANCY_ROLES = BILLING

    def test_are_found_beside_the_kits(self):
        """The setting names the whole tuple, and is read when it is used."""
        assert get_role("clerk").label == "Clerk"
        assert [role.key for role in system_roles(Level.ORGANIZATION)][1:3] == ["admin", "clerk"]

    def test_are_gone_with_the_setting(self, settings):
        """Nothing is remembered of roles that are no longer set."""
        assert get_role("clerk")
        settings.SAAS_KIT_TENANCY_ROLES = "saas_kit.tenancy.roles.SYSTEM_ROLES"

        with pytest.raises(UnknownRole):
            get_role("clerk")
        assert len(system_roles(Level.ORGANIZATION)) == 4

    def test_hold_what_lower_ranks_hold_and_their_extras(self):
        """Between two ranks a role holds what the lower one does and what it was given."""
        clerk = get_role("clerk")

        assert clerk.permissions == get_role("member").permissions | {OrganizationPermission.MANAGE_MEMBERS}
        assert "clerk" in roles_granting(OrganizationPermission.MANAGE_MEMBERS, level=Level.ORGANIZATION)

    def test_rank_alone_does_not_dominate(self):
        """Nobody grants what they do not hold, even to a role of a lower rank."""
        clerk, member, admin = get_role("clerk"), get_role("member"), get_role("admin")
        assert clerk.dominates(member)
        assert admin.dominates(clerk)
        assert not clerk.dominates(admin)
        assert not member.dominates(clerk)

        stronger = type(clerk)(
            "seer", "Seer", Level.ORGANIZATION, 12, frozenset({OrganizationPermission.DELETE.value})
        )
        assert not admin.dominates(stronger)
        assert get_role("owner").dominates(stronger)

    def test_clerk_manages_members_and_makes_no_admin(self, make_membership):
        """The rules about rank hold for roles of the host's as well."""
        from saas_kit.tenancy.exceptions import RoleTooHigh
        from saas_kit.tenancy.services import change_role

        clerk = make_membership(role="clerk")
        member = make_membership(clerk.organization)

        assert change_role(member, "clerk", actor=clerk.user).role == "clerk"
        with pytest.raises(RoleTooHigh):
            change_role(member, "admin", actor=clerk.user)


def test_system_roles_are_values():
    """Equal roles are equal, so that they can be compared and cached."""
    assert len(set(SYSTEM_ROLES)) == len(SYSTEM_ROLES)
