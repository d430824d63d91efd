"""The Celery app: `celery -A config worker` runs its tasks, `celery -A config beat` calls those on a schedule."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

# tasks run in the scope of the organizations that they were called in
app = Celery("example", task_cls="saas_kit.tenancy.celery:ScopedTask")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
