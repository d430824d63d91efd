"""Projects and their tasks."""

from __future__ import annotations

from typing import Any, ClassVar, Self

from django.db import models
from django.db.models.functions import Coalesce, Lower
from django.utils.translation import gettext_lazy as _

from saas_kit.core.models import AliveManager, SoftDeletable, SoftDeletableQuerySet
from saas_kit.tenancy.models import Membership, OrganizationOwned, OrganizationOwnedQuerySet


class ProjectQuerySet(SoftDeletableQuerySet[Any], OrganizationOwnedQuerySet):  # type: ignore[override]
    """Projects."""

    def with_open_task_count(self) -> Self:
        """Add ``open_task_count``, the number of tasks that are not done."""
        tasks = Task.objects.open().filter(project=models.OuterRef("pk"))
        return self.annotate(open_task_count=_count(tasks, by="project"))

    def counted_in_organization(self) -> Coalesce:
        """Return an expression for a query of organizations: how many of these projects each has."""
        return _count(self.filter(organization=models.OuterRef("pk")), by="organization")


class Project(OrganizationOwned, SoftDeletable):
    """Something that an organization works on; its name is unique there."""

    name = models.CharField(_("name"), max_length=120)
    description = models.TextField(_("description"), max_length=2000, blank=True, default="")

    objects: ClassVar[Any] = AliveManager.from_queryset(ProjectQuerySet)()
    all_objects: ClassVar[Any] = models.Manager.from_queryset(ProjectQuerySet)()

    class Meta:
        verbose_name = _("project")
        verbose_name_plural = _("projects")
        constraints = (
            models.UniqueConstraint(
                "organization",
                Lower("name"),
                condition=models.Q(deleted_at__isnull=True),
                name="projects_project_name",
                violation_error_message=_("A project of this name exists already."),
            ),
        )
        indexes = (models.Index(fields=["organization", "-id"], name="projects_project_by_org"),)

    def __str__(self) -> str:
        return self.name


class TaskStatus(models.TextChoices):
    """How far a task is."""

    TO_DO = "todo", _("to do")
    DOING = "doing", _("in progress")
    DONE = "done", _("done")


class TaskQuerySet(SoftDeletableQuerySet[Any], OrganizationOwnedQuerySet):  # type: ignore[override]
    """Tasks."""

    def open(self) -> Self:
        """Keep the tasks that are not done."""
        return self.exclude(status=TaskStatus.DONE)


class Task(OrganizationOwned, SoftDeletable):
    """A piece of work in a project; it goes, and comes back, with the project."""

    project = models.ForeignKey(
        Project, on_delete=models.CASCADE, related_name="tasks", verbose_name=_("project"), db_index=False
    )
    title = models.CharField(_("title"), max_length=200)
    description = models.TextField(_("description"), max_length=2000, blank=True, default="")
    status = models.CharField(
        _("status"), max_length=16, choices=TaskStatus.choices, default=TaskStatus.TO_DO
    )
    due_on = models.DateField(_("due on"), null=True, blank=True)
    assignee = models.ForeignKey(
        Membership,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        verbose_name=_("assignee"),
    )

    objects: ClassVar[Any] = AliveManager.from_queryset(TaskQuerySet)()
    all_objects: ClassVar[Any] = models.Manager.from_queryset(TaskQuerySet)()

    class Meta:
        verbose_name = _("task")
        verbose_name_plural = _("tasks")
        indexes = (
            models.Index(fields=["organization", "-id"], name="projects_task_by_org"),
            models.Index(fields=["project", "-id"], name="projects_task_by_project"),
        )

    def __str__(self) -> str:
        return self.title


def _count(queryset: models.QuerySet[models.Model], *, by: str) -> Coalesce:
    counts = queryset.order_by().values(by).annotate(count=models.Count("pk")).values("count")
    return Coalesce(models.Subquery(counts), 0)
