from __future__ import annotations

from importlib.util import find_spec

from django.core.checks import Tags, register
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

from saas_kit.core.apps import KitAppConfig


class EmailConfig(KitAppConfig):
    default = True
    name = "saas_kit.email"
    label = "saas_kit_email"
    verbose_name = _("E-mail")

    def ready(self) -> None:
        from saas_kit.email import checks, message_checks
        from saas_kit.email.receivers import on_tracking

        super().ready()
        autodiscover_modules("messages")  # whoever delivers a message has to know its class
        for check in (*checks.ALL, *message_checks.ALL):
            register(check, Tags.compatibility)
        for check in checks.DEPLOY:
            register(check, Tags.security, deploy=True)
        if find_spec("anymail") is not None:
            from anymail.signals import tracking

            tracking.connect(on_tracking, dispatch_uid="saas_kit.email.on_tracking")
