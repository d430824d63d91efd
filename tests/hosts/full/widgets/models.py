"""Widgets, the parts that go with them, and the shipments that hold them."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.db.models.functions import Lower

from saas_kit.core.models import AliveManager, Identified, SoftDeletable, SoftDeletableQuerySet, Timestamped
from saas_kit.tenancy.models import OrganizationOwned, OrganizationOwnedQuerySet


class WidgetQuerySet(SoftDeletableQuerySet[Any], OrganizationOwnedQuerySet):  # type: ignore[override]
    """Widgets."""


class Widget(OrganizationOwned, SoftDeletable):
    """Something of an organization's; its name is unique there."""

    name = models.CharField(max_length=120)
    size = models.PositiveIntegerField(default=1)

    objects: ClassVar[Any] = AliveManager.from_queryset(WidgetQuerySet)()
    all_objects: ClassVar[Any] = models.Manager.from_queryset(WidgetQuerySet)()

    class Meta:
        constraints = (
            models.UniqueConstraint(
                "organization",
                Lower("name"),
                condition=models.Q(deleted_at__isnull=True),
                name="widgets_widget_name",
            ),
        )
        indexes = (models.Index(fields=["organization", "-id"], name="widgets_by_organization"),)

    def __str__(self) -> str:
        return self.name


class Part(Identified, Timestamped, SoftDeletable):
    """A part of a widget, deleted and restored with it."""

    widget = models.ForeignKey(Widget, on_delete=models.CASCADE, related_name="parts")
    name = models.CharField(max_length=120)

    def __str__(self) -> str:
        return self.name


class Shipment(Identified, Timestamped, SoftDeletable):
    """A shipment of a widget, which cannot be deleted as long as the shipment is there."""

    widget = models.ForeignKey(Widget, on_delete=models.PROTECT, related_name="shipments")
    address = models.CharField(max_length=120)

    def __str__(self) -> str:
        return self.address


class Note(OrganizationOwned):
    """Something that is out of reach without a scope."""

    name = models.CharField(max_length=120)
    size = models.PositiveIntegerField(default=1)
    reply_to = models.ForeignKey("self", on_delete=models.CASCADE, null=True, related_name="replies")

    class Meta:
        indexes = (models.Index(fields=["organization", "-id"], name="widgets_notes"),)

    def __str__(self) -> str:
        return self.name
