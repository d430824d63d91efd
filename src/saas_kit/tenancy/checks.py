"""System checks of tenancy."""

from __future__ import annotations

from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db.migrations.loader import MigrationLoader
from django.utils.module_loading import import_string

from saas_kit.core.permissions import Level
from saas_kit.tenancy.conf import DEFAULT_ORGANIZATION_MODEL, TenancySettings
from saas_kit.tenancy.models import AbstractOrganization, get_organization_model
from saas_kit.tenancy.roles import OWNER, Role

BACKEND = "saas_kit.tenancy.backends.TenancyBackend"
MIDDLEWARE = "saas_kit.core.middleware.RequestContextMiddleware"


def check_organization_model_is_named(**kwargs: object) -> list[CheckMessage]:
    """E002: migrations that point at the organization name the setting itself, so a default would break them."""
    if hasattr(settings, "SAAS_KIT_TENANCY_ORGANIZATION_MODEL"):
        return []
    return [
        Error(
            "SAAS_KIT_TENANCY_ORGANIZATION_MODEL is not set.",
            hint=f'Add SAAS_KIT_TENANCY_ORGANIZATION_MODEL = "{DEFAULT_ORGANIZATION_MODEL}" to your settings.',
            id="saas_kit_tenancy.E002",
        )
    ]


def check_organization_model_is_ours(**kwargs: object) -> list[CheckMessage]:
    """E003: the organization model derives from AbstractOrganization."""
    try:
        model: type = get_organization_model()
    except ImproperlyConfigured as error:
        return [
            Error(
                str(error),
                hint="Add its app to INSTALLED_APPS, or correct the name.",
                id="saas_kit_tenancy.E003",
            )
        ]
    if issubclass(model, AbstractOrganization):
        return []
    return [
        Error(
            f"{TenancySettings.ORGANIZATION_MODEL} is not an organization model.",
            hint="Let it derive from saas_kit.tenancy.models.AbstractOrganization.",
            obj=model,
            id="saas_kit_tenancy.E003",
        )
    ]


def check_organization_migration(**kwargs: object) -> list[CheckMessage]:
    """E004: the organization's first migration depends on the account alone, or the two apps wait for each other."""
    app_label = TenancySettings.ORGANIZATION_MODEL.split(".")[0]
    if app_label == "saas_kit_tenancy":
        return []
    loader = MigrationLoader(None, load=False)
    loader.load_disk()
    first = sorted(key for key in loader.disk_migrations if key[0] == app_label)[:1]
    later = [
        dependency
        for key in first
        for dependency in loader.disk_migrations[key].dependencies
        if dependency[0] == "saas_kit_tenancy" and dependency[1] not in ("0001_initial", "__first__")
    ]
    return [
        Error(
            f"The migration {key[0]}.{key[1]} depends on {dependency[0]}.{dependency[1]}, which depends on it.",
            hint=f'Replace that line by ("saas_kit_tenancy", "0001_initial") in {key[0]}/migrations/{key[1]}.py.',
            id="saas_kit_tenancy.E004",
        )
        for key, dependency in zip(first * len(later), later, strict=True)
    ]


def check_roles(**kwargs: object) -> list[CheckMessage]:
    """E005: the system roles can be read, and accounts and organizations have an owner among them."""
    try:
        roles = import_string(TenancySettings.ROLES)
    except (ImportError, AttributeError, TypeError) as error:
        return [
            Error(
                f"SAAS_KIT_TENANCY_ROLES cannot be imported: {error}",
                hint="It must be the dotted path to a tuple of saas_kit.tenancy.roles.Role.",
                id="saas_kit_tenancy.E005",
            )
        ]
    if not isinstance(roles, tuple | list) or not all(isinstance(role, Role) for role in roles):
        return [
            Error(
                "SAAS_KIT_TENANCY_ROLES does not name a tuple of roles.",
                hint="It must be the dotted path to a tuple of saas_kit.tenancy.roles.Role.",
                id="saas_kit_tenancy.E005",
            )
        ]
    owned = {role.level for role in roles if role.key == OWNER}
    return [
        Error(
            f"SAAS_KIT_TENANCY_ROLES has no role {OWNER!r} at the level of the {level}.",
            hint="Start from saas_kit.tenancy.roles.SYSTEM_ROLES and add to it.",
            id="saas_kit_tenancy.E005",
        )
        for level in (Level.ACCOUNT, Level.ORGANIZATION)
        if level not in owned
    ]


def check_second_factor(**kwargs: object) -> list[CheckMessage]:
    """E012: what tells who has a second factor can be called; requests of people would fail otherwise."""
    path = TenancySettings.SECOND_FACTOR
    if not path or not isinstance(path, str):  # E001 reports anything else
        return []
    hint = (
        "It must be the dotted path to a function that takes a person, as saas_kit.auth.identity.has_mfa is."
    )
    try:
        function = import_string(path)
    except (ImportError, AttributeError) as error:
        message = f"SAAS_KIT_TENANCY_SECOND_FACTOR cannot be imported: {error}"
        return [Error(message, hint=hint, id="saas_kit_tenancy.E012")]
    if callable(function):
        return []
    message = f"SAAS_KIT_TENANCY_SECOND_FACTOR names {path!r}, which cannot be called."
    return [Error(message, hint=hint, id="saas_kit_tenancy.E012")]


def check_middleware(**kwargs: object) -> list[CheckMessage]:
    """E007: without the middleware what is known of one request would still be there in the next."""
    if MIDDLEWARE in settings.MIDDLEWARE:
        return []
    return [
        Error(
            f"{MIDDLEWARE} is not in MIDDLEWARE.",
            hint=f'Add "{MIDDLEWARE}" as the first line of MIDDLEWARE.',
            id="saas_kit_tenancy.E007",
        )
    ]


def check_backend(**kwargs: object) -> list[CheckMessage]:
    """W002: without the back end nobody has a permission on any organization."""
    if BACKEND in settings.AUTHENTICATION_BACKENDS:
        return []
    return [
        checks.Warning(
            f"{BACKEND} is not in AUTHENTICATION_BACKENDS, so no role grants anything.",
            hint=f'Add "{BACKEND}" to AUTHENTICATION_BACKENDS.',
            id="saas_kit_tenancy.W002",
        )
    ]


ALL = (
    check_organization_model_is_named,
    check_organization_model_is_ours,
    check_organization_migration,
    check_roles,
    check_second_factor,
    check_middleware,
    check_backend,
)
