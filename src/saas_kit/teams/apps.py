from __future__ import annotations

from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _

from saas_kit.core.apps import KitAppConfig


class TeamsConfig(KitAppConfig):
    default = True
    name = "saas_kit.teams"
    label = "saas_kit_teams"
    verbose_name = _("Teams")

    def ready(self) -> None:
        from saas_kit.teams import checks
        from saas_kit.teams.services import check_placement, place_member
        from saas_kit.tenancy.placements import Placement, register_placement

        super().ready()
        register_placement(Placement(check=check_placement, place=place_member))
        for check in checks.ALL:
            register(check, Tags.compatibility)
