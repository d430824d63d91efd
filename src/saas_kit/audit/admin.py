from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet

from saas_kit.audit.models import Event
from saas_kit.core import context


@admin.register(Event)
class EventAdmin(admin.ModelAdmin):
    """The audit log, to read and search; nothing in it can be changed."""

    list_display = ("created_at", "action", "actor_label", "target_type", "target_label", "organization_id")
    list_filter = ("action", "target_type", "staff_access")
    search_fields = ("=organization_id", "=target_id", "=request_id", "actor_label")
    date_hierarchy = "created_at"
    list_select_related = ("actor",)
    # as the pages of what belongs to organizations; where there is no tenancy there is nothing to choose
    needs_organization_choice = True
    change_list_template = ("saas_kit_tenancy/admin/change_list.html", "admin/change_list.html")
    change_form_template = ("saas_kit_tenancy/admin/change_form.html", "admin/change_form.html")

    def get_queryset(self, request: Any) -> QuerySet[Event]:
        events, scope = super().get_queryset(request), context.scope.get()
        if scope is None or scope.organization_ids is None:
            return events
        return events.filter(organization_id__in=scope.organization_ids)

    def has_add_permission(self, request: Any) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Event | None = None) -> bool:
        return False

    def has_delete_permission(self, request: Any, obj: Event | None = None) -> bool:
        return False
