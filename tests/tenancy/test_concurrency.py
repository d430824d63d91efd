"""Rules over several rows, with people who act at the same moment on connections of their own."""

from __future__ import annotations

from functools import partial
from threading import Thread

import pytest
from django.db import connections, transaction

from saas_kit.auth.services import erase_user
from saas_kit.core.exceptions import NotDeleted, SaasKitError
from saas_kit.tenancy import services
from saas_kit.tenancy.exceptions import AlreadyMember, LastOwner, SlugTaken
from saas_kit.tenancy.models import (
    Account,
    AccountMembership,
    Invitation,
    Membership,
    RemovedMember,
    get_organization_model,
)
from tests.tenancy.races import count, rounds

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

Organization = get_organization_model()


@pytest.fixture
def overtake(wait_for_a_waiter):
    """Return a function that holds a row, acts once something else waits for it, and returns what that came to."""

    def run(held, act, waiting):
        outcome = []

        def wait():
            try:
                outcome.append(waiting())
            except Exception as error:  # noqa: BLE001 - it is the outcome
                outcome.append(error)
            finally:
                connections.close_all()

        thread = Thread(target=wait, daemon=True)
        with transaction.atomic():
            type(held).objects.select_for_update().get(pk=held.pk)
            thread.start()
            wait_for_a_waiter()
            act()
        thread.join(30)
        return outcome[0]

    return run


class TestLastOwner:
    def test_two_owners_demote_each_other(self, race, make_membership, fresh):
        """I30: of two owners who demote each other at the same moment exactly one does."""
        first = make_membership(role="owner")
        second = make_membership(first.organization, role="owner")
        for _ in rounds():
            Membership.objects.filter(pk__in=[first.pk, second.pk]).update(role="owner")

            outcomes = race(
                partial(services.change_role, fresh(first), "member", actor=fresh(second.user)),
                partial(services.change_role, fresh(second), "member", actor=fresh(first.user)),
            )

            assert count(outcomes, Membership) == 1, outcomes
            assert count(outcomes, SaasKitError) == 1, outcomes
            assert Membership.objects.in_organization(first.organization).owners().count() == 1

    def test_two_owners_step_down(self, race, make_account_membership, fresh):
        """I30: of two owners of an account who step down at the same moment one stays."""
        first = make_account_membership(role="owner")
        second = make_account_membership(first.account, role="owner")
        for _ in rounds():
            AccountMembership.objects.filter(pk__in=[first.pk, second.pk]).update(role="owner")

            outcomes = race(
                *(
                    partial(services.change_account_role, fresh(each), "admin", actor=fresh(each.user))
                    for each in (first, second)
                )
            )

            assert count(outcomes, LastOwner) == 1, outcomes
            assert first.account.memberships.owners().count() == 1

    def test_two_owners_leave(self, race, make_membership, make_user, fresh):
        """I30: of two owners who leave at the same moment one cannot."""
        organization, people = make_membership().organization, [make_user(), make_user()]
        Membership.objects.owners().delete()
        for _ in range(10):
            owners = [services.add_member(organization, each, "owner", actor=None) for each in people]

            outcomes = race(
                *(partial(services.remove_member, fresh(each), actor=fresh(each.user)) for each in owners)
            )

            assert count(outcomes, LastOwner) == 1, outcomes
            assert Membership.objects.in_organization(organization).owners().count() == 1
            Membership.objects.owners().delete()

    def test_owner_who_leaves_the_service_and_one_who_steps_down(self, race, make_membership, fresh):
        """I30: whichever way owners go, one of them stays."""
        first = make_membership(role="owner")
        second = make_membership(first.organization, role="owner")
        make_membership(first.organization)

        outcomes = race(
            partial(services.end_memberships, fresh(first.user), actor=None),
            partial(services.change_role, fresh(second), "member", actor=fresh(second.user)),
        )

        assert count(outcomes, LastOwner) == 1, outcomes
        assert Membership.objects.in_organization(first.organization).owners().count() == 1

    def test_two_transfers_of_one_account(self, race, make_account_membership, fresh):
        """I31: an owner who hands the account to two people at once has handed it to one."""
        owner = make_account_membership(role="owner")
        heirs = [make_account_membership(owner.account).user for _ in range(2)]

        outcomes = race(
            *(
                partial(
                    services.transfer_account, fresh(owner.account), to=fresh(each), actor=fresh(owner.user)
                )
                for each in heirs
            )
        )

        assert count(outcomes, Account) == 1, outcomes
        assert owner.account.memberships.owners().count() == 1

    def test_role_is_read_under_the_lock(self, make_membership, fresh, overtake):
        """I30: somebody who is made the only owner while their leaving waits does not leave."""
        owner = make_membership(role="owner")
        member = make_membership(owner.organization)

        def hand_over():
            services.change_role(member, "owner", actor=None)
            services.change_role(owner, "member", actor=None)

        outcome = overtake(
            owner.organization, hand_over, partial(services.end_memberships, fresh(member.user), actor=None)
        )

        assert isinstance(outcome, LastOwner), outcome
        assert fresh(member).is_owner


class TestLeaving:
    """What ends, or is deleted, while the leaving of somebody waits for it does not stop them from leaving the rest."""

    @pytest.mark.parametrize("ends_by", ["removal", "deletion"])
    def test_of_an_organization(self, make_membership, fresh, overtake, events, ends_by):
        membership = make_membership()
        other = make_membership(user=membership.user)
        first = min(membership, other, key=lambda each: each.organization_id)
        end = {
            "removal": partial(services.remove_member, first, actor=None),
            "deletion": partial(services.delete_organization, first.organization, actor=None),
        }[ends_by]

        outcome = overtake(
            first.organization, end, partial(services.end_memberships, fresh(first.user), actor=None)
        )

        assert outcome is None
        left = Membership.objects.filter(user=first.user, organization__deleted_at__isnull=True)
        assert not left.exists()
        assert len(events("member.removed")) == (2 if ends_by == "removal" else 1)

    @pytest.mark.parametrize("ends_by", ["removal", "deletion"])
    def test_of_an_account(self, make_account_membership, fresh, overtake, events, ends_by):
        membership = make_account_membership()
        other = make_account_membership(user=membership.user)
        first = min(membership, other, key=lambda each: each.account_id)
        end = {
            "removal": partial(services.remove_account_member, first, actor=None),
            "deletion": partial(services.delete_account, first.account, actor=None),
        }[ends_by]

        outcome = overtake(
            first.account, end, partial(services.end_memberships, fresh(first.user), actor=None)
        )

        assert outcome is None
        left = AccountMembership.objects.filter(user=first.user, account__deleted_at__isnull=True)
        assert not left.exists()
        assert len(events("account_member.removed")) == (2 if ends_by == "removal" else 1)


class TestMembers:
    def test_ten_adds_make_one_member(self, race, make_organization, make_user, fresh):
        """I32: the same person added ten times at once is a member once."""
        organization, person = make_organization(), make_user()

        outcomes = race(
            *[partial(services.add_member, organization, fresh(person), "member", actor=None)] * 10
        )

        assert count(outcomes, Membership) == 1, outcomes
        assert count(outcomes, AlreadyMember) == 9
        assert Membership.objects.filter(organization=organization, user=person).count() == 1

    def test_ten_adds_make_one_member_of_the_account(self, race, make_account, make_user, fresh):
        """I32: so it is in accounts."""
        account, person = make_account(), make_user()

        outcomes = race(
            *[partial(services.add_account_member, account, fresh(person), "member", actor=None)] * 10
        )

        assert (count(outcomes, AccountMembership), count(outcomes, AlreadyMember)) == (1, 9), outcomes

    def test_member_is_removed_once(self, race, make_membership, fresh, events):
        """Who is removed twice at once is removed, and recorded, once."""
        membership = make_membership()

        outcomes = race(*[partial(services.remove_member, fresh(membership), actor=None)] * 2)

        assert count(outcomes, SaasKitError) == 1, outcomes
        assert len(events("member.removed")) == 1


class TestSlugs:
    def test_same_name_at_once_gives_each_a_slug(self, race, make_user):
        """People who call their accounts alike at the same moment all succeed."""
        people = [make_user() for _ in range(8)]

        outcomes = race(
            *(partial(services.create_account, name="Acme", owner=each, actor=None) for each in people)
        )

        assert count(outcomes, Account) == 8, outcomes
        assert len({each.slug for each in outcomes}) == 8
        assert "acme" in {each.slug for each in outcomes}

    def test_same_name_in_one_account(self, race, make_account):
        """Organizations of one account queue for it, and all succeed as well."""
        account = make_account()
        owner = account.memberships.get().user

        outcomes = race(
            *[partial(services.create_organization, account=account, name="Acme", owner=owner, actor=None)]
            * 6
        )

        assert len({each.slug for each in outcomes}) == 6, outcomes

    def test_same_slug_at_once_is_one_persons(self, race, make_user):
        """Of those who ask for one slug at the same moment one gets it."""
        people = [make_user() for _ in range(6)]

        outcomes = race(
            *(
                partial(services.create_account, name=f"Acme {n}", slug="acme", owner=each, actor=None)
                for n, each in enumerate(people)
            )
        )

        assert (count(outcomes, Account), count(outcomes, SlugTaken)) == (1, 5), outcomes
        assert Account.objects.filter(slug="acme").count() == 1

    def test_same_new_slug_at_once(self, race, make_organization):
        """Changing to it is no different."""
        organizations = [make_organization() for _ in range(4)]

        outcomes = race(
            *(
                partial(services.change_organization, each, slug="wanted", actor=None)
                for each in organizations
            )
        )

        assert (count(outcomes, Organization), count(outcomes, SlugTaken)) == (1, 3), outcomes


class TestDeletion:
    def test_restored_once(self, race, make_organization, fresh, events):
        """Who restores the same thing at the same moment as another is told that it is not deleted."""
        organization = make_organization()
        for number in range(1, 11):
            services.delete_organization(fresh(organization), actor=None)

            outcomes = race(*[partial(services.restore_organization, fresh(organization), actor=None)] * 2)

            assert (count(outcomes, Organization), count(outcomes, NotDeleted)) == (1, 1), outcomes
            assert not fresh(organization).is_deleted
            assert len(events("organization.restored")) == number

    def test_restore_and_another_with_its_slug(self, race, make_organization, fresh):
        """I97: of a restore and a creation with the same slug one succeeds."""
        organization = make_organization(slug="mine")
        account, owner = organization.account, organization.memberships.get().user
        services.delete_organization(organization, actor=None)

        outcomes = race(
            partial(services.restore_organization, fresh(organization), actor=None),
            partial(
                services.create_organization, account=account, name="x", slug="mine", owner=owner, actor=None
            ),
        )

        assert (count(outcomes, Organization), count(outcomes, SaasKitError)) == (1, 1), outcomes
        assert Organization.objects.filter(slug="mine").count() == 1

    def test_nothing_is_left_alive_below_what_is_deleted(self, race, make_account, fresh):
        """I99: an organization created while its account is deleted is deleted with it, or refused."""
        account = make_account()
        owner = account.memberships.get().user
        for _ in range(10):
            race(
                partial(services.delete_account, fresh(account), actor=None),
                *[partial(services.create_organization, account=account, name="x", owner=owner, actor=None)]
                * 2,
            )

            assert fresh(account).is_deleted
            assert not Organization.objects.filter(account=account).exists()
            services.restore_account(fresh(account), actor=None)

    def test_deleted_once(self, race, make_organization, fresh, events):
        """Who deletes the same thing at the same moment as another does not delete it again."""
        organization = make_organization()

        race(*[partial(services.delete_organization, fresh(organization), actor=None)] * 3)

        assert fresh(organization).is_deleted
        services.restore_organization(fresh(organization), actor=None)
        assert not fresh(organization).is_deleted


class TestErasure:
    """Whoever is erased while somebody who holds an organization names them."""

    @pytest.fixture(autouse=True)
    def _unlimited(self, settings):
        settings.SAAS_KIT_TENANCY_RATE_LIMITS = {"invitations": None}

    @pytest.mark.parametrize("act", ["invites", "is removed"])
    def test_waits_and_is_done(self, make_membership, fresh, overtake, act):
        """I101: neither waits for the other for ever, which the database would end by failing one of them."""
        member = make_membership(role="admin")
        organization, person = member.organization, member.user
        do = {
            "invites": partial(
                services.invite, organization, email="grace@example.com", role="member", actor=person
            ),
            "is removed": partial(services.remove_member, member, actor=None),
        }[act]

        outcome = overtake(organization, do, partial(erase_user, fresh(person), actor=None))

        assert outcome is None, outcome
        assert fresh(person).email.endswith("@erased.invalid")
        assert not Membership.objects.filter(user=person).exists()
        assert not RemovedMember.objects.filter(user=person).exists()
        assert Invitation.objects.filter(invited_by=person).exists() is (act == "invites")
