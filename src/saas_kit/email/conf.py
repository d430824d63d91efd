"""Settings of e-mail."""

from __future__ import annotations

from saas_kit.core.conf import AppSettings


class EmailSettings(AppSettings):
    prefix = "SAAS_KIT_EMAIL_"

    FRONTEND_URL: str = ""
    """
    Where the front end is, such as ``https://app.example.com``; the links in messages begin with it, whatever host a
    request names. Left empty, messages have no links, and show the token that a link would carry.
    """

    PRODUCT_NAME: str = "saas_kit"
    """What messages call the service."""
