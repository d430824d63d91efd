"""What `makemigrations` may write for a host's organization, and E004 reports."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("saas_kit_tenancy", "0002_membership")]
