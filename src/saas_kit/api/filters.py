"""Filters that refuse what they do not know, so that a typo never returns everything."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from decimal import Decimal
from typing import Any

import django_filters
from django import forms
from django.db.models import Field, ForeignKey, IntegerField, Model, QuerySet
from django.utils.translation import gettext_lazy as _
from django_filters.rest_framework import DjangoFilterBackend
from django_filters.utils import get_model_field
from rest_framework import filters
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.settings import api_settings

from saas_kit.api.pagination import CursorPagination

_MAX_SEARCH_LENGTH = 200
_MAX_DIGITS = 50
_MIN_INTEGER, _MAX_INTEGER = -(2**63), 2**63 - 1
_BOOLEANS = {"true": True, "false": False}


def _refuse(parameter: str, message: Any, code: str) -> ValidationError:
    return ValidationError({parameter: [ErrorDetail(str(message), code=code)]})


def refuse_unknown_parameters(request: Request, known: Collection[str]) -> None:
    """
    Refuse a request with a query parameter that its path does not have.

    Raises:
        ValidationError: There is one, with the code ``unknown_parameter``.
    """
    for parameter in request.query_params:
        if parameter not in known:
            raise _refuse(parameter, _("There is no such filter."), "unknown_parameter")


def boolean_parameter(request: Request, name: str) -> bool:
    """
    Return what a query parameter says; False where it is left out.

    Raises:
        ValidationError: It is neither ``true`` nor ``false``.
    """
    value = _BOOLEANS.get(request.query_params.get(name, "false"))
    if value is None:
        raise _refuse(name, _BooleanField.default_error_messages["invalid"], "invalid")
    return value


class _BooleanField(forms.Field):
    widget = forms.TextInput
    default_error_messages = {"invalid": _("Enter true or false.")}

    def to_python(self, value: Any) -> bool | None:
        if value is None:
            return None
        if value not in _BOOLEANS:
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return _BOOLEANS[value]


class BooleanFilter(django_filters.BooleanFilter):
    """Filters by ``true`` or ``false``; django-filter's own takes any other word for no filter."""

    field_class = _BooleanField


class FilterBackend(DjangoFilterBackend):
    """The documented filters of a view; any other query parameter is 400 ``unknown_parameter``."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        known = {*CursorPagination.query_params, api_settings.SEARCH_PARAM, api_settings.ORDERING_PARAM}
        filterset_class = self.get_filterset_class(view, queryset)
        if filterset_class is not None:
            known.update(filterset_class.base_filters)
        refuse_unknown_parameters(request, known)
        return super().filter_queryset(request, queryset, view)  # type: ignore[no-any-return]

    def get_filterset(self, request: Request, queryset: QuerySet[Any], view: Any) -> Any:
        filterset = super().get_filterset(request, queryset, view)
        if filterset is not None and filterset.is_valid():
            for parameter, value in filterset.form.cleaned_data.items():
                if isinstance(value, Decimal):
                    field = _column(queryset.model, filterset.filters[parameter].field_name)
                    _check_number(parameter, value, whole=isinstance(field, IntegerField))
        return filterset


def _column(model: type[Model], path: str) -> Field[Any, Any] | None:
    """Return the field that a filter compares with, through keys to what they point at; None of what is none."""
    field: Any = get_model_field(model, path)
    while isinstance(field, ForeignKey):
        field = field.target_field
    return field  # type: ignore[no-any-return]


def _check_number(parameter: str, value: Decimal, *, whole: bool) -> None:
    # a database may write the number out, with every digit that its exponent stands for
    in_range = _MIN_INTEGER <= value <= _MAX_INTEGER if whole else value.adjusted() <= _MAX_DIGITS
    if not in_range:
        raise _refuse(parameter, _("This number is out of range."), "invalid")
    if whole and value != value.to_integral_value():
        raise _refuse(parameter, _("Enter a whole number."), "invalid")


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
