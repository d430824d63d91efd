"""Settings of the API."""

from __future__ import annotations

from saas_kit.core.conf import AppSettings


class ApiSettings(AppSettings):
    prefix = "SAAS_KIT_API_"

    PATH_PREFIX: str = "/api/"
    """Below this path every error is a problem document, unknown paths and failures outside the views too."""

    MAX_BODY_SIZE: int = 1024 * 1024
    """Bytes that a request body may have at most; more is answered 413."""

    PAGE_SIZE: int = 25
    """Rows on a page where the client names no number."""

    MAX_PAGE_SIZE: int = 100
    """Rows on a page at most, whatever the client names."""
