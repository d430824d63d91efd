"""Widgets over HTTP."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema

from saas_kit.api.views import RestoreModelMixin
from saas_kit.tenancy.api.bases import OrganizationScopedViewSet
from tests.hosts.full.widgets import services
from tests.hosts.full.widgets.api.filters import WidgetFilter
from tests.hosts.full.widgets.api.serializers import WidgetSerializer
from tests.hosts.full.widgets.models import Widget
from tests.hosts.full.widgets.permissions import WidgetPermission


@extend_schema(exclude=True)  # the committed document is the kit's alone
class WidgetViewSet(RestoreModelMixin, OrganizationScopedViewSet):
    """The widgets of the organizations that the caller belongs to."""

    queryset = Widget.objects.all()
    serializer_class = WidgetSerializer
    filterset_class = WidgetFilter
    search_fields = ("name",)
    ordering_fields = ("created_at", "name", "size")
    required_permissions = {
        "list": WidgetPermission.VIEW,
        "retrieve": WidgetPermission.VIEW,
        "create": WidgetPermission.CREATE,
        "update": WidgetPermission.CHANGE,
        "destroy": WidgetPermission.DELETE,
        "restore": WidgetPermission.DELETE,
    }

    def perform_destroy(self, instance: Widget) -> None:
        services.delete_widget(instance, actor=self.request.user)

    def perform_restore(self, instance: Widget) -> Widget:
        return services.restore_widget(instance, actor=self.request.user)
