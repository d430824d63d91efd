"""Projects and tasks over HTTP, and organizations with the number of their projects."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rest_framework.request import Request

from projects import services
from projects.api.filters import ProjectFilter, TaskFilter
from projects.api.serializers import (
    OrganizationWithProjectsSerializer,
    ProjectSerializer,
    TaskSerializer,
)
from projects.models import Project, Task
from projects.permissions import ProjectPermission, TaskPermission
from saas_kit.api.views import RestoreModelMixin
from saas_kit.tenancy.api.bases import OrganizationScopedViewSet, field_required
from saas_kit.tenancy.api.fields import VisibleRelatedField
from saas_kit.tenancy.api.narrowing import active_organization
from saas_kit.tenancy.api.views import OrganizationViewSet
from saas_kit.tenancy.models import AbstractOrganization


class ProjectViewSet(RestoreModelMixin, OrganizationScopedViewSet):
    """The projects of the organizations that the caller belongs to."""

    tags = ["Projects"]
    queryset = Project.objects.with_open_task_count()
    serializer_class = ProjectSerializer
    filterset_class = ProjectFilter
    search_fields = ("name", "description")
    ordering_fields = ("created_at", "name")
    required_permissions = {
        "list": ProjectPermission.VIEW,
        "retrieve": ProjectPermission.VIEW,
        "create": ProjectPermission.CREATE,
        "update": ProjectPermission.CHANGE,
        "destroy": ProjectPermission.DELETE,
        "restore": ProjectPermission.DELETE,
    }

    def perform_destroy(self, instance: Project) -> None:
        services.delete_project(instance, actor=self.actor)

    def perform_restore(self, instance: Project) -> Project:
        return services.restore_project(instance, actor=self.actor)


class TaskViewSet(RestoreModelMixin, OrganizationScopedViewSet):
    """The tasks of the organizations that the caller belongs to."""

    tags = ["Projects"]
    queryset = Task.objects.all()
    serializer_class = TaskSerializer
    filterset_class = TaskFilter
    search_fields = ("title", "description")
    ordering_fields = ("created_at", "title", "status")
    required_permissions = {
        "list": TaskPermission.VIEW,
        "retrieve": TaskPermission.VIEW,
        "create": TaskPermission.CREATE,
        "update": TaskPermission.CHANGE,
        "destroy": TaskPermission.DELETE,
        "restore": TaskPermission.DELETE,
    }
    descriptions = {"create": "Create a task in a project."}

    def get_target_organization(self, request: Request) -> AbstractOrganization:
        # a task is made where its project is
        if not isinstance(request.data, Mapping) or "project" not in request.data:
            raise field_required("project")
        projects = Project.objects.select_related("organization__account")
        active = active_organization(request)
        if active is not None:
            projects = projects.in_organization(active)
        field = VisibleRelatedField(queryset=projects)
        field.bind("project", self.get_input_serializer())
        organization: AbstractOrganization = field.run_as_body_field(request.data["project"]).organization
        return organization

    def perform_destroy(self, instance: Task) -> None:
        services.delete_task(instance, actor=self.actor)

    def perform_restore(self, instance: Task) -> Task:
        return services.restore_task(instance, actor=self.actor)


class OrganizationWithProjectsViewSet(OrganizationViewSet):
    """The organizations that the caller has a role in, each with the number of its projects."""

    serializer_class = OrganizationWithProjectsSerializer

    def get_queryset(self) -> Any:
        return super().get_queryset().annotate(project_count=Project.objects.counted_in_organization())
