"""What a person may do: loaded once, asked many times, and always the same answer whichever way it is asked."""

from __future__ import annotations

from itertools import product

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import AnonymousUser

from saas_kit.core import context
from saas_kit.core.permissions import Level, has_permission, registered
from saas_kit.tenancy import services
from saas_kit.tenancy.access import forget_access, get_access
from saas_kit.tenancy.models import Account, Membership, get_organization_model
from saas_kit.tenancy.permissions import AccountPermission, OrganizationPermission

Organization = get_organization_model()
VIEW, CHANGE, DELETE = (
    OrganizationPermission.VIEW,
    OrganizationPermission.CHANGE,
    OrganizationPermission.DELETE,
)


@pytest.fixture(autouse=True)
def own_context():
    """Nothing that a test learns of staff access reaches the next."""
    with context.fresh_context():
        yield


class TestOneStatement:
    def test_first_question_costs_one_and_the_rest_none(
        self, make_membership, make_account_membership, make_organization, fresh, django_assert_num_queries
    ):
        """Whatever is asked of whichever organization, a caller's access is read once."""
        user = make_membership(role="admin").user
        own = make_account_membership(user=user, role="owner").account
        places = [make_organization(account=own) for _ in range(5)] + list(Organization.objects.all())
        account = fresh(own)
        user = fresh(user)

        with django_assert_num_queries(1):
            for place, permission in product([*places, account], registered()):
                has_permission(user, permission.codename, place)

    def test_row_that_belongs_to_an_organization_is_decided_by_it(self, make_membership, make_team, fresh):
        """What a role in the organization grants on its rows is granted on each of them."""
        membership = make_membership(role="viewer")
        team = make_team(organization=membership.organization)
        user = fresh(membership.user)

        assert has_permission(user, "saas_kit_teams.view_team", team)
        assert not has_permission(user, "saas_kit_teams.delete_team", team)

    def test_instance_remembers_and_the_next_one_does_not(self, make_membership, fresh):
        """I27: a role acts on the next request, whose user is read anew."""
        membership = make_membership(role="admin")
        user = fresh(membership.user)
        assert has_permission(user, CHANGE, membership.organization)

        services.change_role(membership, "viewer", actor=None)

        assert has_permission(user, CHANGE, membership.organization)
        assert not has_permission(fresh(user), CHANGE, membership.organization)
        assert has_permission(fresh(user), VIEW, membership.organization)

    def test_removed_member_reaches_nothing(self, make_membership, fresh):
        """I28: nothing is left on the next request."""
        membership = make_membership(role="admin")
        assert has_permission(fresh(membership.user), VIEW, membership.organization)

        services.remove_member(membership, actor=None)

        assert not has_permission(fresh(membership.user), VIEW, membership.organization)
        assert not Organization.objects.visible_to(fresh(membership.user)).exists()

    def test_forgotten_access_is_read_anew(self, make_membership, fresh):
        """A service that changed the roles of its actor lets go of what was known."""
        membership = make_membership(role="viewer")
        user = fresh(membership.user)
        assert not has_permission(user, CHANGE, membership.organization)
        services.change_role(membership, "admin", actor=None)

        forget_access(user)

        assert has_permission(user, CHANGE, membership.organization)

    def test_creator_knows_of_the_role_at_once(self, make_user, fresh):
        """The one who creates an organization may use it in the same request."""
        person = fresh(make_user())
        assert not get_access(person).accounts

        account = services.create_account(name="New", owner=person, actor=person)
        organization = services.create_organization(account=account, name="New", owner=person, actor=person)

        assert has_permission(person, AccountPermission.DELETE, account)
        assert has_permission(person, DELETE, organization)


class TestWho:
    def test_nobody_has_nothing(self, make_organization):
        """Somebody who is not signed in has no role."""
        assert get_access(AnonymousUser()).organizations == {}
        assert not has_permission(AnonymousUser(), VIEW, make_organization())

    def test_somebody_inactive_has_nothing(self, make_membership, fresh):
        """The same person, deactivated, has no role; active again, they have it again."""
        membership = make_membership(role="owner")
        user = fresh(membership.user)
        user.is_active = False
        assert get_access(user).organizations == {}
        assert not has_permission(user, VIEW, membership.organization)

        assert has_permission(fresh(user), VIEW, membership.organization)

    def test_stranger_has_nothing(self, make_organization, make_membership):
        """A role in one organization is none in another, in the same account either."""
        membership = make_membership(role="admin")
        neighbour = make_organization(account=membership.organization.account)

        assert has_permission(membership.user, CHANGE, membership.organization)
        assert not has_permission(membership.user, VIEW, neighbour)
        assert not has_permission(membership.user, VIEW, make_organization())
        assert not has_permission(membership.user, AccountPermission.VIEW, neighbour.account)

    @pytest.mark.parametrize(("role", "reaches"), [("owner", True), ("admin", True), ("member", False)])
    def test_role_in_the_account_reaches_into_its_organizations(
        self, make_organization, make_account_membership, role, reaches
    ):
        """Owners and admins of an account are that in each of its organizations, members are not."""
        organization = make_organization()
        user = make_account_membership(organization.account, role=role).user

        assert has_permission(user, CHANGE, organization) is reaches
        assert has_permission(user, DELETE, organization) is (role == "owner")
        assert Organization.objects.visible_to(user).contains(organization) is reaches

    def test_higher_of_two_roles_counts(self, make_organization, make_account_membership, make_membership):
        """Who is both has the higher role, whichever it is."""
        organization = make_organization()
        user = make_account_membership(organization.account, role="admin").user
        make_membership(organization, user=user, role="viewer")
        assert get_access(user).role_in(organization).key == "admin"

        other = make_organization()
        make_membership(other, user=user, role="owner")
        forget_access(user)
        assert get_access(user).role_in(other).key == "owner"

    def test_is_staff_alone_is_nothing(self, make_organization, make_user, settings):
        """I35: the flag for the admin site gives no access to anybody's organization."""
        settings.SAAS_KIT_TENANCY_STAFF_ACCESS = True
        person = make_user(is_staff=True)

        assert not has_permission(person, VIEW, make_organization())
        assert not Organization.objects.visible_to(person).exists()

    def test_superuser_needs_the_setting(self, make_organization, make_user, settings, fresh):
        """I35: platform staff act in other people's organizations only where the host turned that on."""
        organization, person = make_organization(), make_user(superuser=True)
        assert not has_permission(fresh(person), VIEW, organization)
        assert not Organization.objects.visible_to(fresh(person)).exists()
        assert not Account.objects.visible_to(fresh(person)).exists()
        assert context.staff_access.get() is False

        settings.SAAS_KIT_TENANCY_STAFF_ACCESS = True

        assert has_permission(fresh(person), DELETE, organization)
        assert context.staff_access.get() is True
        assert Organization.objects.visible_to(fresh(person)).contains(organization)
        assert Account.objects.visible_to(fresh(person)).contains(organization.account)

    def test_own_role_of_a_superuser_is_not_staff_access(self, make_membership, make_user, settings, fresh):
        """I35: what a role grants anyway is not marked as an act of platform staff."""
        settings.SAAS_KIT_TENANCY_STAFF_ACCESS = True
        membership = make_membership(user=make_user(superuser=True), role="admin")

        assert has_permission(fresh(membership.user), CHANGE, membership.organization)
        assert context.staff_access.get() is False
        assert has_permission(fresh(membership.user), DELETE, membership.organization)
        assert context.staff_access.get() is True

    def test_djangos_has_perm_answers_alike(self, make_membership, fresh):
        """`user.has_perm(permission, organization)` is the way that hosts ask."""
        membership = make_membership(role="admin")
        user = fresh(membership.user)

        assert user.has_perm(CHANGE, membership.organization)
        assert not user.has_perm(DELETE, membership.organization)
        assert not user.has_perm(CHANGE)

    @pytest.mark.parametrize("thing", [None, object(), "organization"])
    def test_things_outside_are_not_granted(self, make_membership, thing):
        """What belongs to no organization is for other back ends to decide."""
        assert not has_permission(make_membership(role="owner").user, VIEW, thing)

    def test_role_that_the_host_removed_grants_nothing(self, make_membership, fresh, settings):
        """A membership with a role that no longer exists is as none."""
        membership = make_membership(role="viewer")
        assert has_permission(fresh(membership.user), VIEW, membership.organization)

        settings.SAAS_KIT_TENANCY_ROLES = "tests.tenancy.sample_roles.WITHOUT_VIEWER"

        assert not has_permission(fresh(membership.user), VIEW, membership.organization)
        assert get_access(fresh(membership.user)).role_in(membership.organization) is None


class TestVisibleTo:
    """What a list shows is what `has_permission()` grants, row by row."""

    @pytest.fixture
    def people(self, settings, make_organization, make_membership, make_account_membership, make_user):
        """Somebody for each pair of a role in the account and a role in an organization, over three accounts."""
        settings.SAAS_KIT_TENANCY_ROLES = "tests.tenancy.sample_roles.WITH_BILLING"
        organizations = [make_organization() for _ in range(2)]
        organizations.append(make_organization(account=organizations[0].account))
        people = [make_user(), make_user(superuser=True)]
        for account_role, role in product(
            [None, "member", "auditor", "admin", "owner"], [None, "viewer", "clerk", "admin", "owner"]
        ):
            person = make_user()
            if account_role:
                make_account_membership(organizations[0].account, user=person, role=account_role)
            if role:
                make_membership(organizations[1], user=person, role=role)
                make_membership(organizations[2], user=person, role="viewer")
            people.append(person)
        return people

    @pytest.mark.parametrize("staff_access", [False, True])
    def test_organizations_and_members(self, people, staff_access, settings, fresh):
        """I2: nobody's list has an organization, or a member of one, that they may not see, nor lacks one."""
        settings.SAAS_KIT_TENANCY_STAFF_ACCESS = staff_access
        everything = list(Organization.objects.all())
        permissions = [each.codename for each in registered(level=Level.ORGANIZATION)]
        for person, permission in product(map(fresh, people), permissions):
            expected = {each for each in everything if has_permission(person, permission, each)}
            assert set(Organization.objects.visible_to(person, permission)) == expected
            members = Membership.objects.visible_to(person, permission)
            assert {each.organization_id for each in members} == {each.pk for each in expected}

    def test_without_a_permission_any_role_does(self, people, fresh):
        """Some role is enough where none in particular is asked for."""
        for person in map(fresh, people):
            expected = {
                each for each in Organization.objects.all() if get_access(person).role_in(each) is not None
            }
            assert set(Organization.objects.visible_to(person)) == expected

    def test_accounts(self, people, fresh):
        """The same holds for accounts."""
        everything = list(Account.objects.all())
        permissions = [each.codename for each in registered(level=Level.ACCOUNT)]
        for person, permission in product(map(fresh, people), permissions):
            expected = {each for each in everything if has_permission(person, permission, each)}
            assert set(Account.objects.visible_to(person, permission)) == expected

    def test_deleted_organizations_are_in_no_list(self, make_membership, fresh):
        """I100: to its members a deleted organization is not there, and what it owns neither."""
        membership = make_membership(role="owner")
        assert Membership.objects.visible_to(fresh(membership.user)).exists()

        services.delete_organization(membership.organization, actor=None)

        person = fresh(membership.user)
        assert not Organization.objects.visible_to(person).exists()
        assert not Membership.objects.visible_to(person).exists()

    def test_statements_do_not_grow_with_the_organizations(
        self, make_user, make_organization, fresh, django_assert_num_queries
    ):
        """Lists join memberships; ids are not passed along, whatever their number."""
        person = make_user()
        for _ in range(30):
            make_organization(owner=person)

        queryset = Organization.objects.visible_to(fresh(person), VIEW)

        assert len(str(queryset.query)) < 2500
        with django_assert_num_queries(1):
            assert len(queryset) == 30


def test_query_sets_chain(make_membership, make_organization):
    """The reads are adjectives and prepositions that go together."""
    owner = make_membership(role="owner")
    make_membership(owner.organization)
    members = Membership.objects.in_organization(owner.organization)

    assert list(members.owners()) == [owner]
    assert list(Organization.objects.in_account(owner.organization.account).alive()) == [owner.organization]
    assert owner.organization.account.memberships.owners().count() == 1
    assert get_user_model().objects.filter(memberships__in=members.owners()).get() == owner.user
