"""How allauth asks providers: in bounded time, for bounded answers, and nobody but the provider."""

from __future__ import annotations

import time
from typing import Any

import requests
from allauth.socialaccount import app_settings
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter

MAX_ANSWER_BYTES = 1024 * 1024
_CHUNK = 8192


class BoundedSession(requests.Session):
    """
    Asks a provider.

    An answer that is too long or too late, a redirect and a failure of the server are errors of ``requests``: a secret
    of the client must not follow a redirect to somewhere else.
    """

    def request(self, *args: Any, **kwargs: Any) -> requests.Response:
        deadline = time.monotonic() + app_settings.REQUESTS_TIMEOUT
        kwargs = {
            "timeout": app_settings.REQUESTS_TIMEOUT,
            **kwargs,
            "stream": True,
            "allow_redirects": False,
        }
        response = super().request(*args, **kwargs)
        try:
            response._content = _read(
                response, deadline
            )  # what `requests` does itself when it reads all at once
        finally:
            response.close()
        if response.is_redirect or response.status_code >= requests.codes.server_error:
            raise requests.HTTPError(f"answered {response.status_code}", response=response)
        return response


class SocialAccountAdapter(DefaultSocialAccountAdapter):  # type: ignore[misc]
    """allauth's adapter, with bounded requests to providers; ``SOCIALACCOUNT_ADAPTER`` names it, or one of its own."""

    def get_requests_session(self) -> requests.Session:
        return BoundedSession()


def _read(response: requests.Response, deadline: float) -> bytes:
    content = bytearray()
    for chunk in response.iter_content(_CHUNK):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise requests.RequestException("the answer is too long", response=response)
        if time.monotonic() > deadline:
            raise requests.Timeout("the answer takes too long", response=response)
    return bytes(content)
