"""The shapes of projects and tasks."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from projects import services
from projects.models import Project, Task, TaskStatus
from saas_kit.api.serializers import ModelSerializer
from saas_kit.tenancy.api.fields import OrganizationField, SameOrganizationField
from saas_kit.tenancy.api.serializers import OrganizationSerializer
from saas_kit.tenancy.models import Membership

_ORGANIZATION = "01920000-0000-7000-8000-000000000002"
_MEMBERSHIP = "01920000-0000-7000-8000-000000000003"
_PROJECT = "01920000-0000-7000-8000-000000000006"
_TASK = "01920000-0000-7000-8000-000000000007"
_TIMES = {"created_at": "2026-01-31T09:30:00Z", "updated_at": "2026-01-31T09:30:00Z"}


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Create",
            value={"organization": _ORGANIZATION, "name": "Website", "description": "The new one."},
            request_only=True,
        ),
        OpenApiExample(
            "Project",
            value={
                "id": _PROJECT,
                "organization": _ORGANIZATION,
                "name": "Website",
                "description": "The new one.",
                "open_task_count": 3,
                **_TIMES,
            },
            response_only=True,
        ),
    ]
)
class ProjectSerializer(ModelSerializer):
    """A project."""

    organization = OrganizationField(
        required=False, help_text=_("The organization; may be left out where the request is narrowed to one.")
    )
    description = serializers.CharField(max_length=2000, default="", allow_blank=True)
    open_task_count = serializers.SerializerMethodField(help_text=_("How many of its tasks are not done."))

    class Meta:
        model = Project
        fields = (
            *("id", "organization", "name", "description", "open_task_count"),
            *("created_at", "updated_at"),
        )
        create_only_fields = ("organization",)

    @extend_schema_field(int)
    def get_open_task_count(self, project: Project) -> int:
        count: int | None = getattr(project, "open_task_count", None)
        return Task.objects.open().filter(project=project).count() if count is None else count

    def create(self, validated_data: dict[str, Any]) -> Project:
        return services.create_project(**validated_data)

    def update(self, instance: Project, validated_data: dict[str, Any]) -> Project:
        return services.change_project(instance, **validated_data)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Create",
            value={"project": _PROJECT, "title": "Draw the front page", "assignee": _MEMBERSHIP},
            request_only=True,
        ),
        OpenApiExample(
            "Task",
            value={
                "id": _TASK,
                "organization": _ORGANIZATION,
                "project": _PROJECT,
                "title": "Draw the front page",
                "description": "",
                "status": "todo",
                "due_on": "2026-02-28",
                "assignee": _MEMBERSHIP,
                **_TIMES,
            },
            response_only=True,
        ),
    ]
)
class TaskSerializer(ModelSerializer):
    """A task."""

    organization = OrganizationField(read_only=True, help_text=_("The project's organization."))
    project = SameOrganizationField(queryset=Project.objects.all(), help_text=_("The id of its project."))
    description = serializers.CharField(max_length=2000, default="", allow_blank=True)
    status = serializers.ChoiceField(choices=TaskStatus.choices, default=TaskStatus.TO_DO)
    due_on = serializers.DateField(default=None, allow_null=True)
    assignee = SameOrganizationField(
        queryset=Membership.objects.all(),
        default=None,
        allow_null=True,
        help_text=_("The id of a membership of the organization; null of nobody."),
    )

    class Meta:
        model = Task
        fields = (
            *("id", "organization", "project", "title", "description", "status", "due_on", "assignee"),
            *("created_at", "updated_at"),
        )

    def create(self, validated_data: dict[str, Any]) -> Task:
        del validated_data["organization"]  # it is the project's
        return services.create_task(validated_data.pop("project"), **validated_data)

    def update(self, instance: Task, validated_data: dict[str, Any]) -> Task:
        return services.change_task(instance, **validated_data)


class OrganizationWithProjectsSerializer(OrganizationSerializer):
    """An organization, and how many projects it has."""

    project_count = serializers.SerializerMethodField(help_text=_("How many projects it has."))

    class Meta(OrganizationSerializer.Meta):
        fields: tuple[str, ...] = (*OrganizationSerializer.Meta.fields, "project_count")

    @extend_schema_field(int)
    def get_project_count(self, organization: Any) -> int:
        count: int | None = getattr(organization, "project_count", None)
        return Project.objects.in_organization(organization).count() if count is None else count
