"""
Deletion by a mark: what it takes along, how it comes back, and when it goes for good.

A deletion marks rows with its time and with an id of its own. It follows foreign keys that cascade, from one
soft-deletable model to the next, with one UPDATE a relation, whatever the number of rows. Restoring clears
the mark of the rows that bear the same id, so what had been deleted before stays deleted.

Rows of models that cannot be soft-deleted are left as they are: they are out of reach while what they belong
to is, and go with it when it is purged.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator
from datetime import datetime
from typing import Any

from django.apps import apps
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from saas_kit.core.caller_changes import changing
from saas_kit.core.exceptions import NotDeleted, NotUnique, ParentDeleted, StillReferenced
from saas_kit.core.ids import uuid7


def is_soft_deletable(model: type[models.Model]) -> bool:
    """Tell whether a model's rows are deleted by a mark."""
    return hasattr(model, "all_objects") and any(field.name == "deletion_id" for field in model._meta.fields)


def soft_deletable_models() -> list[type[models.Model]]:
    """Return every installed model whose rows are deleted by a mark, those that point to others before them."""
    found = [model for model in apps.get_models() if is_soft_deletable(model) and not model._meta.proxy]
    ordered: list[type[models.Model]] = []

    def place(model: type[models.Model], path: tuple[type[models.Model], ...]) -> None:
        for _, child in _relations(model):
            if child in found and child not in ordered and child not in path:
                place(child, (*path, child))
        if model not in ordered:
            ordered.append(model)

    for model in found:
        place(model, (model,))
    return ordered


def _relations(model: type[models.Model]) -> Iterator[tuple[models.ForeignKey[Any, Any], type[models.Model]]]:
    """Yield the foreign keys that point to a model, with the models that hold them."""
    for relation in model._meta.get_fields(include_hidden=True):
        if relation.auto_created and not relation.concrete and (relation.one_to_many or relation.one_to_one):
            yield relation.field, relation.related_model  # type: ignore[union-attr,misc]


def soft_delete(queryset: models.QuerySet[Any]) -> tuple[int, dict[str, int]]:
    """
    Mark rows, and what belongs to them, as deleted.

    Returns:
        How many rows were marked, and how many of each model (by label), as ``QuerySet.delete()`` does.

    Raises:
        StillReferenced: Something alive protects one of the rows; nothing was marked.
    """
    now, deletion_id = timezone.now(), uuid7()
    counts: Counter[str] = Counter()
    with transaction.atomic(using=queryset.db):
        model = queryset.model
        # a sliced or joined query cannot be updated; its keys can
        keys = (queryset if queryset.query.is_sliced else queryset.order_by()).values("pk")
        rows = _rows(model, queryset.db).filter(pk__in=keys, deleted_at__isnull=True)
        with changing(rows):
            counts[model._meta.label] = rows.update(deleted_at=now, deletion_id=deletion_id)
        marked = (
            _cascade(model, now, deletion_id, counts, queryset.db) if counts[model._meta.label] else set()
        )
        for each in marked:
            _refuse_protected(each, deletion_id, queryset.db)
    return counts.total(), {label: count for label, count in counts.items() if count}


def _cascade(
    root: type[models.Model], now: datetime, deletion_id: Any, counts: Counter[str], using: str
) -> set[type[models.Model]]:
    marked, queue = {root}, [root]
    while queue:
        parent = queue.pop()
        for field, child in _relations(parent):
            if field.remote_field.on_delete is not models.CASCADE or not is_soft_deletable(child):
                continue
            belonging = {f"{field.name}__deletion_id": deletion_id, "deleted_at__isnull": True}
            rows = _rows(child, using).filter(**belonging)
            with changing(rows):
                count = rows.update(deleted_at=now, deletion_id=deletion_id)
            if count:
                counts[child._meta.label] += count
                marked.add(child)
                queue.append(child)
    return marked


def _refuse_protected(model: type[models.Model], deletion_id: Any, using: str) -> None:
    for field, child in _relations(model):
        if field.remote_field.on_delete not in (models.PROTECT, models.RESTRICT):
            continue
        holders = child._base_manager.using(using).filter(**{f"{field.name}__deletion_id": deletion_id})
        if is_soft_deletable(child):
            holders = holders.filter(deleted_at__isnull=True)
        if holders.exists():
            raise StillReferenced


def restore(instance: models.Model) -> None:
    """
    Bring a row back with exactly what its deletion took along.

    Raises:
        NotDeleted: It is alive.
        NotUnique: A unique value was taken meanwhile; nothing was restored.
        ParentDeleted: What it belongs to is deleted.
    """
    model, using = type(instance), instance._state.db or "default"
    with transaction.atomic(using=using):
        _refuse_orphan(instance, using)  # parents first: every other write locks from the top down as well
        row = _rows(model, using).select_for_update().filter(pk=instance.pk).values("deletion_id").first()
        if row is None or row["deletion_id"] is None:
            raise NotDeleted
        seen, queue = {model}, [model]
        while queue:
            parent = queue.pop()
            for field, child in _relations(parent):
                if (
                    field.remote_field.on_delete is models.CASCADE
                    and is_soft_deletable(child)
                    and child not in seen
                ):
                    seen.add(child)
                    queue.append(child)
        try:
            with transaction.atomic(using=using):
                for each in seen:
                    rows = _rows(each, using).filter(deletion_id=row["deletion_id"])
                    with changing(rows):
                        rows.update(deleted_at=None, deletion_id=None)
        except IntegrityError as error:
            raise NotUnique from error


def _refuse_orphan(instance: models.Model, using: str) -> None:
    for field in instance._meta.concrete_fields:
        if not isinstance(field, models.ForeignKey) or not is_soft_deletable(field.related_model):
            continue
        parent = (
            _rows(field.related_model, using).select_for_update().filter(pk=getattr(instance, field.attname))
        )
        if (
            field.remote_field.on_delete is models.CASCADE
            and parent.filter(deleted_at__isnull=False).exists()
        ):
            raise ParentDeleted


def purge(
    model: type[models.Model], *, deleted_before: datetime, batch_size: int
) -> Generator[int, None, list[Any]]:
    """
    Remove the rows of a model that were deleted before a time, and what belongs to them, in bounded batches.

    Yields:
        After each batch, which is a transaction of its own, how many rows it removed.

    Returns:
        The keys of rows that are left because something that is still there protects them.
    """
    protected: list[Any] = []
    while True:
        due = _rows(model, None).filter(deleted_at__lt=deleted_before).exclude(pk__in=protected)
        keys = list(due.order_by("deleted_at").values_list("pk", flat=True)[:batch_size])
        if not keys:
            return protected
        try:
            yield _remove(due, keys)
        except (models.ProtectedError, models.RestrictedError):
            yield sum(_remove_unless_protected(due, key, protected) for key in keys)


def purge_rows(rows: models.QuerySet[Any], *, batch_size: int) -> Iterator[int]:
    """
    Delete rows, batch by batch; yields how many went in each.

    Rows that somebody else is holding are left for the next time.
    """
    last: Any = None
    while True:
        with transaction.atomic():
            left = rows if last is None else rows.filter(pk__gt=last)
            held = left.order_by("pk").select_for_update(of=("self",), skip_locked=True)
            keys = list(held.values_list("pk", flat=True)[:batch_size])
            rows.model._base_manager.filter(pk__in=keys).delete()
        if not keys:
            return
        last = keys[-1]
        yield len(keys)


def _remove(due: Any, keys: list[Any]) -> int:
    with transaction.atomic():
        # what was restored since the keys were read is due no longer
        held = list(due.select_for_update().filter(pk__in=keys).values_list("pk", flat=True))
        count, _ = models.QuerySet.delete(_rows(due.model, None).filter(pk__in=held))
    return count


def _remove_unless_protected(due: Any, key: Any, protected: list[Any]) -> int:
    try:
        return _remove(due, [key])
    except (models.ProtectedError, models.RestrictedError):
        protected.append(key)
        return 0


def _rows(model: type[models.Model], using: str | None) -> Any:
    manager: Any = model._base_manager
    return manager.using(using)
