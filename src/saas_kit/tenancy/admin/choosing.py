"""The page on which staff choose whose rows they see."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils.translation import gettext_lazy as _

from saas_kit.tenancy import choice
from saas_kit.tenancy.models import get_organization_model

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
