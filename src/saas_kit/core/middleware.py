"""Middleware that gives each request a context of its own."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils.decorators import sync_and_async_middleware

from saas_kit.core.conf import CoreSettings
from saas_kit.core.context import fresh_context
from saas_kit.core.ids import uuid7
from saas_kit.core.paths import hide_in_path

_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._\-]{8,64}")
_WITH_PORT = re.compile(r"(?P<v4>[0-9.]+):[0-9]+|\[(?P<v6>[0-9A-Fa-f:.]+)\](?::[0-9]+)?")


def _request_id_of(request: HttpRequest) -> str:
    given = request.headers.get("X-Request-ID", "")
    return given if _SANE_REQUEST_ID.fullmatch(given) else str(uuid7())


def _address_of(request: HttpRequest) -> str | None:
    peer: str | None = request.META.get("REMOTE_ADDR")
    proxies = CoreSettings.TRUSTED_PROXIES
    if proxies < 1:
        return peer
    # the server has joined several lines of the header in their order
    entries = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
    if len(entries) < proxies:
        return peer
    return _valid_address(entries[-proxies].strip()) or peer


def _valid_address(entry: str) -> str | None:
    match = _WITH_PORT.fullmatch(entry)
    text = entry if match is None else match["v4"] or match["v6"]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    # the name of a link of the proxy means nothing here
    return None if getattr(address, "scope_id", None) else str(address)


def _finish(request: HttpRequest, response: HttpResponseBase, request_id: str) -> None:
    response.headers["X-Request-ID"] = request_id
    if response.status_code >= HTTPStatus.BAD_REQUEST:
        hide_in_path(request)


@sync_and_async_middleware
def RequestContextMiddleware(  # noqa: N802 - named as middleware classes are in settings files
    get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]],
) -> Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]:
    """
    Give each request an id and a context that ends with it.

    ``X-Request-ID`` is taken from the request where it is 8 to 64 letters, digits, dots, dashes and
    underscores, else a UUIDv7 is made; the answer carries it. The client's address is ``REMOTE_ADDR``, or what
    ``SAAS_KIT_CORE_TRUSTED_PROXIES`` say it is.

    Of a request that failed, whatever looks like a token is hidden in the path before Django logs it: a path that leads
    to no view, as its last slash is missing, has no view that would hide it.
    """
    if iscoroutinefunction(get_response):

        async def middleware(request: HttpRequest) -> HttpResponseBase:
            request_id = _request_id_of(request)
            with fresh_context(request=request_id, ip=_address_of(request)):
                response: HttpResponseBase = await get_response(request)
            _finish(request, response, request_id)
            return response

        return middleware

    def sync_middleware(request: HttpRequest) -> HttpResponseBase:
        request_id = _request_id_of(request)
        with fresh_context(request=request_id, ip=_address_of(request)):
            response: Any = get_response(request)
        _finish(request, response, request_id)
        return response  # type: ignore[no-any-return]

    return sync_middleware
