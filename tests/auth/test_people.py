"""Giving people accounts and taking them out of service."""

from __future__ import annotations

import threading
from functools import partial

import pytest
from allauth.account.models import EmailAddress
from django.contrib.auth import authenticate, get_user_model
from django.core.exceptions import FieldDoesNotExist
from django.db import connection

from saas_kit.audit.models import Event
from saas_kit.auth import services, signals
from saas_kit.auth.exceptions import EmailTaken, WeakPassword
from saas_kit.auth.identity import email_field, has_mfa, has_verified_email, username_field
from saas_kit.auth.models import Session
from saas_kit.core.exceptions import InvalidInput
from saas_kit.core.ids import uuid7
from tests.auth.conftest import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard(request):
    """What a signal told."""
    told = []

    def receiver(sender, signal, **arguments):
        told.append((sender, arguments))

    signal = getattr(signals, request.param)
    signal.connect(receiver)
    yield told
    signal.disconnect(receiver)


class TestCreateUser:
    def test_normalises_the_address_and_keeps_it_unverified(self):
        person = services.create_user(email="Ann@Example.com", password=PASSWORD)

        address = EmailAddress.objects.get(user=person)
        assert getattr(person, email_field()) == address.email == "ann@example.com"
        assert (address.primary, address.verified) == (True, False)
        assert not has_verified_email(person)
        assert not has_mfa(person)
        assert person.check_password(PASSWORD)

    def test_a_verified_address_counts_while_it_is_the_persons(self, make_person):
        person = make_person("ann@example.com")
        EmailAddress.objects.filter(user=person).update(verified=True)
        assert has_verified_email(get_user_model().objects.get(pk=person.pk))

        setattr(person, email_field(), "new@example.com")
        person.save()

        assert not has_verified_email(get_user_model().objects.get(pk=person.pk))

    @pytest.mark.parametrize(
        "again",
        [
            "ann@example.com",
            "ANN@EXAMPLE.COM",
            " Ann@Example.com",
            "\N{FULLWIDTH LATIN SMALL LETTER A}nn@example.com",
        ],
    )
    def test_i57_m7_an_address_is_taken_in_any_spelling(self, make_person, again):
        make_person("Ann@example.com")

        with pytest.raises(EmailTaken) as error:
            make_person(again)

        assert error.value.field == "email"
        assert make_person("ann+other@example.com").pk

    def test_nothing_stays_of_a_refused_one(self, make_person):
        with pytest.raises(InvalidInput):
            make_person("not an address")

        assert not get_user_model().objects.exists()
        assert not EmailAddress.objects.exists()

    @pytest.mark.parametrize(
        ("fields", "field"),
        [
            ({"email": "x@" + "y" * 300 + ".com"}, "email"),
            ({"email": "a b@example.com"}, "email"),
            ({"email": "a@" + "\ua7dc" * 60 + ".com"}, "email"),
            ({"email": "\N{LATIN SMALL LETTER DOTLESS I}@example.com"}, "email"),
        ],
    )
    def test_says_which_field_is_wrong(self, make_person, fields, field):
        with pytest.raises(InvalidInput) as error:
            make_person(**fields)

        assert error.value.field == field

    def test_without_a_password_nobody_can_sign_in(self, make_person):
        person = make_person("ann@example.com", password=None)

        assert not person.has_usable_password()
        assert authenticate(email="ann@example.com", password="") is None

    @pytest.mark.parametrize("heard", ["user_registered"], indirect=True)
    def test_is_recorded_and_told(self, make_person, heard, django_capture_on_commit_callbacks):
        with django_capture_on_commit_callbacks(execute=True):
            person = make_person()
            assert heard == []

        assert heard == [(get_user_model(), {"user": person, "actor": None})]
        event = Event.objects.get(action="user.created")
        assert (event.target_id, event.actor_id) == (str(person.pk), None)


class TestPassword:
    """I58"""

    @pytest.mark.parametrize(
        "password", ["8 chars!", "x" * 40 + "-" * 30, "Ω" * 64 + "ψ" * 64, "  spaces around  "]
    )
    def test_i58_accepts_8_to_128_characters_as_they_are(self, make_person, password):
        person = make_person(password=password)

        assert person.check_password(password)
        assert not person.check_password(password[:-1])
        assert not person.check_password(password.strip() + "x")

    @pytest.mark.parametrize(
        "password", ["7 chars", "-x" * 64 + "y", "with \x00 in it", "password", "12345678", "iloveyou1", ""]
    )
    def test_i58_refuses_short_long_common_and_nul(self, make_person, password):
        with pytest.raises(WeakPassword) as error:
            make_person(password=password)

        assert error.value.field == "password"

    @pytest.mark.parametrize("password", ["josephine@example.com", "Josephine1", "josephine"])
    def test_i58_refuses_what_is_like_the_address(self, make_person, password):
        with pytest.raises(WeakPassword):
            make_person("josephine@example.com", password)

        assert make_person("josephine@example.com", "unlike it: 42").pk


class TestUsername:
    """A user model with a username beside the address gets one."""

    pytestmark = pytest.mark.hosts("default_user")

    def test_is_the_address(self, make_person):
        assert make_person("Ann@Example.com").username == "ann@example.com"

    @pytest.mark.parametrize(
        "email", ["o'brien@example.com", "a" * 64 + "@" + ("b" * 60 + ".") * 2 + "example.com"]
    )
    def test_is_made_up_where_the_address_does_not_fit(self, make_person, email):
        person = make_person(email)

        assert person.username.startswith("user-")
        assert person.email == email

    def test_is_made_up_where_somebody_else_has_the_address_as_username(self, make_person):
        get_user_model().objects.create(username="ann@example.com", email="other@example.com")

        assert make_person("ann@example.com").username.startswith("user-")

    def test_is_what_was_given(self, make_person):
        assert make_person("ann@example.com", username="ann").username == "ann"

    def test_an_address_that_two_people_have_signs_nobody_in(self, make_person):
        person = make_person("ann@example.com")
        assert authenticate(email="ann@example.com", password=PASSWORD) == person

        get_user_model().objects.create_user("second", "ANN@example.com", PASSWORD)

        assert authenticate(email="ann@example.com", password=PASSWORD) is None
        assert authenticate(username=person.username, password=PASSWORD) == person


def test_change_user_records_what_changed(make_person):
    person = make_person()
    try:
        type(person)._meta.get_field("first_name")
        name = "first_name"
    except FieldDoesNotExist:
        name = "full_name"

    services.change_user(person, actor=person, **{name: "Ann"})
    services.change_user(person, actor=person, **{name: "Ann"})

    person.refresh_from_db()
    assert getattr(person, name) == "Ann"
    assert Event.objects.get(action="user.changed").changes == {name: ["", "Ann"]}


class TestChangeEmail:
    def test_i74_another_address_is_unverified_and_ends_sessions(self, make_person, make_signed_in):
        person, other = make_person("ann@example.com"), make_signed_in()
        make_signed_in(person)
        EmailAddress.objects.filter(user=person).update(verified=True)

        services.change_email(person, "New@Example.com", actor=None)
        services.change_email(person, "new@example.com", actor=None)

        address = EmailAddress.objects.get(user=person)
        assert (address.email, address.primary, address.verified) == ("new@example.com", True, False)
        assert authenticate(email="new@example.com", password=PASSWORD) == person
        assert authenticate(email="ann@example.com", password=PASSWORD) is None
        assert Session.objects.live().get() == other.session
        event = Event.objects.get(action="user.changed")
        assert event.changes == {email_field(): ["ann@example.com", "new@example.com"]}

    def test_one_that_was_verified_before_stays_so(self, make_person):
        person = make_person("ann@example.com")
        EmailAddress.objects.create(user=person, email="second@example.com", verified=True)

        services.change_email(person, "second@example.com", actor=None)

        address = EmailAddress.objects.get(user=person)
        assert (address.primary, address.verified) == (True, True)

    @pytest.mark.parametrize("email", ["BOB@example.com", "not an address"])
    def test_i57_one_that_cannot_be_had_changes_nothing(self, make_person, email):
        person, bob = make_person("ann@example.com"), make_person("bob@example.com")

        with pytest.raises(InvalidInput) as error:
            services.change_email(person, email, actor=None)

        assert error.value.field == "email"
        assert EmailAddress.objects.get(user=person).email == "ann@example.com"
        assert bob.pk


class TestDeactivate:
    @pytest.mark.parametrize("heard", ["user_deactivated"], indirect=True)
    def test_i74_ends_sessions_and_sign_in(
        self, make_person, make_signed_in, heard, django_capture_on_commit_callbacks
    ):
        person, admin = make_person("ann@example.com"), make_person()
        make_signed_in(person)
        other = make_signed_in()
        assert authenticate(email="ann@example.com", password=PASSWORD) == person

        with django_capture_on_commit_callbacks(execute=True):
            services.deactivate_user(person, actor=admin)

        assert authenticate(email="ann@example.com", password=PASSWORD) is None
        assert not Session.objects.of_user(person).filter(revoked_at__isnull=True).exists()
        assert Session.objects.live().get() == other.session
        assert heard == [(type(person), {"user": person, "actor": admin})]
        assert Event.objects.get(action="user.deactivated").actor_id == admin.pk

    def test_twice_is_recorded_once(self, make_person):
        person = make_person()

        services.deactivate_user(person, actor=None)
        services.deactivate_user(person, actor=None)

        assert Event.objects.filter(action="user.deactivated").count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_i57_m7_two_parallel_sign_ups_make_one_person(make_person):
    """Whatever the user model: Django's own has no constraint on the address, and usernames may differ."""
    name = username_field()
    rounds, outcomes = 10, []

    def register(number, spelling, barrier):
        try:
            barrier.wait(10)
            made_up = {name: f"user{uuid7()}"} if name else {}
            make_person(spelling.format(number), **made_up)
            outcomes.append((number, "made"))
        except EmailTaken:
            outcomes.append((number, "taken"))
        finally:
            connection.close()

    for number in range(rounds):
        barrier = threading.Barrier(4)
        spellings = ["race{}@example.com", "RACE{}@example.com", "Race{}@Example.com", "race{}@EXAMPLE.com"]
        threads = [threading.Thread(target=register, args=(number, each, barrier)) for each in spellings]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert get_user_model().objects.count() == rounds
    assert sorted(outcomes) == sorted(
        [(n, "made") for n in range(rounds)] + [(n, "taken") for n in range(rounds)] * 3
    )


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_i57_of_those_who_take_one_address_at_once_one_has_it(make_person, race):
    """Whatever the user model, the others are told that it is taken."""
    people = [make_person() for _ in range(4)]
    for number in range(5):
        email = f"race{number}@example.com"

        outcomes = race(*(partial(services.change_email, each, email, actor=None) for each in people))

        assert [type(each) for each in outcomes if each is not None] == [EmailTaken] * 3, outcomes
        assert EmailAddress.objects.filter(email=email).count() == 1
