"""
Telling whoever keeps what decisions know of people that it changed, and of whom.

Models are watched with the paths from their rows to the people whom they concern. Every ``save()`` and ``delete()`` of
a watched model tells, and so does what a ``WatchedQuerySet`` writes; around anything else stands ``changing()``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from django.apps import apps
from django.db import models
from django.db.models.signals import post_save, pre_delete

ModelT_co = TypeVar("ModelT_co", bound=models.Model, covariant=True)

MANY = 1000  # beyond it, naming people costs more than forgetting everybody

People = frozenset[Any] | None
"""Keys of users; None means everybody."""


@dataclass(frozen=True, slots=True)
class Observer:
    """
    Somebody who keeps what decisions know of people.

    Attributes:
        is_on: Tells whether they keep anything now; if nobody does, watching costs no statement.
        tell: Called after a write, in its transaction, with whom it concerns and the alias of the database.
    """

    is_on: Callable[[], bool]
    tell: Callable[[People, str], None]


_observers: list[Observer] = []
_paths: dict[type[models.Model], tuple[str, ...]] = {}


def add_observer(observer: Observer) -> None:
    """Tell somebody of every change from now on."""
    _observers.append(observer)


def watch(model: type[models.Model], *paths: str) -> None:
    """Tell of every change to a model's rows; ``paths`` lead from a row to the keys of the people it concerns."""
    _paths[model] = tuple(dict.fromkeys((*_paths.get(model, ()), *paths)))
    for each in apps.get_models():
        if issubclass(each, model):  # the signals of a proxy, or of a child, are its own
            post_save.connect(_on_write, sender=each, dispatch_uid="saas_kit.core.caller_changes")
            # while what leads from the row to the people is still there
            pre_delete.connect(_on_write, sender=each, dispatch_uid="saas_kit.core.caller_changes")


def watched() -> dict[type[models.Model], tuple[str, ...]]:
    """Return the watched models with their paths."""
    return dict(_paths)


@contextmanager
def changing(rows: models.QuerySet[Any]) -> Iterator[None]:
    """
    Tell of a change to rows that sends no signals, such as ``update()``.

    Whom the rows concern is read before, as they may not be found by the same query after.
    """
    observers = _watching(rows.model)
    people = _concerned(rows, _paths_of(rows.model)) if observers else frozenset()
    yield
    for observer in observers:
        observer.tell(people, rows.db)


class WatchedQuerySet(models.QuerySet[ModelT_co]):
    """Rows of a watched model, of which ``update()``, ``bulk_update()`` and ``bulk_create()`` tell as well."""

    def update(self, **kwargs: Any) -> int:
        with changing(self):
            return super().update(**kwargs)

    update.alters_data = True  # type: ignore[attr-defined]

    def bulk_create(self, objs: Iterable[Any], *args: Any, **kwargs: Any) -> list[Any]:
        created: list[Any] = super().bulk_create(objs, *args, **kwargs)
        observers = _watching(self.model)
        if observers:
            people = _union(_concerned_by(each, self.db) for each in created)
            for observer in observers:
                observer.tell(people, self.db)
        return created


def _on_write(*, sender: type[models.Model], instance: models.Model, using: str, **kwargs: Any) -> None:
    observers = _watching(sender)
    if observers:
        people = _concerned_by(instance, using)
        for observer in observers:
            observer.tell(people, using)


def _watching(model: type[models.Model]) -> list[Observer]:
    return [each for each in _observers if each.is_on()] if _paths_of(model) else []


def _paths_of(model: type[models.Model]) -> tuple[str, ...]:
    return tuple(path for each, paths in _paths.items() if issubclass(model, each) for path in paths)


def _concerned_by(instance: models.Model, using: str) -> People:
    """Return whom a row concerns, without a statement where the row itself says it."""
    paths = _paths_of(type(instance))
    said = {path for path in paths if models.constants.LOOKUP_SEP not in path}
    people = frozenset(_key(instance, path) for path in said)
    asked = tuple(path for path in paths if path not in said)
    if not asked:
        return people
    rows = type(instance)._base_manager.using(using).filter(pk=instance.pk)
    return _union((people, _concerned(rows, asked)))


def _key(instance: models.Model, path: str) -> Any:
    return instance.pk if path == "pk" else getattr(instance, instance._meta.get_field(path).attname)  # type: ignore[union-attr]


def _concerned(rows: models.QuerySet[Any], paths: tuple[str, ...]) -> People:
    return _union(_at_the_end(rows, path) for path in paths)


def _at_the_end(rows: models.QuerySet[Any], path: str) -> People:
    keys = rows.order_by().values_list(path, flat=True).distinct()
    keys.query.select_for_update = False  # the rows may be held; whom they concern need not be
    found = frozenset(keys[: MANY + 1])
    return None if len(found) > MANY else found - {None}


def _union(groups: Iterable[People]) -> People:
    people: set[Any] = set()
    for group in groups:
        if group is None:
            return None
        people |= group
    return frozenset(people)
