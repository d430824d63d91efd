from __future__ import annotations

from tests.hosts.base import *  # noqa: F403
from tests.hosts.base import INSTALLED_APPS

ROOT_URLCONF = "tests.hosts.full.urls"
AUTH_USER_MODEL = "saas_kit_auth.User"
INSTALLED_APPS = [*INSTALLED_APPS, "tests.hosts.full.widgets"]
