import django.db.models.deletion
import django.db.models.functions.text
import django.db.models.manager
from django.conf import settings
from django.db import migrations, models

import saas_kit.core.ids
from saas_kit.tenancy.operations import IsolateModel


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("saas_kit_tenancy", "0002_membership"),
        migrations.swappable_dependency(settings.SAAS_KIT_TENANCY_ORGANIZATION_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Project",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=saas_kit.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated at")),
                ("deleted_at", models.DateTimeField(editable=False, null=True, verbose_name="deleted at")),
                ("deletion_id", models.UUIDField(db_index=True, editable=False, null=True)),
                ("name", models.CharField(max_length=120, verbose_name="name")),
                (
                    "description",
                    models.TextField(blank=True, default="", max_length=2000, verbose_name="description"),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.SAAS_KIT_TENANCY_ORGANIZATION_MODEL,
                        verbose_name="organization",
                    ),
                ),
            ],
            options={
                "verbose_name": "project",
                "verbose_name_plural": "projects",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("all_objects", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="Task",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=saas_kit.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated at")),
                ("deleted_at", models.DateTimeField(editable=False, null=True, verbose_name="deleted at")),
                ("deletion_id", models.UUIDField(db_index=True, editable=False, null=True)),
                ("title", models.CharField(max_length=200, verbose_name="title")),
                (
                    "description",
                    models.TextField(blank=True, default="", max_length=2000, verbose_name="description"),
                ),
                (
                    "status",
                    models.CharField(
                        choices=[("todo", "to do"), ("doing", "in progress"), ("done", "done")],
                        default="todo",
                        max_length=16,
                        verbose_name="status",
                    ),
                ),
                ("due_on", models.DateField(blank=True, null=True, verbose_name="due on")),
                (
                    "assignee",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to="saas_kit_tenancy.membership",
                        verbose_name="assignee",
                    ),
                ),
                (
                    "organization",
                    models.ForeignKey(
                        editable=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.SAAS_KIT_TENANCY_ORGANIZATION_MODEL,
                        verbose_name="organization",
                    ),
                ),
                (
                    "project",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tasks",
                        to="projects.project",
                        verbose_name="project",
                    ),
                ),
            ],
            options={
                "verbose_name": "task",
                "verbose_name_plural": "tasks",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("all_objects", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddIndex(
            model_name="project",
            index=models.Index(fields=["organization", "-id"], name="projects_project_by_org"),
        ),
        migrations.AddConstraint(
            model_name="project",
            constraint=models.UniqueConstraint(
                models.F("organization"),
                django.db.models.functions.text.Lower("name"),
                condition=models.Q(("deleted_at__isnull", True)),
                name="projects_project_name",
                violation_error_message="A project of this name exists already.",
            ),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["organization", "-id"], name="projects_task_by_org"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["project", "-id"], name="projects_task_by_project"),
        ),
        IsolateModel("Project"),
        IsolateModel("Task", references=("project", "assignee")),
    ]
