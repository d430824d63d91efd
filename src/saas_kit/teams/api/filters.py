"""Filters of teams."""

from __future__ import annotations

from django.contrib.auth import get_user_model
from django.db import models
from django_filters import rest_framework as filters

_USER_KEY_IS_UUID = isinstance(get_user_model()._meta.pk, models.UUIDField)
_UserKeyFilter = filters.UUIDFilter if _USER_KEY_IS_UUID else filters.NumberFilter


class TeamFilter(filters.FilterSet):
    """Filters teams."""

    organization = filters.UUIDFilter(field_name="organization_id", help_text="The id of an organization.")
    member = _UserKeyFilter(
        field_name="team_memberships__membership__user_id", help_text="The id of a person in the team."
    )


class TeamMembershipFilter(filters.FilterSet):
    """Filters the members of a team."""

    role = filters.CharFilter(help_text="`lead` or `member`.")
