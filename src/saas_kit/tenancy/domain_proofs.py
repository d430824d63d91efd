"""
Whether a domain is an organization's: a TXT record that only those can publish who run the domain.

The record is at a name of its own below the domain (RFC 8552), so that it is in nobody's way and can stay.
"""

from __future__ import annotations

import ipaddress
import logging
from typing import Any
from urllib.parse import urlsplit

from saas_kit.tenancy.conf import TenancySettings
from saas_kit.tenancy.exceptions import DnsUnavailable

logger = logging.getLogger("saas_kit.tenancy")

RECORD_TYPE = "TXT"
LABEL = "_saas-kit-challenge"
PREFIX = "saas-kit-verification="

SERVER_PATIENCE = 2.0
"""Seconds that one name server has for its answer."""

PATIENCE = 5.0
"""Seconds that all of them have."""

_DNS_PORT = 53


def record_name(domain: str) -> str:
    """Return the name of the record that proves a domain."""
    return f"{LABEL}.{domain}"


def record_value(proof: str) -> str:
    """Return the text that the record has to have."""
    return f"{PREFIX}{proof}"


def is_published(name: str, value: str) -> bool:
    """
    Tell whether DNS has a TXT record of a name with a text; others may be beside it.

    Raises:
        DnsUnavailable: The name servers do not tell, or dnspython is not installed.
    """
    try:
        from dns import exception, resolver  # noqa: PLC0415 - an extra, and needed here alone
    except ImportError as error:
        logger.exception("No domain can be proved: dnspython is not installed.")
        raise DnsUnavailable from error
    try:
        # the dot at the end keeps the search list of the operating system out of it
        answer = _resolver().resolve(f"{name}.", RECORD_TYPE, search=False)
    except (resolver.NXDOMAIN, resolver.NoAnswer):
        return False
    except exception.DNSException as error:
        logger.warning("The name servers do not tell of %s: %s", name, error)
        raise DnsUnavailable from error
    # a text of more than 255 characters comes in parts, and a shorter one may
    return any(b"".join(record.strings) == value.encode() for record in answer)


def parse_nameserver(text: str) -> tuple[str, int]:
    """
    Return the address and the port of a name server.

    Raises:
        ValueError: It is no IP address with or without a port.
    """
    try:
        return str(ipaddress.ip_address(text)), _DNS_PORT
    except ValueError:
        parts = urlsplit(f"//{text}")
        if parts.netloc != text or "@" in text:
            raise
        return str(ipaddress.ip_address(parts.hostname or "")), parts.port or _DNS_PORT


def _resolver() -> Any:
    from dns import nameserver, resolver  # noqa: PLC0415 - as above

    servers = [parse_nameserver(each) for each in TenancySettings.DNS_NAMESERVERS]
    found = resolver.Resolver(configure=not servers)
    if servers:
        found.nameservers = [nameserver.Do53Nameserver(address, port) for address, port in servers]
    found.timeout, found.lifetime = SERVER_PATIENCE, PATIENCE
    return found
