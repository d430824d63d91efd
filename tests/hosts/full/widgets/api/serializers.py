"""The shape of widgets."""

from __future__ import annotations

from typing import Any

from saas_kit.api.serializers import ModelSerializer
from saas_kit.tenancy.api.fields import OrganizationField
from tests.hosts.full.widgets import services
from tests.hosts.full.widgets.models import Widget


class WidgetSerializer(ModelSerializer):
    """A widget."""

    organization = OrganizationField(required=False)

    class Meta:
        model = Widget
        fields = ("id", "organization", "name", "size", "created_at", "updated_at")
        create_only_fields = ("organization",)

    def create(self, validated_data: dict[str, Any]) -> Widget:
        return services.create_widget(**validated_data)

    def update(self, instance: Widget, validated_data: dict[str, Any]) -> Widget:
        return services.change_widget(instance, **validated_data)
