"""Filters that refuse what they do not know, so that a typo never returns everything."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework import filters
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.settings import api_settings

from saas_kit.api.pagination import CursorPagination

_MAX_SEARCH_LENGTH = 200
_MAX_DIGITS = 50


def _refuse(parameter: str, message: Any, code: str) -> ValidationError:
    return ValidationError({parameter: [ErrorDetail(str(message), code=code)]})


class FilterBackend(DjangoFilterBackend):
    """The documented filters of a view; any other query parameter is 400 ``unknown_parameter``."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        known = {*CursorPagination.query_params, api_settings.SEARCH_PARAM, api_settings.ORDERING_PARAM}
        filterset_class = self.get_filterset_class(view, queryset)
        if filterset_class is not None:
            known.update(filterset_class.base_filters)
        for parameter in request.query_params:
            if parameter not in known:
                raise _refuse(parameter, _("There is no such filter."), "unknown_parameter")
        return super().filter_queryset(request, queryset, view)  # type: ignore[no-any-return]

    def get_filterset(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:
        filterset = super().get_filterset(request, queryset, view)
        if filterset is not None and filterset.is_valid():
            for parameter, value in filterset.form.cleaned_data.items():
                # an integer column would write the number out, with every digit that its exponent stands for
                if isinstance(value, Decimal) and value.adjusted() > _MAX_DIGITS:
                    raise _refuse(parameter, _("This number is out of range."), "invalid")
        return filterset


class SearchFilter(filters.SearchFilter):
    """Search in the documented fields of a view."""

    def get_search_terms(self, request: Request) -> list[str]:
        text = request.query_params.get(self.search_param, "")
        if len(text) > _MAX_SEARCH_LENGTH or "\x00" in text:
            raise _refuse(
                self.search_param, _("This is too long, or has characters that are not text."), "invalid"
            )
        return super().get_search_terms(request)


class OrderingFilter(filters.OrderingFilter):
    """Order by the documented fields of a view; any other is 400 ``unknown_ordering``."""

    def get_ordering(self, request: Request, queryset: QuerySet[Any], view: Any) -> Sequence[str] | None:
        text = request.query_params.get(self.ordering_param)
        if text is not None:
            known = {name for name, _label in self.get_valid_fields(queryset, view, {"request": request})}
            names = [name.strip() for name in text.split(",")]
            if any(name.removeprefix("-") not in known for name in names):
                message = _("Order by one of: %(fields)s.") % {"fields": ", ".join(sorted(known))}
                raise _refuse(self.ordering_param, message, "unknown_ordering")
            if len({name.removeprefix("-") for name in names}) != len(names):
                raise _refuse(self.ordering_param, _("Name each field once."), "invalid")
        return super().get_ordering(request, queryset, view)

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        fields = [str(name) for name in getattr(view, "ordering_fields", ())]
        return [
            {
                "name": self.ordering_param,
                "in": "query",
                "required": False,
                "description": f"Fields to order by, with a dash in front for descending: {', '.join(fields)}.",
                "schema": {"type": "string"},
            }
        ]
