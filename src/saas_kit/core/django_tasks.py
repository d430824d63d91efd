"""The one task that Django's task backends run for the kit; it can be imported from Django 6.0 on."""

from __future__ import annotations

from typing import Any

from django.tasks import task

from saas_kit.core.conf import CoreSettings
from saas_kit.core.tasks import run


@task(backend=CoreSettings.TASK_BACKEND or "default")
def run_task(path: str, *args: Any) -> None:
    """Run a background task by its dotted path."""
    run(path, *args)
