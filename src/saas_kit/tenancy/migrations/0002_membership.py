"""Memberships, which point at whatever organization model the host chose."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import saas_kit.core.ids
from saas_kit.tenancy.operations import IsolateModel


class Migration(migrations.Migration):
    dependencies = [
        ("saas_kit_tenancy", "0001_initial"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        migrations.swappable_dependency(settings.SAAS_KIT_TENANCY_ORGANIZATION_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Membership",
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
                    "organization",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to=settings.SAAS_KIT_TENANCY_ORGANIZATION_MODEL,
                        verbose_name="organization",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="memberships",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="person",
                    ),
                ),
            ],
            options={
                "verbose_name": "membership",
                "verbose_name_plural": "memberships",
            },
        ),
        migrations.AddIndex(
            model_name="membership",
            index=models.Index(fields=["organization", "-id"], name="saas_kit_tenancy_members"),
        ),
        migrations.AddConstraint(
            model_name="membership",
            constraint=models.UniqueConstraint(
                fields=("organization", "user"),
                name="saas_kit_tenancy_member",
                violation_error_message="This person is a member already.",
            ),
        ),
        IsolateModel("Membership"),
    ]
