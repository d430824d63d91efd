"""System checks of the resolvers."""

from __future__ import annotations

import re
from typing import Any

from django.core.checks import CheckMessage, Error
from django.utils.module_loading import import_string

from saas_kit.tenancy.conf import TenancySettings

SUBDOMAIN = "saas_kit.tenancy.resolvers.subdomain"

_DOMAIN = re.compile(r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*", re.IGNORECASE)


def check_resolvers(**kwargs: object) -> list[CheckMessage]:
    """E020: what tells the organization of a request can be called; a request would fail otherwise."""
    hint = "It must be the dotted path to a function that takes a request, as saas_kit.tenancy.resolvers.header is."
    messages: list[CheckMessage] = []
    paths: Any = TenancySettings.RESOLVERS
    for path in paths if isinstance(paths, tuple | list) else ():  # E001 reports anything else
        try:
            resolver = import_string(path)
        except (ImportError, AttributeError, TypeError) as error:
            message = f"SAAS_KIT_TENANCY_RESOLVERS names {path!r}, which cannot be imported: {error}"
            messages.append(Error(message, hint=hint, id="saas_kit_tenancy.E020"))
            continue
        if not callable(resolver):
            message = f"SAAS_KIT_TENANCY_RESOLVERS names {path!r}, which cannot be called."
            messages.append(Error(message, hint=hint, id="saas_kit_tenancy.E020"))
    return messages


def check_base_domain(**kwargs: object) -> list[CheckMessage]:
    """E021, E022: the resolver of subdomains knows what they are below, and that can be below something."""
    domain: Any = TenancySettings.BASE_DOMAIN
    if not domain:
        if SUBDOMAIN not in TenancySettings.RESOLVERS:
            return []
        return [
            Error(
                "The resolver of subdomains needs SAAS_KIT_TENANCY_BASE_DOMAIN.",
                hint='Add SAAS_KIT_TENANCY_BASE_DOMAIN = "example.com" to your settings, with your own domain.',
                id="saas_kit_tenancy.E021",
            )
        ]
    if isinstance(domain, str) and _DOMAIN.fullmatch(domain):
        return []
    return [
        Error(
            f"SAAS_KIT_TENANCY_BASE_DOMAIN is {domain!r}, which is no domain.",
            hint='Write the domain alone, without a scheme, a port or a leading dot, as in "example.com".',
            id="saas_kit_tenancy.E022",
        )
    ]


ALL = (check_resolvers, check_base_domain)
