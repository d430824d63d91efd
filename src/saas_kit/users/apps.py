from __future__ import annotations

from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _

from saas_kit.core.apps import KitAppConfig


class UsersConfig(KitAppConfig):
    default = True
    name = "saas_kit.users"
    label = "saas_kit_users"
    verbose_name = _("People")

    def ready(self) -> None:
        from saas_kit.users import checks

        super().ready()
        for check in checks.ALL:
            register(check, Tags.compatibility)
