from __future__ import annotations

from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _

from saas_kit.core.apps import KitAppConfig


class EmailConfig(KitAppConfig):
    default = True
    name = "saas_kit.email"
    label = "saas_kit_email"
    verbose_name = _("E-mail")

    def ready(self) -> None:
        from saas_kit.email import checks

        super().ready()
        for check in checks.DEPLOY:
            register(check, Tags.security, deploy=True)
