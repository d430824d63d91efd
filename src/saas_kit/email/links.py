"""Links to the front end, and to this server."""

from __future__ import annotations

from django.urls import NoReverseMatch, reverse

from saas_kit.email.conf import EmailSettings


def frontend_link(path: str, **values: str) -> str:
    """
    Return a link to a page of the front end; empty where no front end is configured.

    Args:
        path: Begins with a slash, with a ``{name}`` for each value. A secret belongs behind a ``#``: browsers send
            that part to no server (RFC 3986, section 3.5).
    """
    base = EmailSettings.FRONTEND_URL.rstrip("/")
    return f"{base}{path.format(**values)}" if base else ""


def unsubscribe_link(token: str) -> str:
    """Return a link to the page to unsubscribe at; empty where the server's address or the page is not configured."""
    base = EmailSettings.PUBLIC_URL.rstrip("/")
    if not base:
        return ""
    try:
        return base + reverse("saas_kit_email:unsubscribe", args=[token])
    except NoReverseMatch:
        return ""
