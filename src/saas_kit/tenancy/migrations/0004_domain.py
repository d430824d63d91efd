"""Domains of e-mail addresses, and who does not join by them any more."""

import django.core.validators
import django.db.models.deletion
import django.db.models.manager
from django.conf import settings
from django.db import migrations, models

import saas_kit.core.ids
import saas_kit.tenancy.models.domains
from saas_kit.tenancy.operations import IsolateModel


class Migration(migrations.Migration):
    dependencies = [
        ("saas_kit_tenancy", "0003_invitation"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="EmailDomain",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=saas_kit.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated at")),
                (
                    "domain",
                    models.CharField(
                        max_length=233,
                        validators=[django.core.validators.DomainNameValidator(accept_idna=False)],
                        verbose_name="domain",
                    ),
                ),
                (
                    "enrollment",
                    models.CharField(
                        choices=[
                            ("off", "off"),
                            ("suggest", "people may join"),
                            ("automatic", "new people join automatically"),
                        ],
                        default="off",
                        max_length=16,
                        verbose_name="enrollment",
                    ),
                ),
                ("role", models.CharField(default="member", max_length=63, verbose_name="role")),
                (
                    "proof",
                    models.CharField(
                        default=saas_kit.tenancy.models.domains.new_proof,
                        editable=False,
                        max_length=32,
                        verbose_name="proof",
                    ),
                ),
                ("verified_at", models.DateTimeField(editable=False, null=True, verbose_name="verified at")),
                ("checked_at", models.DateTimeField(editable=False, null=True, verbose_name="checked at")),
                (
                    "missing_since",
                    models.DateTimeField(editable=False, null=True, verbose_name="missing since"),
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
                "verbose_name": "e-mail domain",
                "verbose_name_plural": "e-mail domains",
                "indexes": [
                    models.Index(fields=["organization", "-id"], name="saas_kit_tenancy_domains"),
                    models.Index(
                        condition=models.Q(("verified_at__isnull", False)),
                        fields=["checked_at"],
                        name="saas_kit_tenancy_domains_due",
                    ),
                ],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "domain"),
                        name="saas_kit_tenancy_domain",
                        violation_error_message="The organization has this domain already.",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("verified_at__isnull", False)),
                        fields=("domain",),
                        name="saas_kit_tenancy_domain_verified",
                        violation_error_message="Another organization has proved this domain.",
                    ),
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("all_objects", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="RemovedMember",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=saas_kit.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated at")),
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
                    "user",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="person",
                    ),
                ),
            ],
            options={
                "verbose_name": "removed member",
                "verbose_name_plural": "removed members",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("organization", "user"), name="saas_kit_tenancy_removed_member"
                    )
                ],
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("all_objects", django.db.models.manager.Manager()),
            ],
        ),
        IsolateModel("EmailDomain"),
        IsolateModel("RemovedMember"),
    ]
