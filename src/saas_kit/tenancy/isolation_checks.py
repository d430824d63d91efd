"""System checks of what keeps the rows of organizations apart."""

from __future__ import annotations

from collections.abc import Sequence

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from saas_kit.tenancy import isolation, row_security
from saas_kit.tenancy.guard import owned_models

AUTHENTICATION = "django.contrib.auth.middleware.AuthenticationMiddleware"
MIDDLEWARE = "saas_kit.tenancy.middleware.OrganizationMiddleware"


def check_managers(**kwargs: object) -> list[CheckMessage]:
    """E008: every manager of a tenant-owned model is guarded, the one that relations use too."""
    return [
        Error(
            f"The manager {name} of {model._meta.label} is not guarded: it finds the rows of every organization.",
            hint="Name OrganizationOwned first among the model's bases, and make each manager with "
            "from_queryset() of a subclass of OrganizationOwnedQuerySet.",
            obj=model,
            id="saas_kit_tenancy.E008",
        )
        for model in owned_models()
        for name in isolation.unguarded_managers(model)
    ]


def check_references(**kwargs: object) -> list[CheckMessage]:
    """W009: a migration makes each foreign key between tenant-owned models unable to leave the organization."""
    return [
        checks.Warning(
            f"{model._meta.label} can point at another organization's row, by: {', '.join(names)}.",
            hint="Run: manage.py saas_kit_check_isolation --write",
            obj=model,
            id="saas_kit_tenancy.W009",
        )
        for model, names in isolation.missing_references().items()
    ]


def check_inheritance(**kwargs: object) -> list[CheckMessage]:
    """E009: the table of a tenant-owned model has the organization itself, or nothing could hold it to one."""
    return [
        Error(
            f"{model._meta.label} inherits its organization from another table, so no policy holds its own.",
            hint="Let it derive from an abstract model, or point to the other model by a OneToOneField.",
            obj=model,
            id="saas_kit_tenancy.E009",
        )
        for model in isolation.inheriting_models()
    ]


def check_links(**kwargs: object) -> list[CheckMessage]:
    """E010: what links two tenant-owned rows belongs to an organization itself."""
    return [
        Error(
            f"The rows that link {model._meta.label}.{name} belong to no organization.",
            hint="Name a model of your own with through=, which derives from OrganizationOwned.",
            obj=model,
            id="saas_kit_tenancy.E010",
        )
        for model in owned_models()
        for name in isolation.shared_links(model)
    ]


def check_uniques(**kwargs: object) -> list[CheckMessage]:
    """W013: what is unique is so in its organization, or a write would tell that another one has the value."""
    return [
        checks.Warning(
            f"{name} of {model._meta.label} is unique among all organizations, so that one can tell what another has.",
            hint='Use a UniqueConstraint whose fields begin with "organization"; or, where it is meant, name it in '
            "unique_among_organizations of the model.",
            obj=model,
            id="saas_kit_tenancy.W013",
        )
        for model in owned_models()
        for name in isolation.shared_uniques(model)
    ]


def check_models_outside(**kwargs: object) -> list[CheckMessage]:
    """W008: a model with a foreign key to the organization, or to what it owns, is tenant-owned."""
    try:
        outside = isolation.models_outside()
    except ImproperlyConfigured:  # E003 tells why
        return []
    return [
        checks.Warning(
            f"{model._meta.label} points to what is an organization's, and its own rows are not guarded.",
            hint="Let it derive from saas_kit.tenancy.models.OrganizationOwned; or silence this check.",
            obj=model,
            id="saas_kit_tenancy.W008",
        )
        for model in outside
    ]


def check_admins(**kwargs: object) -> list[CheckMessage]:
    """W030: the admin's pages of tenant-owned models show whose rows they are."""
    if not apps.is_installed("django.contrib.admin"):
        return []
    from django.contrib.admin.sites import all_sites  # noqa: PLC0415 - it needs the app

    from saas_kit.tenancy.admin import OrganizationOwnedAdmin  # noqa: PLC0415

    return [
        checks.Warning(
            f"The admin of {model._meta.label} does not say whose rows it shows.",
            hint="Derive it from saas_kit.tenancy.admin.OrganizationOwnedAdmin.",
            obj=model,
            id="saas_kit_tenancy.W030",
        )
        for site in all_sites
        for model in owned_models()
        if site.is_registered(model) and not isinstance(site.get_model_admin(model), OrganizationOwnedAdmin)
    ]


def check_session_middleware(**kwargs: object) -> list[CheckMessage]:
    """W031: pages of people who sign in with a session, the admin's too, get their scope from the middleware."""
    if not apps.is_installed("django.contrib.admin"):
        return []
    needed = (AUTHENTICATION, MIDDLEWARE)
    if tuple(each for each in settings.MIDDLEWARE if each in needed) == needed:
        return []
    return [
        checks.Warning(
            f"{MIDDLEWARE} is not in MIDDLEWARE after {AUTHENTICATION}: the admin shows no tenant-owned rows.",
            hint=f'Add "{MIDDLEWARE}" to MIDDLEWARE, below "{AUTHENTICATION}".',
            id="saas_kit_tenancy.W031",
        )
    ]


def check_role(databases: Sequence[str] | None = None, **kwargs: object) -> list[CheckMessage]:
    """E011: row-level security holds for the role that the project connects as."""
    return [
        Error(
            f"In the database {alias!r}, {finding.where} {finding.problem}.",
            hint=finding.remedy,
            id="saas_kit_tenancy.E011",
        )
        for alias in databases or ()
        if row_security.is_on(connections[alias])
        for finding in isolation.inspect_role(connections[alias])
    ]


ALL = (
    check_managers,
    check_references,
    check_inheritance,
    check_links,
    check_models_outside,
    check_uniques,
    check_admins,
    check_session_middleware,
)
OF_DATABASES = (check_role,)
