"""Settings of tenancy."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ImproperlyConfigured

from saas_kit.core.conf import AppSettings

DEFAULT_ORGANIZATION_MODEL = "saas_kit_tenancy.Organization"


class TenancySettings(AppSettings):
    prefix = "SAAS_KIT_TENANCY_"

    ORGANIZATION_MODEL: str = DEFAULT_ORGANIZATION_MODEL
    """The organization model, ``app_label.ModelName``. It must be set, because migrations name this setting."""

    ROLES: str = "saas_kit.tenancy.roles.SYSTEM_ROLES"
    """Dotted path to the tuple of system roles."""

    RETENTION_DAYS: int = 30
    """Days for which something deleted can be restored; ``saas_kit_purge`` removes what is older."""

    STAFF_ACCESS: bool = False
    """Whether superusers may act in every organization through the API. Each such act is in the audit log."""


def organization_model() -> str:
    """
    Return the name of the organization model, for foreign keys.

    A setting that is missing is reported by the check saas_kit_tenancy.E002, so models load without it.

    Raises:
        ImproperlyConfigured: The setting is not of the form ``app_label.ModelName``.
    """
    name: Any = TenancySettings.ORGANIZATION_MODEL
    if not isinstance(name, str) or name.count(".") != 1:
        raise ImproperlyConfigured(
            f"SAAS_KIT_TENANCY_ORGANIZATION_MODEL is {name!r}. It must be of the form app_label.ModelName, as in: "
            f'SAAS_KIT_TENANCY_ORGANIZATION_MODEL = "{DEFAULT_ORGANIZATION_MODEL}"'
        )
    return name
