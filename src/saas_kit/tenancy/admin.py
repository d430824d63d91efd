from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from django import forms
from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import FieldDoesNotExist, PermissionDenied, ValidationError
from django.db.models import Model, Q, QuerySet
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from saas_kit.core import context
from saas_kit.core.exceptions import SaasKitError
from saas_kit.tenancy import choice, services
from saas_kit.tenancy.exceptions import SlugTaken
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

_FIELD = "organization"


def _is_placed(model: type[Model]) -> bool:
    """Tell whether each row of a model is in an organization; memberships are, though no scope guards them."""
    try:
        field = model._meta.get_field(_FIELD)
    except FieldDoesNotExist:
        return False
    return field.related_model is get_organization_model()


class OrganizationOwnedForm(forms.ModelForm):
    """
    A form of a row that belongs to an organization: a new one to that of the scope.

    It refuses references to what is in another organization, and checks the constraints that name the organization
    or the mark of deletion, which are no fields of it.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.organization_id is None:
            self.instance.organization_id = _one_in_scope()

    def clean(self) -> dict[str, Any] | None:
        cleaned: dict[str, Any] | None = super().clean()
        for name, value in (self.cleaned_data if cleaned is None else cleaned).copy().items():
            if self._is_elsewhere(value):
                messages_of_field: Any = self.fields[name].error_messages
                self.add_error(name, ValidationError(messages_of_field["invalid_choice"], "invalid_choice"))
        return cleaned

    def _is_elsewhere(self, value: Any) -> bool:
        own = self.instance.organization_id
        if isinstance(value, QuerySet) and _is_placed(value.model):
            return value.exclude(organization=own).exists()
        return isinstance(value, Model) and _is_placed(type(value)) and getattr(value, f"{_FIELD}_id") != own

    def _get_validation_exclusions(self) -> set[str]:
        excluded: set[str] = super()._get_validation_exclusions()
        return excluded - {_FIELD, "deleted_at"}


def _one_in_scope() -> Any:
    found = context.scope.get()
    return None if found is None else found.only


class OrganizationOwnedAdmin(admin.ModelAdmin):
    """
    The pages of a model whose rows belong to organizations; hosts derive theirs from it.

    They show what the member of staff chose, one organization or all, and say so. With all of them, the page of a
    row is held to the organization of that row, and nothing can be added until one is chosen.
    """

    form: ClassVar[Any] = OrganizationOwnedForm
    change_list_template = "saas_kit_tenancy/admin/change_list.html"
    change_form_template = "saas_kit_tenancy/admin/change_form.html"
    delete_confirmation_template = "saas_kit_tenancy/admin/delete_confirmation.html"
    delete_selected_confirmation_template = "saas_kit_tenancy/admin/delete_selected_confirmation.html"
    object_history_template = "saas_kit_tenancy/admin/object_history.html"

    def get_object(self, request: Any, object_id: str, from_field: Any = None) -> Any:
        found: Any = super().get_object(request, object_id, from_field)
        wider = context.scope.get()
        if found is not None and wider is not None:
            # the middleware takes it back; replaced, so that a block around the view finds what is its own
            held = replace(wider, organization_ids=frozenset((found.organization_id,)), reason="")
            context.scope.set(held)
        return found

    def changeform_view(
        self, request: Any, object_id: str | None = None, form_url: str = "", extra_context: Any = None
    ) -> Any:
        if object_id is None or "_saveasnew" in request.POST:
            refusal = self._refuse_to_add(request)
            if refusal is not None:
                return refusal
        return super().changeform_view(request, object_id, form_url, extra_context)

    def _refuse_to_add(self, request: Any) -> HttpResponseRedirect | None:
        if not self.has_add_permission(request):
            return None  # the view refuses
        if _one_in_scope() is None:
            text = _("Choose the organization that this is to be added to.")
            self.message_user(request, text, messages.WARNING)
            return choice.redirect_to_choice(request)
        present = choice.present_choice(request)
        shown = request.POST.get("_organization")
        if shown is not None and present is not None and shown != present.key:
            text = _("Nothing was added: another organization was chosen since the form was shown.")
            self.message_user(request, text, messages.ERROR)
            return HttpResponseRedirect(request.get_full_path())
        return None

    def get_changelist_form(self, request: Any, **kwargs: Any) -> Any:
        return super().get_changelist_form(request, **{"form": OrganizationOwnedForm, **kwargs})

    def formfield_for_foreignkey(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        return super().formfield_for_foreignkey(db_field, request, **_held(db_field, kwargs))

    def formfield_for_manytomany(self, db_field: Any, request: Any, **kwargs: Any) -> Any:
        return super().formfield_for_manytomany(db_field, request, **_held(db_field, kwargs))


def _held(db_field: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Offer what is in the one organization of the scope, memberships too."""
    model, one = db_field.remote_field.model, _one_in_scope()
    if one is None or not _is_placed(model):
        return kwargs
    offered = kwargs.get("queryset")
    offered = model._default_manager.all() if offered is None else offered
    return {**kwargs, "queryset": offered.filter(organization=one)}


class SlugForm(forms.ModelForm):
    """A form that tells of a taken slug; a form cannot check it that does not have the mark of deletion."""

    def clean_slug(self) -> str:
        slug: str = self.cleaned_data["slug"]
        if self.others().filter(slug__iexact=slug).exists():
            raise ValidationError(SlugTaken.message, SlugTaken.code)
        return slug

    def others(self) -> QuerySet[Any]:
        """Return the rows that must have other slugs."""
        others: QuerySet[Any] = self._meta.model.objects.exclude(pk=self.instance.pk)
        return others


class SoftDeletableAdmin(admin.ModelAdmin):
    """Shows the deleted too, and deletes and restores through the services."""

    form: ClassVar[Any] = SlugForm
    list_filter: ClassVar[Any] = ("status", ("deleted_at", admin.EmptyFieldListFilter))
    readonly_fields: ClassVar[Any] = ("id", "status", "created_at", "updated_at", "deleted_at")
    search_fields: ClassVar[Any] = ("name", "slug", "=id")
    actions: ClassVar[Any] = ("restore", "suspend", "reinstate")

    def get_queryset(self, request: Any) -> QuerySet[Any]:
        rows: QuerySet[Any] = self.model.all_objects.order_by(*self.get_ordering(request))
        return rows

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        # what is deleted is restored before it is changed
        return super().has_change_permission(request, obj) and not (obj and obj.is_deleted)

    def has_delete_permission(self, request: Any, obj: Any = None) -> bool:
        return super().has_delete_permission(request, obj) and not (obj and obj.is_deleted)

    def delete_view(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().delete_view(request, *args, **kwargs)
        except SaasKitError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.path)

    def changeform_view(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().changeform_view(request, *args, **kwargs)
        except SaasKitError as error:
            # somebody was quicker than the form, which had found nothing wrong
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(request.path)

    def delete_model(self, request: Any, obj: Any) -> None:
        self.delete_one(obj, request)

    def delete_queryset(self, request: Any, queryset: QuerySet[Any]) -> None:
        self._each(request, queryset, lambda each: self.delete_one(each, request))

    def delete_one(self, obj: Any, request: Any) -> None:
        raise NotImplementedError

    def restore_one(self, obj: Any, request: Any) -> None:
        raise NotImplementedError

    def set_status(self, obj: Any, status: Status, request: Any) -> None:
        raise NotImplementedError

    @admin.action(description=_("Restore what was deleted"), permissions=["delete"])
    def restore(self, request: Any, queryset: QuerySet[Any]) -> None:
        self._each(request, queryset, lambda each: self.restore_one(each, request))

    @admin.action(description=_("Suspend"), permissions=["change"])
    def suspend(self, request: Any, queryset: QuerySet[Any]) -> None:
        self._each(request, queryset, lambda each: self.set_status(each, Status.SUSPENDED, request))

    @admin.action(description=_("Let it be used again"), permissions=["change"])
    def reinstate(self, request: Any, queryset: QuerySet[Any]) -> None:
        self._each(request, queryset, lambda each: self.set_status(each, Status.ACTIVE, request))

    def _each(self, request: Any, queryset: QuerySet[Any], act: Any) -> None:
        done = 0
        for each in queryset:
            try:
                act(each)
            except SaasKitError as error:
                self.message_user(request, f"{each}: {error}", messages.ERROR)
            else:
                done += 1
        if done:
            text = ngettext("%(count)d was changed.", "%(count)d were changed.", done) % {"count": done}
            self.message_user(request, text, messages.SUCCESS)


class AccountMembershipInline(admin.TabularInline):
    model = AccountMembership
    fields = ("user", "role", "created_at")
    readonly_fields = fields
    can_delete = False
    extra = 0

    def has_add_permission(self, request: Any, obj: Any = None) -> bool:
        return False


_MOST_SHOWN = 50


class OrganizationChoicePage(admin.ModelAdmin):
    """Adds the page on which staff choose whose rows the pages of tenant-owned models show."""

    def get_urls(self) -> list[Any]:
        view = self.admin_site.admin_view(self.choose_organization_view)
        return [path("choose-organization/", view, name=choice.URL_NAME), *super().get_urls()]

    def may_choose(self, request: Any) -> bool:
        """Tell whether somebody has any page to choose for."""
        site = self.admin_site
        admins = [site.get_model_admin(each) for each in apps.get_models() if site.is_registered(each)]
        return any(
            permitted
            for each in admins
            if each.model is get_organization_model() or choice.needs_choice(each)
            for permitted in each.get_model_perms(request).values()
        )

    def choose_organization_view(self, request: Any) -> Any:
        """Show the organizations, and keep the one that is chosen."""
        if not self.may_choose(request):
            raise PermissionDenied
        after = choice.address_after(
            request, otherwise=reverse("admin:index", current_app=self.admin_site.name)
        )
        if request.method == "POST":
            chosen = choice.find_choice(request.POST.get("organization"))
            if chosen is not None:
                choice.keep_choice(request, chosen)
                return HttpResponseRedirect(after)
            self.message_user(request, _("There is no such organization. Choose again."), messages.ERROR)
        words = request.GET.get("q", "").replace("\x00", "").strip()
        found = list(_organizations_like(words)[: _MOST_SHOWN + 1])
        values = {
            **self.admin_site.each_context(request),
            "title": _("Choose an organization"),
            "subtitle": None,
            "opts": self.opts,
            "organizations": found[:_MOST_SHOWN],
            "has_more": len(found) > _MOST_SHOWN,
            "query": words,
            "next": after,
            "every": choice.EVERY,
            "present": choice.present_choice(request),
        }
        request.current_app = self.admin_site.name
        return TemplateResponse(request, "saas_kit_tenancy/admin/choose_organization.html", values)


def _organizations_like(words: str) -> QuerySet[Any]:
    organizations: QuerySet[Any] = get_organization_model().objects.select_related("account")
    if words:
        like = Q(name__icontains=words) | Q(slug__icontains=words) | Q(account__name__icontains=words)
        named = choice.find_choice(words)
        if named is not None and named.organization is not None:
            like |= Q(pk=named.organization.pk)
        organizations = organizations.filter(like)
    return organizations.order_by("name", "pk")


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
