"""Invitations that several people answer, change and take back at the same moment."""

from __future__ import annotations

from functools import partial

import pytest

from saas_kit.auth.services import change_email
from saas_kit.core.exceptions import RateLimited, SaasKitError
from saas_kit.tenancy import services
from saas_kit.tenancy.exceptions import (
    AlreadyAccepted,
    EmailMismatch,
    InvitationDeclined,
    InvitationRevoked,
    NoSeatsLeft,
)
from saas_kit.tenancy.models import Invitation, InvitationToken, Membership
from saas_kit.tenancy.services import (
    accept_invitation,
    decline_invitation,
    invite,
    resend_invitation,
    revoke_invitation,
)
from saas_kit.users.services import remove_user
from tests.tenancy.races import count, rounds

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def _unlimited(settings):
    """Let the rounds of a race be as many as they are."""
    settings.SAAS_KIT_TENANCY_RATE_LIMITS = {"invitations": None, "invitation_resend": None}


@pytest.fixture
def make_round(make_organization, make_invitation, make_user):
    """Make an invitation with the person that it is for, all in one organization."""
    organization = make_organization()

    def make():
        invitation = make_invitation(organization)
        return invitation, make_user(invitation.email, email_verified=True)

    return make


class TestAccept:
    def test_twenty_at_once_make_one_member(self, race, make_round, fresh, events):
        """I46: one accepts, for nineteen it is accepted already."""
        invitation, person = make_round()

        outcomes = race(*[partial(accept_invitation, fresh(invitation), fresh(person))] * 20)

        assert (count(outcomes, Membership), count(outcomes, AlreadyAccepted)) == (1, 19), outcomes
        assert Membership.objects.filter(user=person).count() == 1
        assert len(events("invitation.accepted")) == 1

    def test_and_revoked(self, race, make_round, fresh):
        """I47: either is before the other, and the second is told."""
        for _ in rounds():
            invitation, person = make_round()

            outcomes = race(
                partial(accept_invitation, fresh(invitation), fresh(person)),
                partial(revoke_invitation, fresh(invitation), actor=None),
            )

            joined = Membership.objects.filter(user=person).exists()
            expected = (Membership, AlreadyAccepted) if joined else (InvitationRevoked, type(None))
            assert tuple(map(type, outcomes)) == expected, outcomes
            assert fresh(invitation).status == ("accepted" if joined else "revoked")

    def test_and_declined(self, race, make_round, fresh):
        """Nobody has accepted and declined one invitation."""
        for _ in rounds():
            invitation, person = make_round()

            outcomes = race(
                partial(accept_invitation, fresh(invitation), fresh(person)),
                partial(decline_invitation, fresh(invitation), fresh(person)),
            )

            joined = Membership.objects.filter(user=person).exists()
            expected = (Membership, AlreadyAccepted) if joined else (InvitationDeclined, type(None))
            assert tuple(map(type, outcomes)) == expected, outcomes

    def test_and_sent_again(self, race, make_round, token_of, fresh):
        """I50: a token that is being replaced is good before, and gone after."""
        for _ in rounds():
            invitation, person = make_round()
            token = token_of(invitation)

            outcomes = race(
                partial(accept_invitation, token, fresh(person)),
                partial(resend_invitation, fresh(invitation), actor=None),
            )

            joined = Membership.objects.filter(user=person).exists()
            expected = (Membership, AlreadyAccepted) if joined else (InvitationRevoked, Invitation)
            assert tuple(map(type, outcomes)) == expected, outcomes

    def test_and_the_inviter_is_removed(self, race, make_membership, make_invitation, make_user, fresh):
        """I47: nobody joins on the word of somebody who was removed before."""
        organization = make_membership(role="owner").organization
        for _ in rounds():
            admin = make_membership(organization, role="admin")
            invitation = make_invitation(organization, role="admin", actor=admin.user)
            person = make_user(invitation.email, email_verified=True)

            outcomes = race(
                partial(accept_invitation, fresh(invitation), fresh(person)),
                partial(services.remove_member, fresh(admin), actor=None),
            )

            assert isinstance(outcomes[0], Membership | InvitationRevoked), outcomes
            assert outcomes[1] is None
            assert Membership.objects.filter(user=person).exists() == isinstance(outcomes[0], Membership)

    def test_and_the_organization_is_deleted(self, race, make_invitation, make_user, fresh):
        """I47: either is before the other; nobody waits for ever."""
        for _ in range(10):
            invitation = make_invitation()
            person = make_user(invitation.email, email_verified=True)

            outcomes = race(
                partial(accept_invitation, fresh(invitation), fresh(person)),
                partial(services.delete_account, fresh(invitation.organization.account), actor=None),
            )

            assert isinstance(outcomes[0], Membership | InvitationRevoked), outcomes
            assert outcomes[1] is None, outcomes

    def test_and_the_address_changes(self, race, make_round, fresh):
        """I43: whoever accepts has the address at that moment."""
        for number in rounds():
            invitation, person = make_round()

            outcomes = race(
                partial(accept_invitation, fresh(invitation), fresh(person)),
                partial(change_email, fresh(person), f"moved{number}@example.com", actor=None),
            )

            assert isinstance(outcomes[0], Membership | EmailMismatch), outcomes
            assert outcomes[1] is None, outcomes

    def test_and_the_person_leaves_the_service(self, race, make_round, fresh):
        """Nobody who has left the service is a member."""
        for _ in rounds():
            invitation, person = make_round()

            outcomes = race(
                partial(accept_invitation, fresh(invitation), fresh(person)),
                partial(remove_user, fresh(person), actor=None),
            )

            assert outcomes[1] is None, outcomes
            assert not Membership.objects.filter(user=person).exists()

    def test_and_added_by_somebody(self, race, make_round, fresh):
        """I32: however many ways somebody comes in at once, they are a member once, and one error says so."""
        for _ in rounds():
            invitation, person = make_round()

            outcomes = race(
                partial(accept_invitation, fresh(invitation), fresh(person)),
                partial(services.add_member, invitation.organization, fresh(person), "viewer", actor=None),
            )

            assert (count(outcomes, Membership), count(outcomes, SaasKitError)) == (1, 1), outcomes
            assert Membership.objects.filter(user=person).count() == 1
            assert not Invitation.objects.pending().filter(pk=invitation.pk).exists()


class TestInvite:
    def test_same_address_ten_times(self, race, make_organization, settings):
        """I50: of one address one is pending, with one good token, and it is sent again three times at most."""
        settings.SAAS_KIT_TENANCY_RATE_LIMITS = {}
        organization = make_organization()

        outcomes = race(
            *[partial(invite, organization, email="ada@example.com", role="member", actor=None)] * 10
        )

        made = [each for each in outcomes if isinstance(each, tuple)]
        assert sorted(is_new for _, is_new in made) == [False, False, False, True], outcomes
        assert count(outcomes, RateLimited) == 6
        assert Invitation.objects.get().email == "ada@example.com"
        assert InvitationToken.objects.filter(replaced_at__isnull=True).count() == 1

    def test_ten_resends(self, race, make_invitation, settings, fresh):
        """I50: exactly three of ten at once."""
        settings.SAAS_KIT_TENANCY_RATE_LIMITS = {}
        invitation = make_invitation()

        outcomes = race(*[partial(resend_invitation, fresh(invitation), actor=None)] * 10)

        assert (count(outcomes, Invitation), count(outcomes, RateLimited)) == (3, 7), outcomes


class TestSeats:
    LIMIT = "tests.tenancy.sample_seats.three"

    def test_are_not_given_twice(self, race, make_organization, settings):
        """Of ten who invite at once for two free seats two do."""
        settings.SAAS_KIT_TENANCY_SEAT_LIMIT = self.LIMIT
        organization = make_organization()

        outcomes = race(
            *(
                partial(invite, organization, email=f"p{n}@example.com", role="member", actor=None)
                for n in range(10)
            )
        )

        assert (count(outcomes, tuple), count(outcomes, NoSeatsLeft)) == (2, 8), outcomes
        assert Invitation.objects.in_organization(organization).live().count() == 2

    def test_are_shared_by_all_ways_in(
        self, race, make_organization, make_invitation, make_user, settings, fresh
    ):
        """Whoever was invited has theirs; of those who are added and invited at the same moment one finds one."""
        organization = make_organization()
        invitation = make_invitation(organization)
        person, added = make_user(invitation.email, email_verified=True), make_user()
        settings.SAAS_KIT_TENANCY_SEAT_LIMIT = self.LIMIT

        outcomes = race(
            partial(accept_invitation, fresh(invitation), fresh(person)),
            partial(services.add_member, organization, fresh(added), "member", actor=None),
            partial(invite, organization, email="late@example.com", role="member", actor=None),
        )

        assert isinstance(outcomes[0], Membership), outcomes
        assert count(outcomes, NoSeatsLeft) == 1, outcomes
        members = Membership.objects.in_organization(organization).count()
        assert members + Invitation.objects.in_organization(organization).live().count() == 3
