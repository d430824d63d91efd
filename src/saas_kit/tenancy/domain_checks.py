"""System checks of what proves the domains of organizations."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning

from saas_kit.tenancy.conf import TenancySettings
from saas_kit.tenancy.domain_proofs import parse_nameserver


def check_nameservers(**kwargs: object) -> list[CheckMessage]:
    """E023: a name server that cannot be read would fail when a domain is proved."""
    servers: Any = TenancySettings.DNS_NAMESERVERS
    found: list[CheckMessage] = []
    for each in servers if isinstance(servers, tuple | list) else ():  # E001 reports anything else
        try:
            parse_nameserver(each)
        except (ValueError, TypeError):
            found.append(
                Error(
                    f"SAAS_KIT_TENANCY_DNS_NAMESERVERS names {each!r}, which is no address of a name server.",
                    hint='Write an IP address, with a port where it is not 53, as in "192.0.2.53" or '
                    '"[2001:db8::53]:5353".',
                    id="saas_kit_tenancy.E023",
                )
            )
    return found


def check_dnspython(**kwargs: object) -> list[CheckMessage]:
    """W032: without dnspython no organization can prove a domain."""
    if find_spec("dns") is not None:
        return []
    return [
        CheckWarning(
            "dnspython is not installed, so that no organization can prove a domain of e-mail addresses.",
            hint="Run: pip install 'django-saas-kit[dns]'. Where nobody is to join by their address, silence this.",
            id="saas_kit_tenancy.W032",
        )
    ]


ALL = (check_nameservers,)
DEPLOY = (check_dnspython,)
