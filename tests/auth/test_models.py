"""The kit's user model."""

from __future__ import annotations

import pytest
from django.core.exceptions import ValidationError
from django.core.management import call_command
from django.db import IntegrityError, transaction

from saas_kit.auth.models import User

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "models_only")]


class TestAddress:
    def test_i57_m7_is_unique_in_any_case(self):
        User.objects.create_user("ann@example.com")

        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.create_user("ANN@Example.com")

        assert User.objects.create_user("anna@example.com").email == "anna@example.com"

    def test_i57_cannot_be_stored_in_another_form_past_the_model(self):
        person = User.objects.create_user("ann@example.com")

        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.filter(pk=person.pk).update(email="ANN@example.com")
        with pytest.raises(IntegrityError), transaction.atomic():
            User.objects.bulk_create([User(email="Bob@example.com")])

    def test_a_taken_one_is_a_validation_error_with_a_message(self):
        User.objects.create_user("ann@example.com", "long enough password")
        double = User(email="Ann@Example.com", password="x")

        with pytest.raises(ValidationError) as error:
            double.full_clean()

        assert "There is an account with this address already." in error.value.messages

    def test_is_found_in_any_case(self):
        person = User.objects.create_user("Ann@Example.com")

        assert User.objects.get_by_natural_key("ANN@EXAMPLE.COM") == person
        with pytest.raises(User.DoesNotExist):
            User.objects.get_by_natural_key("anna@example.com")

    def test_a_person_needs_one(self):
        with pytest.raises(ValueError, match="needs an e-mail address"):
            User.objects.create_user("")


def test_createsuperuser_makes_one(monkeypatch):
    monkeypatch.setenv("DJANGO_SUPERUSER_PASSWORD", "a long password")

    call_command("createsuperuser", email="Root@example.com", interactive=False, verbosity=0)

    person = User.objects.get(email="root@example.com")
    assert person.is_superuser
    assert person.is_staff
    assert person.check_password("a long password")


def test_names_of_a_person():
    person = User(email="ann@example.com", first_name="Ann", last_name="Lee")

    assert (str(person), person.get_full_name(), person.get_short_name()) == (
        "ann@example.com",
        "Ann Lee",
        "Ann",
    )
