"""Invitations and the hashes of their tokens."""

import django.db.models.deletion
import django.db.models.manager
import django.utils.timezone
from django.conf import settings
from django.db import migrations, models

import saas_kit.core.ids
from saas_kit.tenancy.operations import IsolateModel


class Migration(migrations.Migration):
    dependencies = [
        ("saas_kit_tenancy", "0002_membership"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Invitation",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=saas_kit.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated at")),
                ("email", models.EmailField(max_length=254, verbose_name="email address")),
                ("role", models.CharField(max_length=63, verbose_name="role")),
                (
                    "message",
                    models.TextField(blank=True, default="", max_length=2000, verbose_name="message"),
                ),
                ("team_ids", models.JSONField(blank=True, default=list, verbose_name="teams")),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("pending", "pending"),
                            ("accepted", "accepted"),
                            ("declined", "declined"),
                            ("revoked", "revoked"),
                        ],
                        default="pending",
                        max_length=16,
                        verbose_name="status",
                    ),
                ),
                ("by_system", models.BooleanField(default=False, verbose_name="invited by the system")),
                ("sent_at", models.DateTimeField(default=django.utils.timezone.now, verbose_name="sent at")),
                ("expires_at", models.DateTimeField(verbose_name="expires at")),
                ("reminded_at", models.DateTimeField(null=True, verbose_name="reminded at")),
                ("answered_at", models.DateTimeField(null=True, verbose_name="answered or revoked at")),
                ("mail_id", models.UUIDField(editable=False, null=True)),
                ("reminder_id", models.UUIDField(editable=False, null=True)),
                (
                    "accepted_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="accepted by",
                    ),
                ),
                (
                    "invited_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="invited by",
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
            ],
            options={
                "verbose_name": "invitation",
                "verbose_name_plural": "invitations",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("all_objects", django.db.models.manager.Manager()),
            ],
        ),
        migrations.CreateModel(
            name="InvitationToken",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=saas_kit.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                ("updated_at", models.DateTimeField(auto_now=True, verbose_name="updated at")),
                ("token_hash", models.CharField(editable=False, max_length=64)),
                ("replaced_at", models.DateTimeField(null=True, verbose_name="replaced at")),
                (
                    "invitation",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="tokens",
                        to="saas_kit_tenancy.invitation",
                        verbose_name="invitation",
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
            ],
            options={
                "verbose_name": "invitation token",
                "verbose_name_plural": "invitation tokens",
            },
            managers=[
                ("objects", django.db.models.manager.Manager()),
                ("all_objects", django.db.models.manager.Manager()),
            ],
        ),
        migrations.AddIndex(
            model_name="invitation",
            index=models.Index(fields=["organization", "-id"], name="saas_kit_tenancy_invitations"),
        ),
        migrations.AddIndex(
            model_name="invitation",
            index=models.Index(fields=["email"], name="saas_kit_tenancy_invited"),
        ),
        migrations.AddIndex(
            model_name="invitation",
            index=models.Index(
                condition=models.Q(("reminded_at__isnull", True), ("status", "pending")),
                fields=["expires_at"],
                name="saas_kit_tenancy_inv_expiry",
            ),
        ),
        migrations.AddConstraint(
            model_name="invitation",
            constraint=models.UniqueConstraint(
                condition=models.Q(("status", "pending")),
                fields=("organization", "email"),
                name="saas_kit_tenancy_invitation_pending",
                violation_error_message="This address is invited already.",
            ),
        ),
        migrations.AddIndex(
            model_name="invitationtoken",
            index=models.Index(fields=["token_hash"], name="saas_kit_tenancy_inv_hashes"),
        ),
        migrations.AddIndex(
            model_name="invitationtoken",
            index=models.Index(fields=["invitation"], name="saas_kit_tenancy_inv_tokens"),
        ),
        IsolateModel("Invitation"),
        IsolateModel("InvitationToken", references=("invitation",)),
    ]
