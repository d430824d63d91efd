from __future__ import annotations

from django.apps import apps

collect_ignore_glob = [] if apps.is_installed("rest_framework") else ["test_*.py"]
