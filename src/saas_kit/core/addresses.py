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
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email).strip().lower())
    local, at, domain = text.rpartition("@")
    try:
        return f"{local}{at}{punycode(domain)}"
    except UnicodeError:
        return text


def has_dns_form(email: str) -> bool:
    """
    Tell whether a normalized address is one that mail can be sent to and that every database compares alike.

    That is ASCII: the domain could be written as in DNS, and nothing is left whose lower case depends on the
    version of Unicode that Python or the database knows.
    """
    return email.isascii()
