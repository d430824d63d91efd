from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, ClassVar
from uuid import UUID

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import ImproperlyConfigured
from django.db.models import Q, QuerySet
from django.template import TemplateDoesNotExist
from django.utils import translation
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.translation import gettext, ngettext
from django.utils.translation import gettext_lazy as _

from saas_kit.core import context
from saas_kit.core.addresses import normalize_email
from saas_kit.core.exceptions import Conflict, SaasKitError
from saas_kit.email import services
from saas_kit.email.messages import secret_fields
from saas_kit.email.models import OutboxMessage, Suppression, SuppressionReason
from saas_kit.email.preview_admin import MessagePreviewPages

_PREFORMATTED = '<pre style="margin: 0; white-space: pre-wrap; overflow-wrap: anywhere">{}</pre>'


@admin.register(OutboxMessage)
class OutboxMessageAdmin(MessagePreviewPages):
    """The outbox, to follow messages, and to send them again or not at all; what is in them cannot be changed."""

    list_display = ("created_at", "kind", "recipient", "state", "attempts", "due_at", "last_error")
    list_filter = ("state", "kind")
    search_fields = ("recipient",)
    search_help_text = _(
        "A whole address, a Message-ID, or the id of a message, of an organization or at the provider."
    )
    show_full_result_count = False
    actions = ("resend", "cancel", "suppress_recipients")
    fieldsets = (
        (None, {"fields": ("kind", "recipient", "language", "organization_id", "cause", "values", "text")}),
        (
            _("Delivery"),
            {"fields": ("state", "attempts", "due_at", "last_error", "sent_at", "opened_at", "provider_id")},
        ),
        (_("Record"), {"fields": ("id", "message_id", "created_at", "updated_at")}),
    )
    # as the pages of what belongs to organizations; where there is no tenancy there is nothing to choose
    needs_organization_choice = True
    change_form_template = ("saas_kit_tenancy/admin/change_form.html", "admin/change_form.html")

    def get_queryset(self, request: Any) -> QuerySet[OutboxMessage]:
        rows, scope = super().get_queryset(request).defer("secrets"), context.scope.get()
        if scope is None or scope.organization_ids is None:
            return rows
        return rows.filter(organization_id__in=scope.organization_ids)

    def get_search_results(
        self, request: Any, queryset: QuerySet[OutboxMessage], search_term: str
    ) -> tuple[QuerySet[OutboxMessage], bool]:
        term = search_term.strip()
        if not term:
            return queryset, False
        same = Q(recipient=normalize_email(term)) | Q(provider_id=term)
        key = _uuid_in(term)
        if key is not None:
            same |= Q(pk=key) | Q(organization_id=key)
        return queryset.filter(same), False

    def has_add_permission(self, request: Any) -> bool:
        return False

    def has_change_permission(self, request: Any, obj: OutboxMessage | None = None) -> bool:
        return False

    def has_delete_permission(self, request: Any, obj: OutboxMessage | None = None) -> bool:
        return False

    def has_send_permission(self, request: Any) -> bool:
        """Tell whether somebody may let messages be sent again, or not at all."""
        allowed: bool = request.user.has_perm("saas_kit_email.change_outboxmessage")
        return allowed

    def has_suppress_permission(self, request: Any) -> bool:
        """Tell whether somebody may suppress addresses."""
        allowed: bool = request.user.has_perm("saas_kit_email.add_suppression")
        return allowed

    @admin.display(description=_("values"))
    def values(self, row: OutboxMessage) -> str:
        """What the message shows, without what only its receiver may see."""
        hidden = {name: gettext("(only the receiver may see this)") for name in _secrets_of(row)}
        return format_html(_PREFORMATTED, json.dumps(row.context | hidden, indent=2, ensure_ascii=False))

    @admin.display(description=_("text"))
    def text(self, row: OutboxMessage) -> str:
        """The text as it is sent, of messages that anybody here may see."""
        try:
            if secret_fields(row.kind):
                return gettext("(only the receiver may see this)")
            with translation.override(row.language):
                return format_html(_PREFORMATTED, services.read_message(row).render_text())
        except (ImportError, LookupError, TypeError, ImproperlyConfigured, TemplateDoesNotExist) as error:
            return gettext("(this cannot be shown: %(error)s)") % {"error": error}

    @admin.action(description=_("Send again"), permissions=["send"])
    def resend(self, request: Any, queryset: QuerySet[OutboxMessage]) -> None:
        self._each(request, queryset, services.requeue, _("Sent again."))

    @admin.action(description=_("Do not send any more"), permissions=["send"])
    def cancel(self, request: Any, queryset: QuerySet[OutboxMessage]) -> None:
        self._each(request, queryset, _cancel, _("Cancelled."))

    @admin.action(description=_("Suppress the addresses"), permissions=["suppress"])
    def suppress_recipients(self, request: Any, queryset: QuerySet[OutboxMessage]) -> None:
        self._each(request, queryset, _suppress_recipient, _("Its address was suppressed."))

    def _each(
        self,
        request: Any,
        queryset: QuerySet[OutboxMessage],
        act: Callable[[OutboxMessage], object],
        told: str | Promise,
    ) -> None:
        done = 0
        for row in queryset:
            try:
                act(row)
            except (SaasKitError, ImportError, LookupError) as error:
                self.message_user(request, f"{row}: {error}", messages.ERROR)
            else:
                self.log_change(request, row, str(told))
                done += 1
        if done:
            text = ngettext("%(count)d message.", "%(count)d messages.", done) % {"count": done}
            self.message_user(request, f"{told} {text}", messages.SUCCESS)


class SuppressionForm(forms.ModelForm):
    """A form for an address that no mail is to go to: none, or none of one topic."""

    email = forms.EmailField(label=_("address"))
    topic = forms.ChoiceField(label=_("topic"), required=False)

    class Meta:
        model = Suppression
        fields = ("email", "topic")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        topic: Any = self.fields.get("topic")
        if topic is not None:  # there is none for those who may only look
            topic.choices = [("", _("all mail")), *((each, each) for each in services.topics())]

    def clean_email(self) -> str:
        return normalize_email(self.cleaned_data["email"])


@admin.register(Suppression)
class SuppressionAdmin(admin.ModelAdmin):
    """Addresses that no mail goes to: to be found, added, and removed by whoever knows that they are good again."""

    form: ClassVar[Any] = SuppressionForm
    list_display = ("email", "topic", "reason", "detail", "created_at")
    list_filter = ("reason", "topic")
    search_fields = ("email",)
    search_help_text = _("A whole address.")
    show_full_result_count = False

    def get_fields(self, request: Any, obj: Suppression | None = None) -> Any:
        return ("email", "topic") if obj is None else ("email", "topic", "reason", "detail", "created_at")

    def get_search_results(
        self, request: Any, queryset: QuerySet[Suppression], search_term: str
    ) -> tuple[QuerySet[Suppression], bool]:
        term = search_term.strip()
        return (queryset.filter(email=normalize_email(term)) if term else queryset), False

    def has_change_permission(self, request: Any, obj: Suppression | None = None) -> bool:
        return False

    def save_model(self, request: Any, obj: Suppression, form: Any, change: bool) -> None:
        kept = services.suppress(obj.email, reason=SuppressionReason.STAFF, topic=obj.topic)
        obj.pk, obj.reason = kept.pk, kept.reason

    def delete_model(self, request: Any, obj: Suppression) -> None:
        services.lift_suppression(obj)

    def delete_queryset(self, request: Any, queryset: QuerySet[Suppression]) -> None:
        for each in queryset:
            services.lift_suppression(each)


def _uuid_in(term: str) -> UUID | None:
    """Return the id that a text is, or begins with, as a ``Message-ID`` does."""
    try:
        return UUID(term.removeprefix("<").partition("@")[0])
    except ValueError:
        return None


def _secrets_of(row: OutboxMessage) -> list[str]:
    try:
        return secret_fields(row.kind)
    except (ImportError, LookupError):
        return []


def _cancel(row: OutboxMessage) -> None:
    if not services.cancel_message(row.pk):
        raise Conflict


def _suppress_recipient(row: OutboxMessage) -> None:
    services.suppress(row.recipient, reason=SuppressionReason.STAFF)
