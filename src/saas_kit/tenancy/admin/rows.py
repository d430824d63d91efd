"""The pages of models whose rows belong to organizations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.db.models import Model, QuerySet
from django.http import HttpResponseRedirect
from django.utils.translation import gettext_lazy as _

from saas_kit.core import context
from saas_kit.tenancy import choice
from saas_kit.tenancy.models import get_organization_model

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


class InspectedAdmin(OrganizationOwnedAdmin):
    """Pages on which rows are looked at, and removed by a service; members of the organization make and change them."""

    def has_add_permission(self, request: Any) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: Any = None) -> bool:
        return False

    def remove_one(self, obj: Any, request: Any) -> None:
        """Remove a row as the signed-in member of staff."""
        raise NotImplementedError

    def delete_model(self, request: Any, obj: Any) -> None:
        self.remove_one(obj, request)

    def delete_queryset(self, request: Any, queryset: Any) -> None:
        for each in queryset.select_related("organization"):
            self.remove_one(each, request)


def _held(db_field: Any, kwargs: dict[str, Any]) -> dict[str, Any]:
    """Offer what is in the one organization of the scope, memberships too."""
    model, one = db_field.remote_field.model, _one_in_scope()
    if one is None or not _is_placed(model):
        return kwargs
    offered = kwargs.get("queryset")
    offered = model._default_manager.all() if offered is None else offered
    return {**kwargs, "queryset": offered.filter(organization=one)}
