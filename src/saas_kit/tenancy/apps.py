from __future__ import annotations

from django.core.checks import Tags, register
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

from saas_kit.core.apps import KitAppConfig


class TenancyConfig(KitAppConfig):
    default = True
    name = "saas_kit.tenancy"
    label = "saas_kit_tenancy"
    verbose_name = _("Tenancy")

    def ready(self) -> None:
        from saas_kit.tenancy import checks
        from saas_kit.tenancy.access import register_caller_parts

        super().ready()
        autodiscover_modules("permissions")
        register_caller_parts()
        for check in checks.ALL:
            register(check, Tags.compatibility)
