"""Who somebody at a provider is here, and what happens where that is changed."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core import mail

from saas_kit.audit.models import Event
from saas_kit.auth import services, signals
from saas_kit.auth.exceptions import AddressInUse, LastWayIn, LinkedElsewhere, NoAddress
from saas_kit.auth.models import OneTimeToken, Purpose, Session
from saas_kit.auth.providers import Identity
from tests.auth.conftest import PASSWORD
from tests.auth.social import verify_address

if apps.is_installed("allauth.socialaccount"):
    from allauth.socialaccount.models import SocialAccount

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]

ADA = Identity("corp", "Corp", "ada-1815", "ada@example.com", email_verified=True)


def sign_in(identity=ADA):
    return services.sign_in_with(identity, register=lambda data: services.create_user(**data))


def links():
    return list(SocialAccount.objects.order_by("pk").values_list("provider", "uid"))


@pytest.fixture
def heard(request):
    heard = []

    def listen(name):
        def receive(*, signal, sender, **kwargs):
            heard.append((name, kwargs["user"], kwargs["provider"], kwargs["uid"], kwargs["actor"]))

        signal = getattr(signals, name)
        signal.connect(receive, weak=False)
        request.addfinalizer(lambda: signal.disconnect(receive))

    for name in ("social_account_linked", "social_account_unlinked"):
        listen(name)
    return heard


class TestSignIn:
    def test_tells_of_the_link(self, heard, django_capture_on_commit_callbacks):
        """Once, and not again when the person comes back."""
        with django_capture_on_commit_callbacks(execute=True):
            person = sign_in()
            assert sign_in() == person

        assert heard == [("social_account_linked", person, "corp", "ada-1815", person)]
        [event] = Event.objects.filter(action="social_account.linked")
        assert (event.actor, event.target_id) == (person, str(person.pk))
        assert event.changes == {"provider": [None, "corp"]}

    def test_a_person_who_cannot_be_made_leaves_nothing(self):
        class Refused(Exception):
            pass

        def register(data):
            services.create_user(**data)
            raise Refused

        with pytest.raises(Refused):
            services.sign_in_with(ADA, register=register)

        assert not get_user_model().objects.exists()
        assert links() == []

    def test_uids_of_two_providers_are_two_people(self):
        """I67: the id of somebody is one within its provider only."""
        other = Identity("other", "Other", "ada-1815", "ada@other.example", email_verified=True)

        assert sign_in() != sign_in(other)

    def test_needs_an_address(self):
        with pytest.raises(NoAddress):
            sign_in(Identity("corp", "Corp", "ada-1815"))

    def test_an_address_that_was_given_up_leads_to_nobody(self, make_person):
        """Neither an unproved row beside somebody's present address, nor one that is no longer theirs."""
        ada = verify_address(make_person("countess@example.com"))
        EmailAddress.objects.create(user=ada, email="ada@example.com", verified=False)

        assert sign_in() != ada


class TestClaim:
    @pytest.fixture
    def make_person(self, make_person):
        """Make people who proved their address, as whoever connects a provider has to."""
        return partial(make_person, email_verified=True)

    def test_t17_every_way_in_is_worthless(self, make_person, make_signed_in):
        """T17: the password, sessions, links, factors and tokens of whoever made the account."""
        ada = make_person("ada@example.com")
        signed_in = make_signed_in(ada)
        services.link_identity(ada, Identity("corp", "Corp", "mallory"), actor=ada)
        for purpose in (Purpose.CHANGE_EMAIL, Purpose.RESET_PASSWORD, Purpose.VERIFY_EMAIL):
            services.issue_token(purpose, ada, lifetime=timedelta(hours=1))

        services.claim_unverified(ada)

        ada.refresh_from_db()
        signed_in.session.refresh_from_db()
        assert not ada.has_usable_password()
        assert not ada.check_password(PASSWORD)
        assert signed_in.session.revoked_at is not None
        assert links() == []
        assert not OneTimeToken.objects.filter(ended_at=None).exists()
        assert Event.objects.filter(action="user.claimed", target_id=str(ada.pk)).count() == 1

    def test_others_keep_theirs(self, make_person, make_signed_in):
        bob = make_signed_in()
        services.link_identity(bob.user, ADA, actor=bob.user)

        services.claim_unverified(make_person())

        assert links() == [("corp", "ada-1815")]
        assert list(Session.objects.live()) == [bob.session]


class TestLink:
    @pytest.fixture
    def make_person(self, make_person):
        """Make people who proved their address, as whoever connects a provider has to."""
        return partial(make_person, email_verified=True)

    def test_tells_its_person(self, make_person, heard, django_capture_on_commit_callbacks):
        person = make_person("bob@example.com")
        mail.outbox.clear()

        with django_capture_on_commit_callbacks(execute=True):
            first = services.link_identity(person, ADA, actor=person)
            assert services.link_identity(person, ADA, actor=person) == first

        assert heard == [("social_account_linked", person, "corp", "ada-1815", person)]
        assert [(each.to, "Corp" in each.body) for each in mail.outbox] == [(["bob@example.com"], True)]

    def test_what_is_somebody_elses_is_refused(self, make_person):
        owner = sign_in()

        with pytest.raises(LinkedElsewhere):
            services.link_identity(make_person(), ADA, actor=None)
        assert services.link_identity(owner, ADA, actor=owner)

    def test_an_address_in_use_is_none_of_its_business(self, make_person):
        """The caller has proved both: that the account is theirs, and that they are Ada there."""
        make_person("ada@example.com")
        bob = make_person("bob@example.com")

        services.link_identity(bob, ADA, actor=bob)

        assert sign_in() == bob
        with pytest.raises(AddressInUse):
            sign_in(Identity("corp", "Corp", "other", "ada@example.com"))


class TestUnlink:
    @pytest.fixture
    def make_person(self, make_person):
        """Make people who proved their address, as whoever connects a provider has to."""
        return partial(make_person, email_verified=True)

    def test_tells_of_it(self, make_person, heard, django_capture_on_commit_callbacks):
        person = make_person()
        link = services.link_identity(person, ADA, actor=person)
        heard.clear()

        with django_capture_on_commit_callbacks(execute=True):
            services.unlink_identity(link, actor=person)

        assert ("social_account_unlinked", person, "corp", "ada-1815", person) in heard
        assert [each.changes for each in Event.objects.filter(action="social_account.unlinked")] == [
            {"provider": ["corp", None]}
        ]
        assert links() == []

    def test_the_last_way_in_stays(self, make_person):
        person = make_person(password=None)
        first = services.link_identity(person, ADA, actor=person)
        with pytest.raises(LastWayIn):
            services.unlink_identity(first, actor=person)

        services.link_identity(person, Identity("other", "Other", "1"), actor=person)
        services.unlink_identity(first, actor=person)
        assert links() == [("other", "1")]
