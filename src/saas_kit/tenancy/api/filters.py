"""Filters of accounts, organizations and memberships."""

from __future__ import annotations

from django_filters import rest_framework as filters

from saas_kit.api.filters import BooleanFilter
from saas_kit.tenancy.models import Enrollment, Status


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
