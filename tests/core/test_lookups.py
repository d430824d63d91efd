"""Queries that are compiled once find what the ORM finds."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.forms.models import model_to_dict

from saas_kit.core.lookups import CompiledLookup
from saas_kit.tenancy.models import Membership

pytestmark = pytest.mark.django_db


@pytest.fixture
def lookup() -> CompiledLookup:
    """Find a membership with its person and its organization."""
    return CompiledLookup(Membership.objects.select_related("user", "organization"))


def test_finds_the_row_with_what_it_points_to(
    lookup: CompiledLookup, make_membership: Any, django_assert_num_queries: Any
) -> None:
    """The row and the rows that it points to are those that the ORM gives, by one statement."""
    membership = make_membership(role="admin")
    make_membership()
    expected = Membership.objects.select_related("user", "organization").get(pk=membership.pk)

    with django_assert_num_queries(1):
        found = lookup.get(membership.pk)
        assert found is not None
        related = (found.user, found.organization)

    assert model_to_dict(found) == model_to_dict(expected)
    for each, other in zip(related, (expected.user, expected.organization), strict=True):
        assert type(each) is type(other)
        names = [field.attname for field in each._meta.concrete_fields]
        assert [getattr(each, name) for name in names] == [getattr(other, name) for name in names]
    assert not found._state.adding
    assert found._state.db == "default"


def test_another_key_is_another_row(lookup: CompiledLookup, make_membership: Any) -> None:
    """Nothing of one call is left for the next."""
    first, second = make_membership(), make_membership()

    assert [lookup.get(key).pk for key in (first.pk, second.pk, first.pk)] == [first.pk, second.pk, first.pk]  # type: ignore[union-attr]


def test_an_unknown_key_finds_nothing(lookup: CompiledLookup, make_membership: Any) -> None:
    """There is no error and no row."""
    make_membership()

    assert lookup.get(uuid4()) is None
