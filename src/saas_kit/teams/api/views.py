"""Teams and their members over HTTP."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from rest_framework import mixins
from rest_framework.serializers import BaseSerializer

from saas_kit.api.views import (
    CreateModelMixin,
    DestroyModelMixin,
    RestoreModelMixin,
    RetrieveModelMixin,
    UpdateModelMixin,
)
from saas_kit.teams import services
from saas_kit.teams.api.filters import TeamFilter, TeamMembershipFilter
from saas_kit.teams.api.serializers import (
    AddTeamMemberSerializer,
    ChangeTeamRoleSerializer,
    TeamMembershipSerializer,
    TeamSerializer,
)
from saas_kit.teams.models import Team, TeamMembership
from saas_kit.teams.permissions import TeamPermission
from saas_kit.tenancy.api.bases import NestedViewSet, OrganizationScopedViewSet
from saas_kit.tenancy.api.narrowing import active_organization
from saas_kit.tenancy.people import organization_members

_PERSON_FIELDS = {field.name for field in get_user_model()._meta.get_fields()}


class TeamViewSet(RestoreModelMixin, OrganizationScopedViewSet):
    """The teams of the organizations that the caller belongs to."""

    tags = ["Teams"]
    queryset = Team.objects.with_member_count()
    serializer_class = TeamSerializer
    filterset_class = TeamFilter
    search_fields = ("name", "slug", "description")
    ordering_fields = ("created_at", "name")
    required_permissions = {
        "list": TeamPermission.VIEW,
        "retrieve": TeamPermission.VIEW,
        "create": TeamPermission.CREATE,
        "update": TeamPermission.CHANGE,
        "destroy": TeamPermission.DELETE,
        "restore": TeamPermission.DELETE,
    }

    def perform_destroy(self, instance: Team) -> None:
        services.delete_team(instance, actor=self.actor)

    def perform_restore(self, instance: Team) -> Team:
        return services.restore_team(instance, actor=self.actor)


class TeamMemberViewSet(
    CreateModelMixin,
    RetrieveModelMixin,
    UpdateModelMixin,
    DestroyModelMixin,
    mixins.ListModelMixin,
    NestedViewSet,
):
    """The members of a team."""

    tags = ["Teams"]
    noun, noun_plural = "team member", "team members"
    parent_kwarg = "team_id"
    queryset = TeamMembership.objects.select_related("membership__user")
    serializer_class = TeamMembershipSerializer
    input_serializer_classes = {"create": AddTeamMemberSerializer, "update": ChangeTeamRoleSerializer}
    filterset_class = TeamMembershipFilter
    search_fields = tuple(
        f"membership__user__{name}"
        for name in ("email", "first_name", "last_name", "username")
        if name in _PERSON_FIELDS
    )
    ordering_fields = ("created_at", "role")
    http_method_names = ("get", "post", "patch", "delete", "head")
    required_permissions = {
        "list": TeamPermission.VIEW,
        "retrieve": TeamPermission.VIEW,
        "create": TeamPermission.MANAGE_MEMBERS,
        "update": TeamPermission.MANAGE_MEMBERS,
        "destroy": TeamPermission.MANAGE_MEMBERS,
    }
    descriptions = {
        "create": "Put a member of the organization in the team. The team's leads may do so too.",
        "update": "Give somebody another role in the team. The team's leads may do so too.",
        "partial_update": "Give somebody another role in the team. The team's leads may do so too.",
        "destroy": "Take somebody out of the team; they stay in the organization. The team's leads may do so too.",
    }

    def get_parent_queryset(self) -> Any:
        teams = Team.objects.visible_to(self.actor, TeamPermission.VIEW)
        organization = active_organization(self.request)
        teams = teams if organization is None else teams.in_organization(organization)
        return teams.select_related("organization__account")

    def get_people(self) -> QuerySet[Any]:
        """Return who can be put in the team: the members of its organization."""
        return organization_members(self.parent.organization)

    def get_queryset(self) -> QuerySet[TeamMembership]:
        return super().get_queryset().filter(team=self.parent)

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        serializer.save(team=self.parent, actor=self.actor)

    def perform_destroy(self, instance: TeamMembership) -> None:
        services.remove_team_member(instance, actor=self.actor)
