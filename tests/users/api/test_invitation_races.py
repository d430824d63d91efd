"""Signing up through an invitation while somebody else does so with the same address, on connections of their own."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache

from saas_kit.auth.identity import has_verified_email
from saas_kit.auth.models import Session
from saas_kit.auth.services import erase_user, mark_verified
from saas_kit.core.exceptions import NotFound
from saas_kit.tenancy.models import Invitation, Membership
from saas_kit.tenancy.services import resend_invitation, revoke_invitation
from tests.api_fixtures import ApiClient

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

EMAIL = "grace@example.com"
PASSWORD = "correct horse battery"
ATTACKERS = "difference engine 1822"
ROUNDS = 10


def post(**body: str) -> int:
    values = {"email": EMAIL, "password": PASSWORD, **body}
    status: int = ApiClient().post("auth/register/", values).status_code
    return status


@pytest.fixture(autouse=True)
def _unlimited(settings) -> None:
    settings.SAAS_KIT_AUTH_RATE_LIMITS = dict.fromkeys(("register", "mail", "mail_network"))
    settings.SAAS_KIT_TENANCY_RATE_LIMITS = dict.fromkeys(("invitation_token", "invitations"))
    settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = "mandatory"


def forget() -> None:
    Invitation.objects.all().delete()
    Session.objects.all().delete()
    people = get_user_model()._base_manager.filter(email=EMAIL)
    Membership.objects.filter(user__in=people).delete()
    for person in people:
        person.account_memberships.all().delete()
        person.delete()


def test_one_token_is_good_once(race, make_organization, make_invitation, token_of):
    """I44, I46: of twenty sign-ups at once one is good; there is one person, one membership and one session."""
    organization = make_organization()
    token = token_of(make_invitation(organization, EMAIL))

    statuses = Counter(race(*[partial(post, invitation_token=token)] * 20))

    assert statuses[201] == 1, statuses
    assert statuses[400] + statuses[409] == 19, statuses
    person = get_user_model().objects.get(email=EMAIL)
    assert Membership.objects.filter(user=person).count() == 1
    assert Session.objects.filter(user=person).count() == 1


def test_whoever_has_the_mailbox_gets_the_account(race, make_organization, make_invitation, token_of):
    """T17, M7: somebody who registers with the address at the same moment has nothing of it, whoever is first."""
    organization = make_organization()
    for _ in range(ROUNDS):
        cache.clear()  # an address is invited only so often
        token = token_of(make_invitation(organization, EMAIL))

        outcomes = race(partial(post, invitation_token=token), partial(post, password=ATTACKERS))

        assert outcomes == [201, 201]
        person = get_user_model().objects.get(email=EMAIL)
        assert person.check_password(PASSWORD)
        assert has_verified_email(person)
        (membership,) = Membership.objects.filter(user=person, organization__deleted_at__isnull=True)
        assert membership.organization_id == organization.pk
        forget()


def test_taken_back_at_the_same_moment(race, make_organization, make_invitation, token_of, fresh):
    """I47: either the person is a member, or there is no such person; the one never waits for the other for ever."""
    organization = make_organization()
    for _ in range(ROUNDS):
        cache.clear()  # an address is invited only so often
        invitation = make_invitation(organization, EMAIL)
        token = token_of(invitation)

        status, _ = race(
            partial(post, invitation_token=token), partial(revoke_invitation, fresh(invitation), actor=None)
        )

        assert status in (201, 410)
        members = Membership.objects.filter(organization=organization, user__email=EMAIL)
        assert members.exists() == (status == 201)
        assert get_user_model().objects.filter(email=EMAIL).exists() == (status == 201)
        forget()


def test_sent_again_while_the_person_is_erased(race, make_invitation, make_user, fresh):
    """I102: the invitation is gone, whoever is first; neither fails on what the other wrote."""
    for _ in range(ROUNDS):
        cache.clear()  # an address is invited only so often
        person = make_user(EMAIL)
        mark_verified(person)
        invitation = make_invitation(email=EMAIL)

        erased, sent = race(
            partial(erase_user, person, actor=None),
            partial(resend_invitation, fresh(invitation), actor=None),
        )

        assert erased is None
        assert isinstance(sent, Invitation | NotFound), sent
        assert not Invitation.objects.exists()
