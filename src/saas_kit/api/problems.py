"""Problem documents (RFC 9457): the shape of every answer that is not a success."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from saas_kit.core import context

CONTENT_TYPE = "application/problem+json"


# named as in RFC 9110, which Python does from 3.13 on
_RENAMED = {413: "Content Too Large", 422: "Unprocessable Content"}


def phrase_of(status: int) -> str:
    """Return the phrase of a status (RFC 9110, section 15), whatever the version of Python."""
    return _RENAMED.get(status) or HTTPStatus(status).phrase


def problem(
    status: int, *, code: str, detail: str, errors: list[dict[str, str | None]] | None = None
) -> dict[str, Any]:
    """Return a problem document; ``type`` is ``about:blank``, so ``title`` is the status's own phrase."""
    document: dict[str, Any] = {
        "type": "about:blank",
        "title": phrase_of(status),
        "status": status,
        "detail": detail,
        "code": code,
        "request_id": context.request_id.get(),
    }
    if errors is not None:
        document["errors"] = errors
    return document


def flatten(errors: Any, path: tuple[str, ...] = ()) -> Iterator[dict[str, str | None]]:
    """Yield ``{"field", "code", "detail"}`` for every error of a serializer, ``field`` as a dotted path."""
    if isinstance(errors, Mapping):
        for name, value in errors.items():
            yield from flatten(value, path if name == "non_field_errors" else (*path, str(name)))
    elif isinstance(errors, list):
        for index, value in enumerate(errors):
            # the errors of one field are a list of messages, those of a list's items a list of mappings
            yield from flatten(value, (*path, str(index)) if isinstance(value, Mapping) and value else path)
    else:
        yield {
            "field": ".".join(path) or None,
            "code": getattr(errors, "code", "invalid"),
            "detail": str(errors),
        }
