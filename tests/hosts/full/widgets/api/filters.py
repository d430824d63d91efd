"""Filters of widgets."""

from __future__ import annotations

from django_filters import rest_framework as filters


class WidgetFilter(filters.FilterSet):
    """Filters widgets."""

    organization = filters.UUIDFilter(field_name="organization_id")
    size = filters.NumberFilter()
