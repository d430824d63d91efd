"""
What of the background work is done how often, for Celery's beat.

An app says it in its ``schedule`` module, which imports no models, as settings files read it:

    SCHEDULE = {"projects.tasks.close_old": timedelta(minutes=10), "projects.tasks.count": time(3, 30)}
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from datetime import time, timedelta
from importlib import import_module
from typing import Any


def beat_schedule(installed_apps: Iterable[str]) -> dict[str, dict[str, Any]]:
    """
    Return what ``CELERY_BEAT_SCHEDULE`` is to be: the tasks of all apps that have a ``schedule`` module.

    An interval stands for a task that is done again after it; a time for one that is done once a day, by the clock of
    Celery's ``timezone``; anything else is passed on as it is. What a worker does not come to before the next time is
    left out. The kit's tasks have their path for their name, so that ``schedule | {path: {...}}`` replaces one and
    ``del schedule[path]`` leaves it out.

    Args:
        installed_apps: INSTALLED_APPS, which need not be loaded.
    """
    entries: dict[str, dict[str, Any]] = {}
    for package in map(_package_of, installed_apps):
        if _has_schedule(package):
            schedule: Mapping[str, Any] = import_module(f"{package}.schedule").SCHEDULE
            entries |= {path: _entry(path, each) for path, each in schedule.items()}
    return entries


def _entry(path: str, when: Any) -> dict[str, Any]:
    if isinstance(when, timedelta):
        return {"task": path, "schedule": when, "options": {"expires": when.total_seconds()}}
    if isinstance(when, time):
        from celery.schedules import crontab  # noqa: PLC0415 - an extra, and slow to import

        daily = crontab(hour=str(when.hour), minute=str(when.minute))
        return {"task": path, "schedule": daily, "options": {"expires": timedelta(days=1).total_seconds()}}
    return {"task": path, "schedule": when}


def _package_of(entry: str) -> str:
    """Return the package of an entry of INSTALLED_APPS, which may be the class of its configuration."""
    package, _, last = entry.rpartition(".")
    return package.rpartition(".")[0] if package and last[:1].isupper() else entry


def _has_schedule(package: str) -> bool:
    # Nothing is imported to find out: what apps import may read the settings, which are being read.
    path = None
    name = ""
    for part in (*package.split("."), "schedule"):
        name = f"{name}.{part}" if name else part
        found = (finder.find_spec(name, path) for finder in sys.meta_path)
        spec = next((each for each in found if each is not None), None)
        if spec is None:
            return False
        path = spec.submodule_search_locations
    return True
