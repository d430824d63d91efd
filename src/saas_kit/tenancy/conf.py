"""Settings of tenancy."""

from __future__ import annotations

from datetime import timedelta
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

    RESOLVERS: tuple[str, ...] = ("saas_kit.tenancy.resolvers.header",)
    """
    Dotted paths to what tells the organization that a request is about: ``header``, ``subdomain``, ``path`` and
    ``claim`` of ``saas_kit.tenancy.resolvers``, or your own.
    """

    BASE_DOMAIN: str = ""
    """The domain below which each organization has a subdomain, its slug; for the resolver ``subdomain``."""

    RESERVED_SUBDOMAINS: tuple[str, ...] = ("www",)
    """Subdomains of the base domain that are no organization's, in lower case."""

    PATH_ARGUMENT: str = "organization_slug"
    """The argument of a URL that is the slug or the id of an organization; for the resolver ``path``."""

    CLAIM: str = "org"
    """The claim that is the slug or the id of an organization, in the tokens of a sign-in that is not the kit's."""

    ROW_LEVEL_SECURITY: bool = True
    """
    Whether PostgreSQL's row-level security stands behind the guard. It takes effect, both ways, with the next
    ``migrate``. Other databases have none.
    """

    TRUSTED_FUNCTIONS: tuple[str, ...] = ()
    """
    Functions of the database that may run with their owner's rights (``SECURITY DEFINER``), each with the types of
    its arguments, as ``saas_kit_check_isolation`` names them.
    """

    PUBLIC_MAIL_DOMAINS: tuple[str, ...] = ()
    """Domains in which anybody can have an address, beside those that the kit knows: no organization can claim them."""

    DNS_NAMESERVERS: tuple[str, ...] = ()
    """
    The name servers that are asked for the proof of a domain, each an IP address with or without a port, such as
    ``192.0.2.53``, ``192.0.2.53:5353`` or ``[2001:db8::53]:5353``. Empty, it is those of the operating system.
    """

    DOMAIN_CHECK_INTERVAL: timedelta = timedelta(days=1)
    """How long after the proof of a domain was looked up it is looked up again; with zero it never is."""

    DOMAIN_GRACE: timedelta = timedelta(days=7)
    """How long the proof of a domain may be missing before the organization has the domain no longer."""

    SECOND_FACTOR: str = ""
    """
    Dotted path to a function that takes a person and tells whether they have a second factor, for organizations that
    require one. Empty, ``saas_kit.auth`` tells it; without that nothing does, and nobody can require one.
    """

    INVITATION_LIFETIME: timedelta = timedelta(days=7)
    """How long an invitation can be answered, where whoever invites does not say."""

    INVITATION_MAX_LIFETIME: timedelta = timedelta(days=30)
    """How long an invitation can be answered at most."""

    INVITATION_REMINDER: timedelta = timedelta(days=3)
    """
    How long before its end somebody is reminded of an invitation, and how long after it was sent at the earliest; with
    zero nobody is.
    """

    INVITATION_RETENTION: timedelta = timedelta(days=90)
    """How long ``saas_kit_purge`` leaves invitations that were answered, taken back or expired."""

    INVITATION_LINK: str = "/invitation#token={token}"
    """The path of the front end's page for answering an invitation, with ``{token}`` in it."""

    SEAT_LIMIT: str = ""
    """
    Dotted path to a function that takes an organization and returns how many members it may have, or None for any
    number. Open invitations hold seats as well. Empty, there is no limit.
    """

    RATE_LIMITS: dict[str, str | None] = {}
    """
    How often something may be done, as in ``{"invitations": "50/d"}``; they replace those of the same name in
    ``saas_kit.tenancy.limits.DEFAULTS``, and None lifts one.
    """

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
