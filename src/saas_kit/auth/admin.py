from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth import admin as django_admin
from django.contrib.auth import forms
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from saas_kit.auth import services
from saas_kit.auth.models import Session, User


class UserCreationForm(forms.AdminUserCreationForm):
    """Asks for the address where Django's asks for a username."""

    class Meta:
        model = User
        fields = ("email",)


class UserChangeForm(forms.UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"


class UserAdmin(django_admin.UserAdmin):
    """People; a host registers a subclass for a model of its own that derives from AbstractEmailUser."""

    form = UserChangeForm
    add_form = UserCreationForm
    list_display = ("email", "first_name", "last_name", "is_active", "is_staff", "created_at")
    list_filter = ("is_active", "is_staff", "is_superuser", "groups")
    search_fields = ("email", "first_name", "last_name", "=id")
    ordering = ("-id",)
    readonly_fields = ("id", "last_login", "created_at", "updated_at")
    fieldsets = (
        (None, {"fields": ("id", "email", "password")}),
        (_("Personal info"), {"fields": ("first_name", "last_name")}),
        (
            _("Permissions"),
            {"fields": ("is_active", "is_staff", "is_superuser", "groups", "user_permissions")},
        ),
        (_("Important dates"), {"fields": ("last_login", "created_at", "updated_at")}),
    )
    add_fieldsets = (
        (None, {"classes": ("wide",), "fields": ("email", "usable_password", "password1", "password2")}),
    )

    def save_model(self, request: Any, obj: User, form: Any, change: bool) -> None:
        if not change:
            password = form.cleaned_data["password1"] if obj.has_usable_password() else None
            created = services.create_user(email=obj.email, password=password, actor=request.user)
            obj.__dict__.update(created.__dict__)
            return
        super().save_model(request, obj, form, change)
        if "is_active" in form.changed_data and not obj.is_active:
            services.deactivate_user(obj, actor=request.user)


if not User._meta.swapped:
    admin.site.register(User, UserAdmin)


@admin.register(Session)
class SessionAdmin(admin.ModelAdmin):
    """Who is signed in where; a session can be ended, not changed."""

    list_display = (
        "user",
        "created_at",
        "last_seen_at",
        "expires_at",
        "revoked_at",
        "ip_address",
        "user_agent",
    )
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    list_select_related = ("user",)
    search_fields = ("=id", "=user__id", "=ip_address")
    date_hierarchy = "created_at"
    fields = (
        "id",
        "user",
        "created_at",
        "last_seen_at",
        "rotated_at",
        "expires_at",
        "revoked_at",
        "ip_address",
        "user_agent",
    )
    readonly_fields = fields
    actions = ("revoke",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Session | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Session | None = None) -> bool:
        return False

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Tell whether somebody may end sessions: who may delete them in Django's terms."""
        return request.user.has_perm("saas_kit_auth.delete_session")

    @admin.action(description=_("End the selected sessions"), permissions=["revoke"])
    def revoke(self, request: Any, queryset: QuerySet[Session]) -> None:
        live = list(queryset.filter(revoked_at__isnull=True))
        for session in live:
            services.revoke_session(session, actor=request.user)
        text = ngettext("%(count)d session was ended.", "%(count)d sessions were ended.", len(live))
        self.message_user(request, text % {"count": len(live)}, messages.SUCCESS)
