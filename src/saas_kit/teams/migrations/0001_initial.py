import django.core.validators
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
            name="Team",
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
                    "slug",
                    models.CharField(
                        max_length=63,
                        validators=[
                            django.core.validators.RegexValidator(
                                "\\A[a-z0-9]+(?:-[a-z0-9]+)*\\Z",
                                "Use lower-case letters, digits and single dashes.",
                                "invalid_slug",
                            )
                        ],
                        verbose_name="slug",
                    ),
                ),
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
                "verbose_name": "team",
                "verbose_name_plural": "teams",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("all_objects", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="TeamMembership",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=saas_kit.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated at")),
                ("role", models.CharField(max_length=63, verbose_name="role")),
                (
                    "membership",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="team_memberships",
                        to="saas_kit_tenancy.membership",
                        verbose_name="member",
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
                    "team",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="team_memberships",
                        to="saas_kit_teams.team",
                        verbose_name="team",
                    ),
                ),
            ],
            options={
                "verbose_name": "team membership",
                "verbose_name_plural": "team memberships",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("all_objects", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddIndex(
            model_name="team",
            index=models.Index(fields=["organization", "-id"], name="saas_kit_teams_by_org"),
        ),
        migrations.AddConstraint(
            model_name="team",
            constraint=models.UniqueConstraint(
                models.F("organization"),
                django.db.models.functions.text.Lower("name"),
                condition=models.Q(("deleted_at__isnull", True)),
                name="saas_kit_teams_team_name",
                violation_error_message="A team of this name exists already.",
            ),
        ),
        migrations.AddConstraint(
            model_name="team",
            constraint=models.UniqueConstraint(
                models.F("organization"),
                django.db.models.functions.text.Lower("slug"),
                condition=models.Q(("deleted_at__isnull", True)),
                name="saas_kit_teams_team_slug",
                violation_error_message="This slug is taken.",
            ),
        ),
        migrations.AddIndex(
            model_name="teammembership",
            index=models.Index(fields=["team", "-id"], name="saas_kit_teams_members"),
        ),
        migrations.AddConstraint(
            model_name="teammembership",
            constraint=models.UniqueConstraint(
                fields=("team", "membership"),
                name="saas_kit_teams_member",
                violation_error_message="This person is in the team already.",
            ),
        ),
        IsolateModel("Team"),
        IsolateModel("TeamMembership", references=("team", "membership")),
    ]
