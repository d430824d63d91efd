"""Filters of accounts, organizations and memberships."""

from __future__ import annotations

from typing import Any

from django_filters import rest_framework as filters

from saas_kit.api.filters import BooleanFilter
from saas_kit.tenancy.models import INVITATION_STATUSES, Enrollment, Status


class AccountFilter(filters.FilterSet):
    """Filters accounts."""

    status = filters.ChoiceFilter(choices=Status.choices)
    slug = filters.CharFilter(lookup_expr="iexact", help_text="The whole slug, in any case of letters.")


class OrganizationFilter(AccountFilter):
    """Filters organizations."""

    account = filters.UUIDFilter(field_name="account_id", help_text="The id of an account.")


class MembershipFilter(filters.FilterSet):
    """Filters memberships."""

    role = filters.CharFilter(help_text="The key of a role.")


class DomainFilter(filters.FilterSet):
    """Filters domains."""

    enrollment = filters.ChoiceFilter(choices=Enrollment.choices)
    verified = BooleanFilter(
        field_name="verified_at", lookup_expr="isnull", exclude=True, help_text="Whether it is proved."
    )


class InvitationFilter(filters.FilterSet):
    """Filters invitations."""

    status = filters.ChoiceFilter(choices=INVITATION_STATUSES, method="with_status")
    role = filters.CharFilter(help_text="The key of a role.")
    email = filters.CharFilter(method="to_address", help_text="The whole address, in any case of letters.")

    def with_status(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.with_status(value)

    def to_address(self, queryset: Any, name: str, value: str) -> Any:
        return queryset.to_address(value)


class ReceivedInvitationFilter(filters.FilterSet):
    """Filters one's own invitations."""

    organization = filters.UUIDFilter(field_name="organization_id", help_text="The id of an organization.")
