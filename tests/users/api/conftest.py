from __future__ import annotations

from django.apps import apps

from tests.api_fixtures import client_for, operations, world

__all__ = ["client_for", "operations", "world"]

collect_ignore_glob = [] if apps.is_installed("rest_framework") else ["test_*.py"]
