"""Abstract models that the kit's tables are made of."""

from __future__ import annotations

from typing import Any, ClassVar, Self, TypeVar, cast
from uuid import UUID

from django.db import models
from django.utils.translation import gettext_lazy as _

from saas_kit.core import deletion
from saas_kit.core.ids import uuid7

ModelT_co = TypeVar("ModelT_co", bound=models.Model, covariant=True)


class Identified(models.Model):
    """A row whose key is a UUID version 7: opaque to clients, and sorted by creation."""

    id: models.UUIDField[UUID, UUID] = models.UUIDField(primary_key=True, default=uuid7, editable=False)

    class Meta:
        abstract = True


class Timestamped(models.Model):
    """A row that knows when it was made and last changed."""

    created_at = models.DateTimeField(_("created at"), auto_now_add=True, editable=False)
    updated_at = models.DateTimeField(_("updated at"), auto_now=True, editable=False)

    class Meta:
        abstract = True


class SoftDeletableQuerySet(models.QuerySet[ModelT_co]):
    """Rows that are deleted by a mark and can be brought back."""

    def alive(self) -> Self:
        """Keep the rows that are not deleted."""
        return self.filter(deleted_at__isnull=True)

    def deleted(self) -> Self:
        """Keep the rows that are deleted and not yet purged."""
        return self.filter(deleted_at__isnull=False)

    def delete(self) -> tuple[int, dict[str, int]]:
        """
        Mark the rows, and what belongs to them, as deleted.

        Raises:
            StillReferenced: Something alive protects one of them.
        """
        return deletion.soft_delete(self)

    delete.alters_data = True  # type: ignore[attr-defined]
    delete.queryset_only = True  # type: ignore[attr-defined]

    def purge(self) -> tuple[int, dict[str, int]]:
        """Remove the rows, and what belongs to them, from the database for good."""
        return super().delete()

    purge.alters_data = True  # type: ignore[attr-defined]
    purge.queryset_only = True  # type: ignore[attr-defined]


class AliveManager(models.Manager[Any]):
    """Finds the rows that are not deleted, and only them."""

    def get_queryset(self) -> Any:
        return super().get_queryset().filter(deleted_at__isnull=True)


class SoftDeletable(models.Model):
    """
    A row that ``delete()`` hides and ``restore()`` brings back with exactly what went along.

    ``objects`` finds the rows that are alive, ``all_objects`` the deleted too. A subclass that brings its own
    query set derives it from ``SoftDeletableQuerySet`` and says
    ``objects = AliveManager.from_queryset(ItsQuerySet)()`` and
    ``all_objects = models.Manager.from_queryset(ItsQuerySet)()``.
    """

    deleted_at = models.DateTimeField(_("deleted at"), null=True, editable=False)
    deletion_id = models.UUIDField(null=True, editable=False, db_index=True)

    objects: ClassVar[models.Manager[Any]] = AliveManager.from_queryset(SoftDeletableQuerySet)()
    all_objects: ClassVar[models.Manager[Any]] = models.Manager.from_queryset(SoftDeletableQuerySet)()

    class Meta:
        abstract = True

    @property
    def is_deleted(self) -> bool:
        """Whether it was deleted and not yet purged."""
        return self.deleted_at is not None

    def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        """
        Mark it, and what belongs to it, as deleted.

        Raises:
            StillReferenced: Something alive protects it.
        """
        manager = cast("Any", type(self)).all_objects
        counts = deletion.soft_delete(manager.using(using or self._state.db).filter(pk=self.pk))
        self.refresh_from_db(fields=["deleted_at", "deletion_id"])
        return counts

    def restore(self) -> None:
        """
        Bring it back with exactly what its deletion took along.

        Raises:
            NotDeleted: It is alive.
            NotUnique: Its name, or another unique value, was taken meanwhile.
            ParentDeleted: What it belongs to is deleted.
        """
        deletion.restore(self)
        self.refresh_from_db(fields=["deleted_at", "deletion_id"])

    def purge(self) -> tuple[int, dict[str, int]]:
        """Remove it, and what belongs to it, from the database for good."""
        manager = cast("Any", type(self)).all_objects
        counts: tuple[int, dict[str, int]] = manager.using(self._state.db).filter(pk=self.pk).purge()
        return counts
