"""The pages of accounts and organizations."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin

from saas_kit.tenancy import services
from saas_kit.tenancy.admin.choosing import OrganizationChoicePage
from saas_kit.tenancy.admin.soft_deletable import SoftDeletableAdmin
from saas_kit.tenancy.models import (
    AbstractOrganization,
    Account,
    AccountMembership,
    Membership,
    Organization,
    Status,
    get_organization_model,
)
from saas_kit.tenancy.scoping import scope


class AccountMembershipInline(admin.TabularInline):
    model = AccountMembership
    fields = ("user", "role", "created_at")
    readonly_fields = fields
    can_delete = False
    extra = 0

    def has_add_permission(self, request: Any, obj: Any = None) -> bool:
        return False


@admin.register(Account)
class AccountAdmin(OrganizationChoicePage, SoftDeletableAdmin):
    """Customers."""

    list_display = ("name", "slug", "status", "created_at", "deleted_at")
    fields = ("id", "name", "slug", "status", "metadata", "created_at", "updated_at", "deleted_at")
    inlines = (AccountMembershipInline,)

    def get_deleted_objects(self, objs: Any, request: Any) -> Any:
        organizations = get_organization_model().all_objects.filter(account__in=[each.pk for each in objs])
        with scope(organizations.values_list("pk", flat=True)):
            return super().get_deleted_objects(objs, request)

    def save_model(self, request: Any, obj: Account, form: Any, change: bool) -> None:
        values = {name: form.cleaned_data[name] for name in ("name", "slug", "metadata")}
        if change:
            services.change_account(obj, actor=request.user, **values)
        else:
            created = services.create_account(owner=request.user, actor=request.user, **values)
            obj.pk = created.pk
            obj._state.adding = False

    def delete_one(self, obj: Account, request: Any) -> None:
        services.delete_account(obj, actor=request.user)

    def restore_one(self, obj: Account, request: Any) -> None:
        services.restore_account(obj, actor=request.user)

    def set_status(self, obj: Account, status: Status, request: Any) -> None:
        services.set_account_status(obj, status, actor=request.user)


class MembershipInline(admin.TabularInline):
    model = Membership
    fields = ("user", "role", "created_at")
    readonly_fields = fields
    can_delete = False
    extra = 0

    def has_add_permission(self, request: Any, obj: Any = None) -> bool:
        return False


class OrganizationAdmin(SoftDeletableAdmin):
    """Organizations; a host registers a subclass for a model of its own."""

    list_display = ("name", "slug", "account", "status", "require_mfa", "created_at", "deleted_at")
    list_select_related = ("account",)
    autocomplete_fields = ("account",)
    fields: ClassVar[Any] = (
        "id",
        "account",
        "name",
        "slug",
        "status",
        "require_mfa",
        "metadata",
        "created_at",
        "updated_at",
        "deleted_at",
    )
    inlines = (MembershipInline,)

    def get_deleted_objects(self, objs: Any, request: Any) -> Any:
        with scope(list(objs)):
            return super().get_deleted_objects(objs, request)

    def get_readonly_fields(self, request: Any, obj: Any = None) -> Any:
        return (*self.readonly_fields, "account") if obj else self.readonly_fields

    def save_model(self, request: Any, obj: AbstractOrganization, form: Any, change: bool) -> None:
        values = {name: value for name, value in form.cleaned_data.items() if name != "account"}
        if change:
            services.change_organization(obj, actor=request.user, **values)
        else:
            created = services.create_organization(
                account=form.cleaned_data["account"], owner=request.user, actor=request.user, **values
            )
            obj.pk = created.pk
            obj._state.adding = False

    def delete_one(self, obj: AbstractOrganization, request: Any) -> None:
        services.delete_organization(obj, actor=request.user)

    def restore_one(self, obj: AbstractOrganization, request: Any) -> None:
        services.restore_organization(obj, actor=request.user)

    def set_status(self, obj: AbstractOrganization, status: Status, request: Any) -> None:
        services.set_organization_status(obj, status, actor=request.user)


if not Organization._meta.swapped:
    admin.site.register(Organization, OrganizationAdmin)
