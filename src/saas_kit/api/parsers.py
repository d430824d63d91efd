"""JSON as RFC 8259 has it, and nothing that only looks like it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.exceptions import APIException, ErrorDetail, ParseError, ValidationError
from rest_framework.parsers import BaseParser
from rest_framework.renderers import JSONRenderer

from saas_kit.api.conf import ApiSettings

# escapes that may make a character that neither PostgreSQL nor UTF-8 can hold
_SUSPICIOUS = re.compile(rb"\\u(?:0000|[dD][89a-fA-F])")
_MAX_DEPTH = 100  # what comes after the parser may recurse
_LONE_SURROGATE = re.compile(r"[\ud800-\udfff]")


class BodyTooLarge(APIException):
    """The body has more bytes than are accepted."""

    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = _("The request body is too large.")
    default_code = "body_too_large"


class JSONParser(BaseParser):
    """
    Parse a JSON body.

    Refused as 400 are what no other parser is sure to read the same way (duplicate names, NaN, numbers out
    of range; RFC 8259, sections 4 and 6), nesting deeper than 100 levels, and text that cannot be stored.
    """

    media_type = "application/json"
    renderer_class = JSONRenderer

    def parse(
        self,
        stream: IO[bytes],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        limit = ApiSettings.MAX_BODY_SIZE
        raw = stream.read(limit + 1)
        if len(raw) > limit:
            raise BodyTooLarge
        try:
            data = json.loads(
                raw.decode(),
                object_pairs_hook=_object_of,
                parse_constant=_refuse_constant,
                parse_float=_finite_float,
            )
        except (ValueError, RecursionError) as error:
            reason = error if isinstance(error, _Refused) else _("The body is not valid JSON.")
            raise ParseError(str(reason)) from error
        # as many brackets as that are needed for the depth, so that few bodies have to be walked
        if raw.count(b"[") + raw.count(b"{") > _MAX_DEPTH and _is_deeper(data, _MAX_DEPTH):
            raise ParseError(_("The body is nested too deeply."))
        if _SUSPICIOUS.search(raw):
            _refuse_unstorable(data, ())
        return data


class _Refused(ValueError):
    pass


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise _Refused(_("The body names a member twice in one object."))
    return result


def _refuse_constant(name: str) -> NoReturn:
    raise _Refused(_("NaN and Infinity are not JSON."))


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise _Refused(_("A number in the body is out of range."))
    return value


def _is_deeper(value: Any, depth: int) -> bool:
    level = [value]
    for _level in range(depth):
        children = (each.values() if isinstance(each, dict) else each for each in level)
        level = [child for each in children for child in each if isinstance(child, dict | list)]
        if not level:
            return False
    return True


def _refuse_unstorable(value: Any, path: tuple[str, ...]) -> None:
    if isinstance(value, str):
        if "\x00" in value or _LONE_SURROGATE.search(value):
            detail = ErrorDetail(
                str(_("This text has characters that cannot be stored.")), code="invalid_characters"
            )
            raise ValidationError({".".join(path) or "non_field_errors": [detail]})
    elif isinstance(value, dict):
        for name, item in value.items():
            if "\x00" in name or _LONE_SURROGATE.search(name):
                raise ParseError(_("The body has a name with characters that cannot be stored."))
            _refuse_unstorable(item, (*path, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            _refuse_unstorable(item, (*path, str(index)))
