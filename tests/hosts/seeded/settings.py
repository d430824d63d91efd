from __future__ import annotations

from tests.hosts.base import *  # noqa: F403
from tests.hosts.base import INSTALLED_APPS, REST_FRAMEWORK

ROOT_URLCONF = "tests.hosts.seeded.urls"
AUTH_USER_MODEL = "saas_kit_auth.User"
INSTALLED_APPS = [*INSTALLED_APPS, "tests.hosts.seeded.library"]

# Row-level security would stop most of what is planted; this host has careless views and nothing behind them.
SAAS_KIT_TENANCY_ROW_LEVEL_SECURITY = False

# Views that are REST framework's own answer the kit's errors as the kit's views do.
REST_FRAMEWORK = {**REST_FRAMEWORK, "EXCEPTION_HANDLER": "saas_kit.api.exceptions.handle_exception"}
# The plain manager is one of what is planted, and the references without a composite key go with it.
SILENCED_SYSTEM_CHECKS = ["saas_kit_tenancy.E008", "saas_kit_tenancy.W009"]
