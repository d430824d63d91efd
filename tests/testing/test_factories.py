"""Rows are made from what fields say of themselves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.core.validators import MaxValueValidator, MinValueValidator, RegexValidator
from django.db import models
from django.test.utils import isolate_apps

from saas_kit.tenancy import scope
from saas_kit.testing.isolation.factories import CannotMake, canary, inferred_values, make_row


@pytest.fixture
def everything() -> Any:
    """A model with a field of every usual type."""
    with isolate_apps("tests"):

        class Everything(models.Model):  # noqa: DJ008 - nobody prints it
            key = models.BigAutoField(primary_key=True)
            title = models.CharField(max_length=40)
            short = models.CharField(max_length=6)
            note = models.TextField(blank=True, default="")
            email = models.EmailField()
            page = models.URLField()
            kind = models.CharField(max_length=8, choices=[("a", "A"), ("b", "B")])
            state = models.CharField(max_length=8, choices=[("on", "On")], default="on")
            size = models.IntegerField(validators=[MinValueValidator(10), MaxValueValidator(10)])
            price = models.DecimalField(max_digits=6, decimal_places=2)
            ratio = models.FloatField()
            due_on = models.DateField()
            ends_at = models.DateTimeField()
            opens = models.TimeField()
            lasts = models.DurationField()
            is_open = models.BooleanField()
            token = models.UUIDField()
            data = models.JSONField()
            address = models.GenericIPAddressField()
            paper = models.FileField()
            deleted_at = models.DateTimeField(null=True)
            made_at = models.DateTimeField(auto_now_add=True)

            class Meta:
                app_label = "tests"

        yield Everything


def nothing(field: Any) -> None:
    """Point at nothing."""


class TestInferredValues:
    def test_every_type(self, everything):
        values = inferred_values(everything, nothing)

        row = everything(**values)
        row.full_clean(exclude=["paper", "deleted_at"], validate_unique=False)
        assert values["key"] > 10**9
        assert len(values["short"]) == 6
        assert values["size"] == 10
        assert isinstance(values["price"], Decimal)
        assert isinstance(values["token"], UUID)
        assert values["deleted_at"] is None

    def test_what_the_model_fills_itself_is_left_to_it(self, everything):
        assert {"state", "made_at"}.isdisjoint(inferred_values(everything, nothing))

    def test_texts_are_nowhere_else(self, everything):
        """So that they identify the row, those with a default too."""
        first, second = (inferred_values(everything, nothing) for _ in range(2))

        for name in ("title", "short", "note", "email", "page"):
            assert first[name] != second[name]

    def test_choices_differ_by_index(self, everything):
        assert [inferred_values(everything, nothing, index=index)["kind"] for index in range(3)] == [
            "a",
            "b",
            "b",
        ]

    def test_foreign_key_that_must_point_somewhere(self):
        with isolate_apps("tests"):

            class Parent(models.Model):  # noqa: DJ008 - nobody prints it
                class Meta:
                    app_label = "tests"

            class Child(models.Model):  # noqa: DJ008 - nobody prints it
                parent = models.ForeignKey(Parent, on_delete=models.CASCADE)

                class Meta:
                    app_label = "tests"

            with pytest.raises(CannotMake, match=r"Child\.parent"):
                inferred_values(Child, nothing)

    def test_field_of_an_unknown_type(self):
        with isolate_apps("tests"):

            class OddField(models.Field):  # type: ignore[type-arg]
                def get_internal_type(self) -> str:
                    return "OddField"

            class Odd(models.Model):  # noqa: DJ008 - nobody prints it
                odd = OddField()

                class Meta:
                    app_label = "tests"

            with pytest.raises(CannotMake, match="OddField"):
                inferred_values(Odd, nothing)


class TestCanary:
    def test_it_fits(self):
        assert len(canary("a very long name of something " * 9)) <= 60
        assert len(canary("name", longest=12)) <= 12

    def test_it_is_a_slug(self):
        RegexValidator(r"\A[a-z0-9]+(?:-[a-z0-9]+)*\Z")(canary("Über: a_b  C"))


@pytest.mark.hosts("full")
class TestMakeRow:
    def test_of_an_organization(self, make_organization):
        from tests.hosts.full.widgets.models import Note

        organization = make_organization()

        with scope(organization):
            note = make_row(Note, lambda field: organization if field.name == "organization" else None)

        assert note.organization == organization
        assert note.name.startswith("note-name-")
        assert note.reply_to is None

    def test_what_is_given_is_kept(self, make_organization):
        from tests.hosts.full.widgets.models import Widget

        organization = make_organization()

        widget = make_row(Widget, lambda field: organization, values={"name": "Bolt"})

        assert widget.name == "Bolt"

    def test_what_the_database_refuses(self, make_organization):
        from tests.hosts.full.widgets.models import Widget

        organization = make_organization()
        make_row(Widget, lambda field: organization, values={"name": "Bolt"})

        with pytest.raises(CannotMake, match=r"widgets\.Widget"):
            make_row(Widget, lambda field: organization, values={"name": "Bolt"})
