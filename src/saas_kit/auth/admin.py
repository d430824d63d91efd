from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.utils import unquote
from django.contrib.auth import admin as django_admin
from django.contrib.auth import forms
from django.db import transaction
from django.db.models import Q, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from saas_kit.auth import services
from saas_kit.auth.devices import device_of
from saas_kit.auth.exceptions import WeakPassword
from saas_kit.auth.identity import email_field
from saas_kit.auth.models import Erasure, Session, User


class PasswordRules:
    """Lets a form refuse the passwords that the services refuse."""

    def validate_password_for_user(self, user: Any, password_field_name: str = "password2") -> None:  # noqa: S107
        form: Any = self
        password = form.cleaned_data.get(password_field_name)
        if not password or not form.cleaned_data.get("set_usable_password", True):
            return
        try:
            services.validate_password(password, user)
        except WeakPassword as error:
            form.add_error(password_field_name, str(error))


class UserCreationForm(PasswordRules, forms.AdminUserCreationForm):
    """Asks for the address where Django's asks for a username."""

    class Meta:
        model = User
        fields = ("email",)


class UserChangeForm(forms.UserChangeForm):
    class Meta:
        model = User
        fields = "__all__"


class PasswordForm(PasswordRules, forms.AdminPasswordChangeForm):
    """Sets somebody's password."""


class UserAdmin(django_admin.UserAdmin):
    """
    People; a host registers a subclass for a model of its own that derives from AbstractEmailUser.

    Every change is recorded in the audit log. People are deactivated, not deleted. Deactivating ends no
    memberships: a person who alone owns an organization stays its owner.
    """

    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = PasswordForm
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
        # what a service changes is left as it was, for the service to see the difference
        changes = _changes(form)
        email, is_active = obj.email, obj.is_active
        if "email" in changes:
            del changes["email"]
            obj.email = form.initial["email"]
        if "is_active" in changes and not is_active:
            del changes["is_active"]
            obj.is_active = True
        super().save_model(request, obj, form, change)
        if changes:
            services.record_changes(obj, changes, actor=request.user)
        if email != obj.email:
            services.change_email(obj, email, actor=request.user)
        if is_active != obj.is_active:
            services.deactivate_user(obj, actor=request.user)

    def user_change_password(self, request: Any, id: str, form_url: str = "") -> Any:  # noqa: A002
        with transaction.atomic():
            before = self.get_object(request, unquote(id))
            response = super().user_change_password(request, id, form_url)
            after = self.get_object(request, unquote(id))
            if before is not None and after is not None and before.password != after.password:
                services.record_changes(after, {"password": [None, None]}, actor=request.user)
                services.revoke_sessions(after, actor=request.user)
        return response

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


def _changes(form: Any) -> dict[str, list[Any]]:
    return {
        name: [_plain(form.initial.get(name)), _plain(form.cleaned_data.get(name))]
        for name in form.changed_data
    }


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    return sorted(map(str, value)) if isinstance(value, Iterable) else str(value)


if not User._meta.swapped:
    admin.site.register(User, UserAdmin)


class SessionStateFilter(admin.SimpleListFilter):
    """Tells what can still be used from what is over."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: Any, model_admin: Any) -> list[tuple[str, Any]]:
        return [("live", _("live")), ("ended", _("ended")), ("expired", _("expired"))]

    def queryset(self, request: Any, queryset: QuerySet[Session]) -> QuerySet[Session]:
        now = timezone.now()
        conditions = {
            "live": Q(revoked_at__isnull=True, expires_at__gt=now),
            "ended": Q(revoked_at__isnull=False),
            "expired": Q(revoked_at__isnull=True, expires_at__lte=now),
        }
        return queryset.filter(conditions.get(self.value() or "", Q()))


@admin.register(Session)
class SessionAdmin(admin.ModelAdmin):
    """Who is signed in where; a session can be ended, not changed."""

    list_display = (
        "user",
        "device",
        "ip_address",
        "created_at",
        "last_seen_at",
        "expires_at",
        "revoked_at",
    )
    list_filter = (SessionStateFilter, "created_at", "last_seen_at")
    list_select_related = ("user",)
    search_fields = ("=id", "=user__id", f"user__{email_field()}", "=ip_address", "user_agent")
    search_help_text = _(
        "A person's address or id, a session's id, an IP address, or a part of a user agent."
    )
    show_full_result_count = False
    fields = (
        "id",
        "user",
        "created_at",
        "last_seen_at",
        "rotated_at",
        "expires_at",
        "revoked_at",
        "ip_address",
        "device",
        "user_agent",
    )
    readonly_fields = fields
    actions = ("revoke",)

    @admin.display(description=_("device"))
    def device(self, session: Session) -> str:
        """Return what people call the device."""
        return device_of(session.user_agent)

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
        live = list(queryset.filter(revoked_at__isnull=True, expires_at__gt=timezone.now()))
        for session in live:
            services.revoke_session(session, actor=request.user)
        text = ngettext("%(count)d session was ended.", "%(count)d sessions were ended.", len(live))
        self.message_user(request, text % {"count": len(live)}, messages.SUCCESS)


@admin.register(Erasure)
class ErasureAdmin(admin.ModelAdmin):
    """Whose erasure is due when; it can be cancelled, on the person's wish, and not changed."""

    list_display = ("user", "requested_at", "due_at", "refused_at")
    list_select_related = ("user",)
    search_fields = ("=user__id",)
    fields = ("id", *list_display)
    readonly_fields = fields
    actions = ("cancel",)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Erasure | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Erasure | None = None) -> bool:
        return False

    def has_cancel_permission(self, request: HttpRequest) -> bool:
        """Tell whether somebody may cancel erasures: who may delete them in Django's terms."""
        return request.user.has_perm("saas_kit_auth.delete_erasure")

    @admin.action(description=_("Cancel the selected erasures"), permissions=["cancel"])
    def cancel(self, request: Any, queryset: QuerySet[Erasure]) -> None:
        count = sum(services.cancel_erasure(each.user, actor=request.user) for each in queryset)
        text = ngettext("%(count)d erasure was cancelled.", "%(count)d erasures were cancelled.", count)
        self.message_user(request, text % {"count": count}, messages.SUCCESS)
