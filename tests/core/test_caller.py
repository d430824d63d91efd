"""One statement that loads all that decisions need to know of a caller."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db.models import CharField, Value

from saas_kit.core import caller
from saas_kit.tenancy.models import Membership


@pytest.fixture
def parts(monkeypatch):
    """Registered by the test, beside those of the kit."""
    monkeypatch.setattr(caller, "_parts", dict(caller._parts))


def _load(user: Any) -> Any:
    """Load a person as authentication does: with every part in the same statement."""
    row = caller.annotate_parts(get_user_model()._default_manager.filter(pk=user.pk)).get()
    caller.take_parts(row, row)
    return row


def test_all_parts_come_with_one_statement(make_membership, parts, django_assert_num_queries):
    """Whatever the apps contribute, it is the statement that loads the person anyway."""
    membership = make_membership(role="viewer")
    caller.register_part(
        "roles",
        lambda user: caller.JSONRows(Membership.objects.filter(user=user), "role", "organization_id"),
        reads={Membership: ("user",)},
    )

    with django_assert_num_queries(1):
        person = _load(membership.user)
        [[role, organization]] = caller.get_part(person, "roles")
        caller.get_part(person, "memberships")
        caller.get_part(person, "accounts")

    assert role == "viewer"
    assert organization.replace("-", "") == membership.organization_id.hex


def test_part_of_somebody_without_rows_is_empty(make_user, parts):
    """No rows are an empty list, not nothing."""
    caller.register_part(
        "roles",
        lambda user: caller.JSONRows(Membership.objects.filter(user=user), "role"),
        reads={Membership: ("user",)},
    )

    assert caller.get_part(_load(make_user()), "roles") == []


def test_parts_are_of_the_person_alone(make_membership):
    """The rows of others are not loaded."""
    own, other = make_membership(role="viewer"), make_membership(role="admin")

    assert [role for _, role, *_ in caller.get_part(_load(own.user), "memberships")] == ["viewer"]
    assert [role for _, role, *_ in caller.get_part(_load(other.user), "memberships")] == ["admin"]


def test_many_rows_and_odd_text_arrive_whole(make_organization, make_user, parts):
    """Quotes, backslashes and characters of all planes are the same after the trip through JSON."""
    text = 'a"b\\c/d\n\u2028é漢😀'
    make_organization()
    person = make_user()
    for _ in range(30):
        make_organization(owner=person)
    caller.register_part(
        "odd",
        lambda user: caller.JSONRows(
            Membership.objects.filter(user=user).annotate(text=Value(text), none=Value(None, CharField())),
            "text",
            "none",
        ),
        reads={Membership: ("user",)},
    )

    assert caller.get_part(_load(person), "odd") == [[text, None]] * 30


def test_without_the_statement_one_of_its_own_is_run_once(make_membership, django_assert_num_queries):
    """A person who came another way (the admin, a task) costs one statement for all parts."""
    person = make_membership().user
    person = get_user_model()._default_manager.get(pk=person.pk)

    with django_assert_num_queries(1):
        caller.get_part(person, "memberships")
        caller.get_part(person, "accounts")


def test_forgotten_parts_are_read_anew(make_membership, make_organization):
    """After `forget_parts()` the next question sees what changed meanwhile."""
    person = _load(make_membership().user)
    assert len(caller.get_part(person, "memberships")) == 1
    make_organization(owner=get_user_model()._default_manager.get(pk=person.pk))
    assert len(caller.get_part(person, "memberships")) == 1

    caller.forget_parts(person)

    assert len(caller.get_part(person, "memberships")) == 2


def test_somebody_who_is_gone_has_nothing(make_user):
    """A person whose row was removed meanwhile has no parts."""
    person = make_user()
    gone = get_user_model()._default_manager.get(pk=person.pk)
    get_user_model()._base_manager.filter(pk=person.pk).delete()

    assert caller.get_part(gone, "memberships") == []
