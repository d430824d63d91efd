from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from saas_kit.core.apps import KitAppConfig


class TestingConfig(KitAppConfig):
    default = True
    name = "saas_kit.testing"
    label = "saas_kit_testing"
    verbose_name = _("Testing")
