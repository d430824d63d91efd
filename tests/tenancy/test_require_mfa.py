"""Organizations that require a second factor: what their members may do without one, asked in code."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import AnonymousUser
from django.test import RequestFactory
from django.urls import reverse

from saas_kit.core import context, second_factor
from saas_kit.core.exceptions import NotFound
from saas_kit.core.permissions import has_permission
from saas_kit.teams.models import Team
from saas_kit.teams.permissions import TeamPermission
from saas_kit.tenancy import scope
from saas_kit.tenancy.access import as_if_enrolled, get_access
from saas_kit.tenancy.exceptions import MfaEnrollmentRequired, MfaUnknown, OwnMfaRequired
from saas_kit.tenancy.models import Membership, get_organization_model
from saas_kit.tenancy.permissions import AccountPermission, OrganizationPermission
from saas_kit.tenancy.resolvers import resolve_organization
from saas_kit.tenancy.services import (
    add_account_member,
    change_organization,
    create_organization,
    delete_organization,
    restore_organization,
)

pytestmark = pytest.mark.django_db

Organization = get_organization_model()
VIEW, DELETE = OrganizationPermission.VIEW, OrganizationPermission.DELETE


@pytest.fixture(autouse=True)
def _own_context() -> Iterator[None]:
    with context.fresh_context():
        context.scope.set(context.Scope(None, "a test of what people may do"))
        yield


@pytest.fixture(autouse=True)
def _told_by_the_host(settings: Any) -> None:
    """Whose address begins with "key-" has a second factor, whatever sign-in the host has."""
    settings.SAAS_KIT_TENANCY_SECOND_FACTOR = "tests.tenancy.sample_second_factor.has_key"


@pytest.fixture
def strict(make_organization: Callable[..., Any]) -> Any:
    """An organization that requires a second factor."""
    return make_organization("Strict", require_mfa=True)


@pytest.fixture
def without(make_membership: Callable[..., Any], make_user: Callable[..., Any], strict: Any) -> Any:
    """An owner of it who has no second factor."""
    return make_membership(strict, user=make_user("ada@example.com"), role="owner").user


@pytest.fixture
def enrolled(make_membership: Callable[..., Any], make_user: Callable[..., Any], strict: Any) -> Any:
    """An owner of it who has one."""
    return make_membership(strict, user=make_user("key-ada@example.com"), role="owner").user


class TestAccess:
    def test_closed_until_there_is_a_second_factor(
        self, strict: Any, without: Any, enrolled: Any, fresh: Any
    ) -> None:
        """nothing is granted, and nothing is in reach, without one; with one all is as the role says."""
        assert not has_permission(fresh(without), VIEW, strict)
        assert not Organization.objects.visible_to(fresh(without)).exists()
        assert not Membership.objects.visible_to(fresh(without)).exists()
        assert get_access(fresh(without)).organization_ids == frozenset()
        assert get_access(fresh(without)).closed_ids == {strict.pk}

        assert has_permission(fresh(enrolled), DELETE, strict)
        assert Organization.objects.visible_to(fresh(enrolled)).get() == strict
        assert Membership.objects.visible_to(fresh(enrolled)).count() == 3
        assert get_access(fresh(enrolled)).organization_ids == {strict.pk}
        assert get_access(fresh(enrolled)).closed_ids == frozenset()

    def test_known_all_the_same(self, strict: Any, without: Any, make_user: Any, fresh: Any) -> None:
        """Who is in it can learn that it is there, and strangers cannot."""
        assert Organization.objects.known_to(fresh(without)).get() == strict
        assert Organization.objects.known_to(fresh(without), VIEW).get() == strict
        assert not Organization.objects.known_to(make_user()).exists()

    def test_other_organizations_stay_open(
        self, without: Any, make_membership: Any, strict: Any, fresh: Any
    ) -> None:
        """What one requires is nothing to another."""
        lax = make_membership(user=without, role="admin").organization

        assert get_access(fresh(without)).organization_ids == {lax.pk}
        assert has_permission(fresh(without), OrganizationPermission.CHANGE, lax)
        assert not has_permission(fresh(without), OrganizationPermission.CHANGE, strict)
        assert Organization.objects.visible_to(fresh(without)).get() == lax

    @pytest.mark.parametrize("role", ["owner", "admin"])
    def test_role_in_the_account_does_not_open_it(
        self, strict: Any, make_user: Any, role: str, fresh: Any
    ) -> None:
        """whoever comes through the account needs a second factor as well; the account itself is open."""
        plain, keyed = make_user("bob@example.com"), make_user("key-bob@example.com")
        for person in (plain, keyed):
            add_account_member(strict.account, person, role, actor=None)

        assert not has_permission(fresh(plain), VIEW, strict)
        assert get_access(fresh(plain)).closed_ids == {strict.pk}
        assert has_permission(fresh(plain), AccountPermission.VIEW, strict.account)
        assert has_permission(fresh(keyed), VIEW, strict)

    def test_platform_staff_need_one_too(
        self, strict: Any, make_organization: Any, make_user: Any, settings: Any, fresh: Any
    ) -> None:
        """staff access does not open it either."""
        settings.SAAS_KIT_TENANCY_STAFF_ACCESS = True
        lax = make_organization()
        plain = make_user("root@example.com", superuser=True)
        keyed = make_user("key-root@example.com", superuser=True)

        assert not has_permission(fresh(plain), VIEW, strict)
        assert context.staff_access.get() is False
        assert has_permission(fresh(plain), VIEW, lax)
        assert set(Organization.objects.visible_to(fresh(plain))) == {lax}
        assert set(Organization.objects.known_to(fresh(plain))) == {lax, strict}
        assert has_permission(fresh(keyed), VIEW, strict)
        assert set(Organization.objects.visible_to(fresh(keyed))) == {lax, strict}

    def test_lead_of_a_team_needs_one_too(
        self, strict: Any, make_team: Any, make_team_membership: Any, make_user: Any, fresh: Any
    ) -> None:
        """a role in a team does not go round it."""
        team = make_team(organization=strict)
        plain, keyed = (
            make_team_membership(team, user=make_user(f"{name}@example.com"), role="lead").membership.user
            for name in ("lead", "key-lead")
        )

        assert not has_permission(fresh(plain), TeamPermission.MANAGE_MEMBERS, team)
        assert not Team.objects.visible_to(fresh(plain)).exists()
        assert has_permission(fresh(keyed), TeamPermission.MANAGE_MEMBERS, team)
        assert Team.objects.visible_to(fresh(keyed)).get() == team

    def test_costs_no_statement_more(
        self, strict: Any, without: Any, fresh: Any, django_assert_num_queries: Any
    ) -> None:
        """A caller's access is read by one statement, with what their organizations require."""
        person = fresh(without)

        with django_assert_num_queries(1):
            get_access(person)
            has_permission(person, VIEW, strict)

    def test_as_if_enrolled_ends_with_its_block(self, strict: Any, without: Any, fresh: Any) -> None:
        """What is found that way is found in the block alone, also where it fails."""
        person = fresh(without)

        def look() -> None:
            with as_if_enrolled(person):
                assert Organization.objects.visible_to(person).get() == strict
                raise NotFound

        with pytest.raises(NotFound):
            look()

        assert not Organization.objects.visible_to(person).exists()
        with as_if_enrolled(AnonymousUser()):
            assert get_access(AnonymousUser()).organization_ids == frozenset()

    def test_code_without_a_person_is_not_held(self, strict: Any, make_team: Any) -> None:
        """A scope in code and services of the system are nobody's requests."""
        team = make_team(organization=strict)

        with scope(strict):
            assert Team.objects.get() == team
        change_organization(strict, name="Stricter", actor=None)
        delete_organization(strict, actor=None)
        restore_organization(strict, actor=None)


class TestResolvers:
    def _named(self, organization: Any) -> Any:
        return RequestFactory().get("/", headers={"X-Organization": organization.slug})

    def test_refused_to_members_and_unknown_to_strangers(
        self, strict: Any, without: Any, enrolled: Any, make_user: Any, fresh: Any
    ) -> None:
        """whoever names it is told what they lack only if they are in it."""
        with pytest.raises(MfaEnrollmentRequired):
            resolve_organization(self._named(strict), fresh(without))
        with pytest.raises(NotFound):
            resolve_organization(self._named(strict), make_user())
        assert resolve_organization(self._named(strict), fresh(enrolled)) == strict


class TestTurningOn:
    def test_only_by_somebody_who_has_one(
        self, make_membership: Any, make_user: Any, fresh: Any, events: Any
    ) -> None:
        """Nobody locks themselves out; what is turned on is on record."""
        membership = make_membership(role="owner")
        organization = membership.organization
        with pytest.raises(OwnMfaRequired):
            change_organization(organization, require_mfa=True, actor=membership.user)
        assert fresh(organization).require_mfa is False
        assert events("organization.changed") == []

        keyed = make_membership(organization, user=make_user("key-eve@example.com"), role="owner").user
        changed = change_organization(organization, require_mfa=True, actor=keyed)

        assert changed.require_mfa is fresh(organization).require_mfa is True
        [event] = events("organization.changed")
        assert event.changes == {"require_mfa": [False, True]}

    def test_created_with_it(self, make_account: Any, make_user: Any, fresh: Any) -> None:
        """The same holds for a new organization, and nothing is left of what was refused."""
        account, plain, keyed = make_account(), make_user("a@example.com"), make_user("key-b@example.com")
        with pytest.raises(OwnMfaRequired):
            create_organization(account=account, name="New", owner=plain, require_mfa=True, actor=plain)
        assert not account.organizations.exists()

        made = create_organization(account=account, name="New", owner=keyed, require_mfa=True, actor=keyed)

        assert fresh(made).require_mfa is True

    def test_what_is_on_can_be_sent_again_and_turned_off(self, strict: Any, without: Any, fresh: Any) -> None:
        """Only turning it on asks for something: an admin of the platform can get people out of a lock."""
        change_organization(strict, require_mfa=True, name="Other", actor=without)
        assert fresh(strict).name == "Other"

        change_organization(strict, require_mfa=False, actor=without)

        assert has_permission(fresh(without), VIEW, fresh(strict))


class TestWhoTells:
    @pytest.fixture
    def nobody_tells(self, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """A host without the kit's sign-in that names no function."""
        settings.SAAS_KIT_TENANCY_SECOND_FACTOR = ""
        monkeypatch.setattr(second_factor, "_known", [])

    def test_everybody_is_refused_where_nobody_tells(
        self, strict: Any, enrolled: Any, nobody_tells: None, fresh: Any
    ) -> None:
        """what is not known is not there; it fails closed."""
        assert not has_permission(fresh(enrolled), VIEW, strict)
        assert get_access(fresh(enrolled)).closed_ids == {strict.pk}

    def test_nobody_can_require_it_where_nobody_tells(
        self, make_organization: Any, nobody_tells: None, fresh: Any
    ) -> None:
        """It would close the organization to all, so the system cannot either."""
        organization = make_organization()
        with pytest.raises(MfaUnknown):
            change_organization(organization, require_mfa=True, actor=None)
        with pytest.raises(MfaUnknown):
            make_organization(require_mfa=True)
        assert fresh(organization).require_mfa is False

    @pytest.mark.skipif(not apps.is_installed("allauth.mfa"), reason="without allauth.mfa nobody has one")
    def test_kit_tells_where_the_host_names_nothing(
        self, strict: Any, without: Any, settings: Any, fresh: Any
    ) -> None:
        """What people have set up through the kit's sign-in counts."""
        from allauth.mfa.models import Authenticator

        settings.SAAS_KIT_TENANCY_SECOND_FACTOR = ""
        assert not has_permission(fresh(without), VIEW, strict)

        Authenticator.objects.create(user=without, type=Authenticator.Type.TOTP, data={})

        assert has_permission(fresh(without), VIEW, strict)


@pytest.mark.hosts("full", "default_user", "custom_organization")
class TestAdmin:
    def _save(self, admin_client: Any, organization: Any, **values: Any) -> Any:
        options = Organization._meta
        address = reverse(f"admin:{options.app_label}_{options.model_name}_change", args=[organization.pk])
        data = {"name": organization.name, "slug": organization.slug, "metadata": "{}", "vat_id": ""}
        data |= {"memberships-TOTAL_FORMS": "0", "memberships-INITIAL_FORMS": "0", **values}
        return admin_client.post(address, data, follow=True)

    def test_shown_turned_off_and_not_on_without_one(
        self, admin_client: Any, strict: Any, fresh: Any
    ) -> None:
        """Staff can open what nobody can enter any more, and are told why they cannot close it."""
        self._save(admin_client, strict)
        assert fresh(strict).require_mfa is False

        answer = self._save(admin_client, strict, require_mfa="on")

        assert fresh(strict).require_mfa is False
        assert str(OwnMfaRequired.message) in answer.content.decode()
