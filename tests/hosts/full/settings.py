from __future__ import annotations

from tests.hosts.base import *  # noqa: F403
from tests.hosts.base import INSTALLED_APPS

ROOT_URLCONF = "tests.hosts.full.urls"
AUTH_USER_MODEL = "saas_kit_auth.User"
INSTALLED_APPS = [*INSTALLED_APPS, "tests.hosts.full.widgets"]
# Parts and shipments stand for tables of a host that point to what is an organization's and are not guarded.
SILENCED_SYSTEM_CHECKS = ["saas_kit_tenancy.W008"]
