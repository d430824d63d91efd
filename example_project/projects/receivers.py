"""What the project does when something happens in the kit."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from projects.services import create_project, create_task
from saas_kit.tenancy.signals import organization_created

FIRST_PROJECT = "Getting started"
FIRST_TASKS = ("Invite your colleagues", "Make a team", "Create your own project")


@receiver(organization_created, dispatch_uid="projects.getting_started")
def make_first_project(*, organization: Any, actor: Any, **kwargs: object) -> None:
    """Give every new organization a project that shows what there is to do."""
    project = create_project(organization, name=FIRST_PROJECT, actor=actor)
    for title in FIRST_TASKS:
        create_task(project, title=title, actor=actor)
