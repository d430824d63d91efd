"""Writing some fields of a row and knowing which of them changed."""

from __future__ import annotations

from datetime import timedelta

import time_machine
from django.utils import timezone

from saas_kit.core.changes import apply_changes


def test_only_what_differs_is_saved(make_organization, fresh):
    """What changed is told as before and after, and a field that nobody named is left to others."""
    organization = make_organization("Old", slug="same")
    type(organization).objects.filter(pk=organization.pk).update(status="suspended")  # by somebody else

    changes = apply_changes(organization, {"name": "New", "slug": "same"})

    assert changes == {"name": ["Old", "New"]}
    stored = fresh(organization)
    assert (stored.name, stored.slug, stored.status) == ("New", "same", "suspended")


def test_change_moves_the_time_of_change(make_organization, fresh):
    """`updated_at` goes along although nobody named it."""
    organization = make_organization()
    with time_machine.travel(timezone.now() + timedelta(days=1), tick=False):
        apply_changes(organization, {"name": "New"})
        assert fresh(organization).updated_at == timezone.now()


def test_nothing_is_written_where_nothing_differs(make_organization, django_assert_num_queries):
    """Equal values cost no statement and are no change."""
    organization = make_organization("Same", metadata={"a": [1]})

    with django_assert_num_queries(0):
        assert apply_changes(organization, {"name": "Same", "metadata": {"a": [1]}}) == {}
