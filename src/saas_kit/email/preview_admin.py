"""The pages on which staff see what the messages look like."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.template.loader import select_template
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext_lazy as _
from django.views.decorators.clickjacking import xframe_options_sameorigin

from saas_kit.email.messages import message_kinds
from saas_kit.email.previews import Preview, preview_languages, previews

# What a message may do in its frame: show itself, with pictures that a host may have put in.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'; sandbox"
)

# where there is no tenancy there is no organization to choose
_CHANGE_LISTS = ("saas_kit_tenancy/admin/change_list.html", "admin/change_list.html")


class MessagePreviewPages(admin.ModelAdmin):
    """Adds pages that show each message with its samples, for staff who may view the rows of this model."""

    change_list_template = "saas_kit_email/admin/change_list.html"

    def changelist_view(self, request: Any, extra_context: dict[str, Any] | None = None) -> Any:
        """Show the rows, with a link to the messages."""
        parent = select_template(_CHANGE_LISTS)
        return super().changelist_view(request, {**(extra_context or {}), "parent": parent})

    def get_urls(self) -> list[Any]:
        pages = [
            ("messages/", "messages", self.messages_view),
            ("messages/<str:kind>/", "message", self.message_view),
            ("messages/<str:kind>/html/", "message_html", xframe_options_sameorigin(self.message_html_view)),
        ]
        own = [
            path(
                route, self.admin_site.admin_view(partial(self._guarded, view)), name=f"saas_kit_email_{name}"
            )
            for route, name, view in pages
        ]
        return [*own, *super().get_urls()]

    def _guarded(self, view: Any, request: Any, **values: str) -> HttpResponse:
        if not self.has_view_permission(request):
            raise PermissionDenied
        request.current_app = self.admin_site.name
        response: HttpResponse = view(request, **values)
        return response

    def messages_view(self, request: Any) -> HttpResponse:
        """Show a list of all messages."""
        language = _language(request)
        found = [previews(kind, language=language)[0] for kind in message_kinds()]
        values = {"title": _("Messages"), "previews": found}
        return self._page(request, "messages", language, values)

    def message_view(self, request: Any, kind: str) -> HttpResponse:
        """Show one message: its subject, its text, and its HTML on a light and on a dark screen."""
        preview, others = _chosen(request, kind)
        values = {"title": kind, "preview": preview, "samples": others}
        return self._page(request, "message", preview.language, values)

    def message_html_view(self, request: Any, kind: str) -> HttpResponse:
        """Show the HTML of one message alone, as it is sent."""
        preview, _others = _chosen(request, kind)
        return HttpResponse(preview.html, headers={"Content-Security-Policy": _POLICY})

    def _page(self, request: Any, name: str, language: str, values: dict[str, Any]) -> HttpResponse:
        common = {
            **self.admin_site.each_context(request),
            "subtitle": None,
            "opts": self.opts,
            "language": language,
            "languages": preview_languages(),
        }
        return TemplateResponse(request, f"saas_kit_email/admin/{name}.html", {**common, **values})


def _language(request: Any) -> str:
    languages = preview_languages()
    language: str = request.GET.get("language", languages[0])
    if language not in languages:
        raise Http404
    return language


def _chosen(request: Any, kind: str) -> tuple[Preview, list[Preview]]:
    """Return the sample that an address names, and all of its kind."""
    if kind not in message_kinds():
        raise Http404
    found = previews(kind, language=_language(request))
    wanted = request.GET.get("sample", "1")
    for each in found:
        if str(each.number) == wanted:
            return each, found
    raise Http404
