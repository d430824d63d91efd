"""E-mail addresses as they are stored and compared."""

from __future__ import annotations

import unicodedata

from django.utils.encoding import punycode


def normalize_email(email: str) -> str:
    """
    Return the one form of an address: NFKC, in lower case, the domain as in DNS.

    Two spellings of one address have the same form, and mail is sent to that form. What is not an address is
    returned in the same way, for a validator to refuse; see ``has_dns_form()`` too.
    """
    local, at, domain = _folded(email).rpartition("@")
    return f"{local}{at}{_as_in_dns(domain)}"


def normalize_domain(domain: str) -> str:
    """
    Return the one form of a domain, which is that in the normalized addresses there.

    What is no domain is returned in the same way, for a validator to refuse.
    """
    return _as_in_dns(_folded(domain))


def domain_of(email: str) -> str:
    """Return the domain of an address, normalized; empty of what is no address."""
    _, at, domain = normalize_email(email).rpartition("@")
    return domain if at else ""


def has_dns_form(email: str) -> bool:
    """
    Tell whether a normalized address is one that mail can be sent to and that every database compares alike.

    That is ASCII: the domain could be written as in DNS, and nothing is left whose lower case depends on the
    version of Unicode that Python or the database knows.
    """
    return email.isascii()


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).strip().lower())


def _as_in_dns(domain: str) -> str:
    try:
        return punycode(domain)
    except UnicodeError:
        return domain
