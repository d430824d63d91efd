"""The base of every app's configuration."""

from __future__ import annotations

from typing import ClassVar

from django.apps import AppConfig, apps
from django.core.checks import Tags, register
from django.core.exceptions import ImproperlyConfigured


class KitAppConfig(AppConfig):
    """
    An app of the kit: registers the checks that concern all of them, once however many are installed.

    Attributes:
        needs: The apps without which its models cannot be loaded, which is before any check could say so.
    """

    default_auto_field = "django.db.models.BigAutoField"
    needs: ClassVar[tuple[str, ...]] = ()

    def import_models(self) -> None:
        """
        Load the models.

        Raises:
            ImproperlyConfigured: An app that they need is not installed.
        """
        for name in self.needs:
            if not apps.is_installed(name):
                raise ImproperlyConfigured(f'{self.name} needs {name}: add "{name}" to INSTALLED_APPS.')
        super().import_models()

    def ready(self) -> None:
        from saas_kit.core import checks

        for check in checks.ALL:
            register(check, Tags.compatibility)
        for check in checks.DEPLOY:
            register(check, Tags.security, deploy=True)
