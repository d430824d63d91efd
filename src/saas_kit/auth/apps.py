from __future__ import annotations

from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _

from saas_kit.core.apps import KitAppConfig


class AuthConfig(KitAppConfig):
    default = True
    name = "saas_kit.auth"
    label = "saas_kit_auth"
    verbose_name = _("Sign-in")

    def ready(self) -> None:
        from saas_kit.auth import checks
        from saas_kit.auth.identity import register_caller_parts

        super().ready()
        register_caller_parts()
        for check in checks.ALL:
            register(check, Tags.compatibility)
        for check in checks.DEPLOY:
            register(check, Tags.security, deploy=True)
