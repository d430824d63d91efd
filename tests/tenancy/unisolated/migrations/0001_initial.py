from django.conf import settings
from django.db import migrations


class Migration(migrations.Migration):
    initial = True
    dependencies = [migrations.swappable_dependency(settings.SAAS_KIT_TENANCY_ORGANIZATION_MODEL)]
    operations = []
