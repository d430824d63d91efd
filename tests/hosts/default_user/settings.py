from __future__ import annotations

from tests.hosts.base import *  # noqa: F403

ROOT_URLCONF = "tests.hosts.default_user.urls"
AUTH_USER_MODEL = "auth.User"
