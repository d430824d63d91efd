"""Who may sign in with what, at what price."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import aauthenticate, authenticate
from django.contrib.auth.hashers import get_hasher
from django.contrib.auth.signals import user_login_failed

from saas_kit.auth import services
from tests.auth.conftest import PASSWORD

pytestmark = pytest.mark.django_db


@pytest.fixture
def count_hashes(monkeypatch):
    """Return a function that tells how many password hashes a call took."""
    hasher = type(get_hasher())
    calls = []
    encode = hasher.encode
    monkeypatch.setattr(
        hasher, "encode", lambda *args, **kwargs: (calls.append(1), encode(*args, **kwargs))[1]
    )

    def count(function):
        calls.clear()
        function()
        return len(calls)

    return count


@pytest.mark.parametrize("email", ["ann@example.com", "ANN@EXAMPLE.COM", " ann@example.com"])
def test_takes_the_address_in_any_case(make_person, email):
    person = make_person("Ann@Example.com")

    assert authenticate(email=email, password=PASSWORD) == person
    assert authenticate(email=email, password=PASSWORD + " ") is None
    assert authenticate(email=email, password="") is None


def test_takes_the_name_that_the_admin_asks_for(make_person):
    person = make_person("ann@example.com")

    assert authenticate(username=person.get_username(), password=PASSWORD) == person
    assert authenticate(username="nobody@example.com", password=PASSWORD) is None
    assert authenticate(password=PASSWORD) is None


def test_does_so_in_asynchronous_code_too(make_person):
    person = make_person("ann@example.com")

    assert async_to_sync(aauthenticate)(email="ann@example.com", password=PASSWORD) == person
    assert async_to_sync(aauthenticate)(email="ann@example.com", password="wrong") is None


def test_i59_every_attempt_costs_the_same(make_person, count_hashes):
    """Somebody who measures does not learn who has an account."""
    make_person("ann@example.com")
    make_person("invited@example.com", password=None)
    services.deactivate_user(make_person("gone@example.com"), actor=None)

    attempts = {
        "right": ("ann@example.com", PASSWORD),
        "wrong": ("ann@example.com", "wrong password"),
        "unknown": ("nobody@example.com", PASSWORD),
        "deactivated": ("gone@example.com", PASSWORD),
        "no password": ("invited@example.com", PASSWORD),
    }
    costs = {
        name: count_hashes(
            lambda email=email, password=password: authenticate(email=email, password=password)
        )
        for name, (email, password) in attempts.items()
    }

    assert set(costs.values()) == {1}, costs


def test_a_failure_is_djangos_signal_without_the_password(make_person):
    make_person("ann@example.com")
    told = []

    def receiver(sender, credentials, **more):
        told.append(credentials)

    user_login_failed.connect(receiver)
    try:
        authenticate(email="ann@example.com", password="wrong password")
        authenticate(email="ann@example.com", password=PASSWORD)
    finally:
        user_login_failed.disconnect(receiver)

    assert [credentials["email"] for credentials in told] == ["ann@example.com"]
    assert "wrong password" not in str(told)
