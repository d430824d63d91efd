"""The shapes of teams and team memberships."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from saas_kit.api.serializers import ModelSerializer, Serializer
from saas_kit.core.permissions import Level
from saas_kit.teams import services
from saas_kit.teams.exceptions import NotInOrganization
from saas_kit.teams.models import Team, TeamMembership
from saas_kit.tenancy.api.fields import OrganizationField, PersonField
from saas_kit.tenancy.api.serializers import PersonSerializer, SlugField
from saas_kit.tenancy.roles import role_choices

_ORGANIZATION = "01920000-0000-7000-8000-000000000002"
_TEAM = "01920000-0000-7000-8000-000000000004"
_PERSON = "01920000-0000-7000-8000-000000000009"


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Create", value={"organization": _ORGANIZATION, "name": "Engineering"}, request_only=True
        ),
        OpenApiExample(
            "Team",
            value={
                "id": _TEAM,
                "organization": _ORGANIZATION,
                "name": "Engineering",
                "slug": "engineering",
                "description": "",
                "member_count": 3,
                "created_at": "2026-01-31T09:30:00Z",
                "updated_at": "2026-01-31T09:30:00Z",
            },
            response_only=True,
        ),
    ]
)
class TeamSerializer(ModelSerializer):
    """A team."""

    organization = OrganizationField(
        required=False, help_text=_("The organization; may be left out where the request is narrowed to one.")
    )
    slug = SlugField()
    description = serializers.CharField(max_length=2000, default="", allow_blank=True)
    member_count = serializers.SerializerMethodField(help_text=_("How many people are in it."))

    class Meta:
        model = Team
        fields = (
            "id", "organization", "name", "slug", "description", "member_count", "created_at", "updated_at"
        )  # fmt: skip
        create_only_fields = ("organization",)

    @extend_schema_field(int)
    def get_member_count(self, team: Team) -> int:
        count: int | None = getattr(team, "member_count", None)
        return team.team_memberships.count() if count is None else count

    def create(self, validated_data: dict[str, Any]) -> Team:
        return services.create_team(**validated_data)

    def update(self, instance: Team, validated_data: dict[str, Any]) -> Team:
        return services.change_team(instance, **validated_data)


class TeamPersonField(PersonField):
    """The id of a member of the team's organization."""

    default_error_messages = {"does_not_exist": NotInOrganization.message}


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Team member",
            value={
                "id": "01920000-0000-7000-8000-000000000005",
                "user": {
                    "id": _PERSON,
                    "email": "ada@example.com",
                    "first_name": "Ada",
                    "last_name": "Lovelace",
                },
                "role": "lead",
                "created_at": "2026-01-31T09:30:00Z",
            },
            response_only=True,
        )
    ]
)
class TeamMembershipSerializer(ModelSerializer):
    """A person's role in a team."""

    user = PersonSerializer(source="membership.user", read_only=True)

    class Meta:
        model = TeamMembership
        fields = ("id", "user", "role", "created_at")
        read_only_fields = fields


@extend_schema_serializer(
    examples=[OpenApiExample("Add", value={"user": _PERSON, "role": "member"}, request_only=True)]
)
class AddTeamMemberSerializer(Serializer):
    """A member of the organization, and the role to give them in the team."""

    read_only_names = ("id", "created_at")

    user = TeamPersonField(help_text=_("The id of a member of the organization."))
    role = serializers.ChoiceField(choices=role_choices(Level.TEAM), default="member")

    def create(self, validated_data: dict[str, Any]) -> TeamMembership:
        return services.add_team_member(**validated_data)


@extend_schema_serializer(examples=[OpenApiExample("Change", value={"role": "lead"}, request_only=True)])
class ChangeTeamRoleSerializer(Serializer):
    """The role to give somebody in the team."""

    read_only_names = ("id", "user", "created_at")

    role = serializers.ChoiceField(choices=role_choices(Level.TEAM))

    def update(self, instance: TeamMembership, validated_data: dict[str, Any]) -> TeamMembership:
        role = validated_data.get("role", instance.role)
        return services.change_team_role(instance, role, actor=validated_data["actor"])
