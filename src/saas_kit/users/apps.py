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
        if not checks.check_apps_below():  # else a check says what is missing
            from saas_kit.auth.services import register_erasure_step
            from saas_kit.users.export import register_sections
            from saas_kit.users.services import forget_invitations, leave_everything

            register_erasure_step("memberships", leave_everything)
            register_erasure_step("invitations", forget_invitations)
            register_sections()
        for check in checks.ALL:
            register(check, Tags.compatibility)
