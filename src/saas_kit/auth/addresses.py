"""E-mail addresses as they are stored and compared."""

from __future__ import annotations

import unicodedata

from django.utils.encoding import punycode


def normalize_email(email: str) -> str:
    """
    Return the one form of an address: NFKC, in lower case, the domain as in DNS.

    Two spellings of one address have the same form, and mail is sent to that form. What is not an address is
    returned in the same way, for a validator to refuse.
    """
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", email).strip().lower())
    local, at, domain = text.rpartition("@")
    try:
        return f"{local}{at}{punycode(domain)}"
    except UnicodeError:
        return text
