"""Filters of people."""

from __future__ import annotations

from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db.models import Exists, OuterRef, QuerySet
from django_filters import rest_framework as filters

from saas_kit.api.filters import BooleanFilter
from saas_kit.auth.identity import users_with_email
from saas_kit.tenancy.api.narrowing import active_organization
from saas_kit.tenancy.models import Membership
from saas_kit.tenancy.permissions import OrganizationPermission

_MEMBERSHIP_FILTERS = {"organization": "organization_id", "role": "role", "team": "team_memberships__team_id"}


class UserFilter(filters.FilterSet):
    """
    Filters people.

    What concerns memberships is asked of one membership, in an organization that the caller may see (the active
    one, where the request is narrowed): a filter tells nothing of where else somebody is a member.
    """

    organization = filters.UUIDFilter(help_text="The id of an organization that they are in.", method="keep")
    role = filters.CharFilter(help_text="The key of a role that they have in an organization.", method="keep")
    if apps.is_installed("saas_kit.teams"):
        team = filters.UUIDFilter(help_text="The id of a team that they are in.", method="keep")
    email = filters.CharFilter(help_text="Their whole address, in any case.", method="filter_email")
    is_active = BooleanFilter(help_text="Whether they can sign in.")

    class Meta:
        model = get_user_model()
        fields = ("is_active",)

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        queryset = super().filter_queryset(queryset)
        values = {
            lookup: self.form.cleaned_data[name]
            for name, lookup in _MEMBERSHIP_FILTERS.items()
            if self.form.cleaned_data.get(name)
        }
        if not values:
            return queryset
        if "team_memberships__team_id" in values:
            values["team_memberships__team__deleted_at__isnull"] = True
        visible = Membership.objects.visible_to(self.request.user, OrganizationPermission.VIEW_MEMBERS)
        organization = active_organization(self.request)
        if organization is not None:
            visible = visible.in_organization(organization)
        return queryset.filter(Exists(visible.filter(user=OuterRef("pk"), **values)))

    def keep(self, queryset: QuerySet[Any], name: str, value: Any) -> QuerySet[Any]:
        """Leave it to ``filter_queryset()``, which looks for one membership that has all that is asked for."""
        return queryset

    def filter_email(self, queryset: QuerySet[Any], name: str, value: str) -> QuerySet[Any]:
        """Keep the person with an address."""
        return queryset.filter(pk__in=users_with_email(value).values("pk"))
