"""Links to the front end."""

from __future__ import annotations

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
