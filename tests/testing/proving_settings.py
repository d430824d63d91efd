"""The settings of a host that has the prover's command."""

from __future__ import annotations

from tests.hosts.full.settings import *  # noqa: F403
from tests.hosts.full.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "saas_kit.testing"]
