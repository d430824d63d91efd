"""The base of every app's configuration."""

from __future__ import annotations

from django.apps import AppConfig
from django.core.checks import Tags, register


class KitAppConfig(AppConfig):
    """An app of the kit: registers the checks that concern all of them, once however many are installed."""

    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from saas_kit.core import checks

        for check in checks.ALL:
            register(check, Tags.compatibility)
        for check in checks.DEPLOY:
            register(check, Tags.security, deploy=True)
