"""The relations of a model: where a query may go from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import models


@dataclass(frozen=True)
class Relation:
    """A path of relations from a model."""

    name: str
    model: Any
    crosses: bool


def text_columns(model: Any) -> list[str]:
    """Return the names of a model's fields that hold free text."""
    return [
        each.name
        for each in model._meta.concrete_fields
        if isinstance(each, models.CharField | models.TextField)
        and not each.choices
        and each.name != "password"
    ]


def relations_of(model: Any, *, depth: int = 2, crossing_only: bool = True) -> list[Relation]:
    """
    Return the paths of relations from a model.

    Args:
        crossing_only: Only those by which a query may leave the organization, that is those to many rows.
    """
    found: list[Relation] = []
    level = [Relation("", model, False)]  # noqa: FBT003 - where paths begin
    for _ in range(depth):
        following = []
        for each in level:
            for field in each.model._meta.get_fields():
                target = getattr(field, "related_model", None)
                name = getattr(field, "name", None)
                if not isinstance(target, type) or not name or name.endswith("+"):
                    continue
                if getattr(field, "hidden", False):
                    continue
                many = bool(field.one_to_many or field.many_to_many)
                path = f"{each.name}__{name}" if each.name else name
                following.append(Relation(path, target, each.crosses or many))
        found += [each for each in following if each.crosses or not crossing_only]
        level = following
    return found
