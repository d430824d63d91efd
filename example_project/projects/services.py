"""
Every write to projects and tasks.

Each service is atomic, keeps the invariants, records itself in the audit log and sends its signal after the
commit. ``actor`` is who acts; None is the system. Whether the actor may do it is for the caller to ask.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction

from projects import signals
from projects.exceptions import NotInOrganization, ProjectNameTaken
from projects.models import Project, Task, TaskStatus
from saas_kit.audit.services import record
from saas_kit.core.changes import apply_changes
from saas_kit.core.events import send_on_commit
from saas_kit.core.exceptions import NotFound
from saas_kit.tenancy import within_organization
from saas_kit.tenancy.models import AbstractOrganization, Membership
from saas_kit.tenancy.services import lock_organization


@transaction.atomic
@within_organization
def create_project(
    organization: AbstractOrganization,
    *,
    name: str,
    description: str = "",
    actor: AbstractBaseUser | None,
) -> Project:
    """
    Create a project in an organization.

    Raises:
        ProjectNameTaken: Another project of the organization has the name, whatever the case.
    """
    organization = lock_organization(organization)  # nothing is added to one that is being deleted
    try:
        with transaction.atomic():
            project: Project = Project.objects.create(
                organization=organization, name=name, description=description
            )
    except IntegrityError as error:
        raise ProjectNameTaken(field="name") from error
    record("project.created", target=project, actor=actor)
    send_on_commit(signals.project_created, sender=Project, project=project, actor=actor)
    return project


@transaction.atomic
@within_organization
def change_project(project: Project, *, actor: AbstractBaseUser | None, **values: Any) -> Project:
    """
    Change a project's ``name`` or ``description``.

    Raises:
        ProjectNameTaken: Another project of the organization has the name, whatever the case.
        NotFound: It was deleted meanwhile.
    """
    project = _lock_project(project)
    try:
        with transaction.atomic():
            changes = apply_changes(project, values)
    except IntegrityError as error:
        raise ProjectNameTaken(field="name") from error
    if changes:
        record("project.changed", target=project, actor=actor, changes=changes)
        send_on_commit(signals.project_changed, sender=Project, project=project, changes=changes, actor=actor)
    return project


@transaction.atomic
@within_organization
def delete_project(project: Project, *, actor: AbstractBaseUser | None) -> None:
    """
    Delete a project with its tasks, so that it can be restored.

    Raises:
        NotFound: It is deleted already.
    """
    _lock_project(project)
    project.delete()
    record("project.deleted", target=project, actor=actor)
    send_on_commit(signals.project_deleted, sender=Project, project=project, actor=actor)


@transaction.atomic
@within_organization
def restore_project(project: Project, *, actor: AbstractBaseUser | None) -> Project:
    """
    Bring a project back with the tasks that were deleted along with it.

    Raises:
        NotDeleted: It is alive.
        NotUnique: Its name was taken meanwhile.
        ParentDeleted: Its organization is deleted.
    """
    project.restore()
    record("project.restored", target=project, actor=actor)
    send_on_commit(signals.project_restored, sender=Project, project=project, actor=actor)
    return project


@transaction.atomic
@within_organization
def create_task(
    project: Project,
    *,
    title: str,
    description: str = "",
    status: str = TaskStatus.TO_DO,
    due_on: date | None = None,
    assignee: Membership | None = None,
    actor: AbstractBaseUser | None,
) -> Task:
    """
    Create a task in a project.

    Raises:
        NotInOrganization: The assignee is not a member of the project's organization, or the project was
            deleted meanwhile.
    """
    project = _hold_project(project)
    _require_member(assignee, project)
    task: Task = Task.objects.create(
        organization=project.organization,
        project=project,
        title=title,
        description=description,
        status=status,
        due_on=due_on,
        assignee=assignee,
    )
    record("task.created", target=task, actor=actor)
    send_on_commit(signals.task_created, sender=Task, task=task, actor=actor)
    return task


@transaction.atomic
@within_organization
def change_task(task: Task, *, actor: AbstractBaseUser | None, **values: Any) -> Task:
    """
    Change a task's ``title``, ``description``, ``status``, ``due_on``, ``project`` or ``assignee``.

    Raises:
        NotInOrganization: The project, or the assignee, is not of the task's organization.
        NotFound: It was deleted meanwhile.
    """
    project = _hold_project(values.get("project") or task.project)
    if project.organization_id != task.organization_id:
        raise NotInOrganization(field="project")
    _require_member(values.get("assignee"), project)
    current = _lock_task(task)
    changes = apply_changes(current, values)
    if changes:
        told = {field: [_plain(value) for value in pair] for field, pair in changes.items()}
        record("task.changed", target=current, actor=actor, changes=told)
        send_on_commit(signals.task_changed, sender=Task, task=current, changes=told, actor=actor)
    return current


@transaction.atomic
@within_organization
def delete_task(task: Task, *, actor: AbstractBaseUser | None) -> None:
    """
    Delete a task, so that it can be restored.

    Raises:
        NotFound: It is deleted already.
    """
    _lock_task(task)
    task.delete()
    record("task.deleted", target=task, actor=actor)
    send_on_commit(signals.task_deleted, sender=Task, task=task, actor=actor)


@transaction.atomic
@within_organization
def restore_task(task: Task, *, actor: AbstractBaseUser | None) -> Task:
    """
    Bring a task back.

    Raises:
        NotDeleted: It is alive.
        ParentDeleted: Its project, or its organization, is deleted.
    """
    task.restore()
    record("task.restored", target=task, actor=actor)
    send_on_commit(signals.task_restored, sender=Task, task=task, actor=actor)
    return task


def _lock_task(task: Task) -> Task:
    lock_organization(task.organization)
    locked = Task.objects.select_for_update(of=("self",)).select_related(
        "organization", "project", "assignee"
    )
    current: Task | None = locked.filter(pk=task.pk).first()
    if current is None:
        raise NotFound
    return current


def _lock_project(project: Project) -> Project:
    lock_organization(project.organization)  # first, as every write does; two orders of locks are a deadlock
    locked = Project.objects.select_for_update(of=("self",)).select_related("organization")
    current: Project | None = locked.filter(pk=project.pk).first()
    if current is None:
        raise NotFound
    return current


def _hold_project(project: Project) -> Project:
    # held, so that no task is left behind in a project that is being deleted
    try:
        return _lock_project(project)
    except NotFound:
        raise NotInOrganization(field="project") from None


def _require_member(assignee: Membership | None, project: Project) -> None:
    if assignee is None:
        return
    # held, so that a membership that is ending is not given a task
    members = Membership.objects.select_for_update().filter(organization=project.organization_id)
    if not members.filter(pk=assignee.pk).exists():
        raise NotInOrganization(field="assignee")


def _plain(value: Any) -> Any:
    if isinstance(value, Project | Membership):
        return str(value.pk)
    return value.isoformat() if isinstance(value, date) else value
