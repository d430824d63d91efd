from __future__ import annotations

from typing import Any

from django.contrib import admin

from saas_kit.audit.models import Event


@admin.register(Event)
class EventAdmin(admin.ModelAdmin):
    """The audit log, to read and search; nothing in it can be changed."""

    list_display = ("created_at", "action", "actor_label", "target_type", "target_label", "organization_id")
    list_filter = ("action", "target_type", "staff_access")
    search_fields = ("=organization_id", "=target_id", "=request_id", "actor_label")
    date_hierarchy = "created_at"
    list_select_related = ("actor",)

    def has_add_permission(self, request: Any) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Event | None = None) -> bool:
        return False

    def has_delete_permission(self, request: Any, obj: Event | None = None) -> bool:
        return False
