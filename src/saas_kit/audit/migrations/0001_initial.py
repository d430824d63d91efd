import django.core.serializers.json
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import saas_kit.core.ids


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Event",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=saas_kit.core.ids.uuid7, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("action", models.CharField(max_length=100, verbose_name="action")),
                ("actor_label", models.CharField(blank=True, max_length=254, verbose_name="actor's name")),
                ("account_id", models.UUIDField(null=True, verbose_name="account")),
                ("organization_id", models.UUIDField(null=True, verbose_name="organization")),
                ("target_type", models.CharField(max_length=100, verbose_name="kind of object")),
                ("target_id", models.CharField(max_length=64, verbose_name="object's id")),
                ("target_label", models.CharField(blank=True, max_length=254, verbose_name="object's name")),
                (
                    "changes",
                    models.JSONField(
                        blank=True,
                        default=dict,
                        encoder=django.core.serializers.json.DjangoJSONEncoder,
                        verbose_name="changes",
                    ),
                ),
                ("staff_access", models.BooleanField(default=False, verbose_name="staff access")),
                ("ip_address", models.GenericIPAddressField(null=True, verbose_name="IP address")),
                ("request_id", models.CharField(blank=True, max_length=64, verbose_name="request id")),
                ("created_at", models.DateTimeField(auto_now_add=True, verbose_name="created at")),
                (
                    "actor",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="actor",
                    ),
                ),
            ],
            options={
                "verbose_name": "event",
                "verbose_name_plural": "events",
                "ordering": ("-id",),
                "indexes": [
                    models.Index(fields=["organization_id", "-id"], name="saas_kit_audit_by_org"),
                    models.Index(fields=["actor", "-id"], name="saas_kit_audit_by_actor"),
                    models.Index(fields=["target_type", "target_id", "-id"], name="saas_kit_audit_by_target"),
                ],
            },
        ),
    ]
