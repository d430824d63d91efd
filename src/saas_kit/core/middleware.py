"""Middleware that gives each request a context of its own."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from saas_kit.core.context import fresh_context
from saas_kit.core.ids import uuid7

_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{8,64}")


def _request_id_of(request: HttpRequest) -> str:
    given = request.headers.get("X-Request-ID", "")
    return given if _SANE_REQUEST_ID.fullmatch(given) else str(uuid7())


@sync_and_async_middleware
def RequestContextMiddleware(  # noqa: N802 - named as middleware classes are in settings files
    get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]],
) -> Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]:
    """
    Give each request an id and a context that ends with it.

    ``X-Request-ID`` is taken from the request where it is 8 to 64 letters, digits, dots, dashes and
    underscores, else a UUIDv7 is made; the answer carries it.
    """
    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponseBase:
            request_id = _request_id_of(request)
            with fresh_context(request=request_id, ip=request.META.get("REMOTE_ADDR")):
                response: HttpResponseBase = await get_response(request)
            response.headers["X-Request-ID"] = request_id
            return response

        return middleware

    def sync_middleware(request: HttpRequest) -> HttpResponseBase:
        request_id = _request_id_of(request)
        with fresh_context(request=request_id, ip=request.META.get("REMOTE_ADDR")):
            response: Any = get_response(request)
        response.headers["X-Request-ID"] = request_id
        return response  # type: ignore[no-any-return]

    return sync_middleware
