"""The filters of the kit's own viewsets in both twins."""

from __future__ import annotations

from django_filters import rest_framework as filters


class DocumentFilter(filters.FilterSet):
    """Filters documents."""

    folder = filters.UUIDFilter(field_name="folder_id")
    size = filters.NumberFilter()
