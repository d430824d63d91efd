"""Filters of projects and tasks."""

from __future__ import annotations

from django_filters import rest_framework as filters

from projects.models import TaskStatus


class ProjectFilter(filters.FilterSet):
    """Filters projects."""

    organization = filters.UUIDFilter(field_name="organization_id", help_text="The id of an organization.")


class TaskFilter(ProjectFilter):
    """Filters tasks."""

    project = filters.UUIDFilter(field_name="project_id", help_text="The id of a project.")
    status = filters.ChoiceFilter(choices=TaskStatus.choices)
    assignee = filters.UUIDFilter(field_name="assignee_id", help_text="The id of a membership.")
    due_before = filters.DateFilter(
        field_name="due_on", lookup_expr="lt", help_text="A date that it is due before."
    )
