"""Pages that neither repeat nor drop a row while others are added."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from typing import Any

from django.core import signing
from django.core.exceptions import FieldDoesNotExist
from django.db.models import Field, Model, Q, QuerySet
from django.db.models.constants import LOOKUP_SEP
from django.utils.translation import gettext_lazy as _
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param

from saas_kit.api.conf import ApiSettings

_SALT = "saas_kit.api.cursor"


class CursorPagination(BasePagination):
    """
    Keyset pagination: a cursor names the last row seen by the values that it is sorted by.

    The key of the row is always the last of them, so that the order is total. Rows are ordered by the query
    set's own order, which must name columns without NULL.
    """

    cursor_query_param = "cursor"
    page_size_query_param = "page_size"
    count_query_param = "count"
    query_params = (cursor_query_param, page_size_query_param, count_query_param)

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.request = request
        self.count = queryset.order_by().count() if self._wants_count(request) else None
        self.ordering = _total_order(queryset)
        page_size = self._page_size(request)
        self.cursor = self._read_cursor(request)
        position, backwards = self.cursor.get("v"), self.cursor.get("b", False)
        ordering = [_reverse(name) for name in self.ordering] if backwards else self.ordering
        queryset = queryset.order_by(*ordering)
        if position is not None:
            inclusive = self.cursor.get("i", False)
            queryset = queryset.filter(_after(queryset.model, ordering, position, inclusive=inclusive))
        rows = list(queryset[: page_size + 1])
        more = len(rows) > page_size
        self.rows = rows[:page_size]
        if backwards:
            self.rows.reverse()
        self.has_next = backwards or more
        self.has_previous = more if backwards else position is not None
        return self.rows

    def get_paginated_response(self, data: Any) -> Response:
        page: dict[str, Any] = {
            "next": self._link(-1, backwards=False) if self.has_next else None,
            "previous": self._link(0, backwards=True) if self.has_previous else None,
        }
        if self.count is not None:
            page["count"] = self.count
        return Response({**page, "results": data})

    def _link(self, index: int, *, backwards: bool) -> str:
        cursor: dict[str, Any] = {"o": self.ordering, "b": backwards}
        if self.rows:
            row = self.rows[index]
            cursor["v"] = [_plain(_value_of(row, name.lstrip("-"))) for name in self.ordering]
        else:
            # all that was to come is gone; the way back begins with the row that the way here ended with
            cursor |= {"v": self.cursor["v"], "i": True}
        text = signing.dumps(cursor, salt=_SALT)
        return replace_query_param(self.request.build_absolute_uri(), self.cursor_query_param, text)

    def _read_cursor(self, request: Request) -> dict[str, Any]:
        """Return the order, the values, the direction and whether the named row itself is on the page."""
        text = request.query_params.get(self.cursor_query_param)
        if text is None:
            return {}
        try:
            cursor = signing.loads(text, salt=_SALT)
        except signing.BadSignature:
            cursor = None
        if cursor is None or cursor["o"] != self.ordering:
            raise _bad_parameter(
                self.cursor_query_param, _("The cursor is not valid here."), "invalid_cursor"
            )
        return cursor  # type: ignore[no-any-return]

    def _page_size(self, request: Request) -> int:
        text = request.query_params.get(self.page_size_query_param)
        if text is None:
            return ApiSettings.PAGE_SIZE
        if not (text.isascii() and text.isdigit() and text.strip("0")):
            raise _bad_parameter(self.page_size_query_param, _("Enter a whole number above 0."), "invalid")
        return min(int(text.lstrip("0")[:10]), ApiSettings.MAX_PAGE_SIZE)

    def _wants_count(self, request: Request) -> bool:
        text = request.query_params.get(self.count_query_param, "false")
        if text not in ("true", "false"):
            raise _bad_parameter(self.count_query_param, _("Enter true or false."), "invalid")
        return text == "true"

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": {
                    **link,
                    "description": "The address of the next page.",
                    "example": "https://example.com/?cursor=eyJvIjpbIi1pZCJdfQ",
                },
                "previous": {**link, "description": "The address of the page before.", "example": None},
                "count": {
                    "type": "integer",
                    "description": "How many there are in all, with `?count=true`.",
                    "example": 1,
                },
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            _parameter(
                self.cursor_query_param, "The page, as `next` and `previous` name it.", {"type": "string"}
            ),
            _parameter(
                self.page_size_query_param,
                f"Rows on a page; more than {ApiSettings.MAX_PAGE_SIZE} means {ApiSettings.MAX_PAGE_SIZE}.",
                {"type": "integer", "minimum": 1, "default": ApiSettings.PAGE_SIZE},
            ),
            _parameter(
                self.count_query_param, "Whether to count all rows.", {"type": "boolean", "default": False}
            ),
        ]


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _bad_parameter(name: str, message: Any, code: str) -> ValidationError:
    return ValidationError({name: [ErrorDetail(str(message), code=code)]})


def _total_order(queryset: QuerySet[Any]) -> list[str]:
    ordering = [str(name) for name in queryset.query.order_by or queryset.model._meta.ordering]
    if not any(name.lstrip("-") in ("pk", "id") for name in ordering):
        ordering.append("-pk" if not ordering or ordering[0].startswith("-") else "pk")
    return ordering


def _reverse(name: str) -> str:
    return name[1:] if name.startswith("-") else f"-{name}"


def _after(model: type[Model], ordering: Sequence[str], position: Sequence[Any], *, inclusive: bool) -> Q:
    """Return the condition for rows that sort after a position, or at it where it is inclusive."""
    condition = Q()
    equal: dict[str, Any] = {}
    for name, text in zip(ordering, position, strict=True):
        path = name.lstrip("-")
        value = _field(model, path).to_python(text)
        condition |= Q(**equal, **{f"{path}__{'lt' if name.startswith('-') else 'gt'}": value})
        equal[path] = value
    return condition | Q(**equal) if inclusive else condition


def _field(model: type[Model], path: str) -> Field[Any, Any]:
    options = model._meta
    *relations, last = path.split(LOOKUP_SEP)
    for relation in relations:
        options = options.get_field(relation).related_model._meta  # type: ignore[union-attr]
    try:
        return options.get_field(last)  # type: ignore[return-value]
    except FieldDoesNotExist:
        return options.pk


def _value_of(row: Any, path: str) -> Any:
    return reduce(getattr, path.split(LOOKUP_SEP), row)


def _plain(value: Any) -> Any:
    return (
        value
        if isinstance(value, int | str)
        else value.isoformat()
        if hasattr(value, "isoformat")
        else str(value)
    )
