"""The pages of what can be deleted and restored."""

from __future__ import annotations

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.http import HttpResponseRedirect
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from saas_kit.core.exceptions import SaasKitError
from saas_kit.tenancy.exceptions import SlugTaken
from saas_kit.tenancy.models import Status


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
