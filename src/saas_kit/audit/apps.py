from __future__ import annotations

from django.utils.translation import gettext_lazy as _

from saas_kit.core.apps import KitAppConfig


class AuditConfig(KitAppConfig):
    default = True
    name = "saas_kit.audit"
    label = "saas_kit_audit"
    verbose_name = _("Audit log")
