from __future__ import annotations

from importlib.util import find_spec

from django.core.checks import Tags, register
from django.core.signals import request_started
from django.db.backends.signals import connection_created
from django.db.models.signals import post_delete, post_migrate, pre_migrate
from django.utils.module_loading import autodiscover_modules
from django.utils.translation import gettext_lazy as _

from saas_kit.core.apps import KitAppConfig


class TenancyConfig(KitAppConfig):
    default = True
    name = "saas_kit.tenancy"
    label = "saas_kit_tenancy"
    verbose_name = _("Tenancy")
    needs = ("saas_kit.audit", "saas_kit.email")

    def ready(self) -> None:
        from saas_kit.tenancy import (
            checks,
            domain_checks,
            invitation_checks,
            isolation_checks,
            receivers,
            resolver_checks,
        )
        from saas_kit.tenancy.access import register_caller_parts
        from saas_kit.tenancy.models import get_organization_model
        from saas_kit.tenancy.row_security import watch_connection

        super().ready()
        autodiscover_modules("permissions")
        register_caller_parts()
        connection_created.connect(watch_connection, dispatch_uid="saas_kit.tenancy.row_security")
        pre_migrate.connect(receivers.see_all_rows, sender=self)
        post_migrate.connect(receivers.sync_row_security, sender=self)
        request_started.connect(receivers.stop_seeing_all_rows)
        if not checks.check_organization_model_is_ours():  # else that check says what is wrong
            post_delete.connect(receivers.forget_messages, sender=get_organization_model())
        if find_spec("celery") is not None:
            from saas_kit.tenancy.celery import connect

            connect()
        for check in (
            *checks.ALL,
            *isolation_checks.ALL,
            *resolver_checks.ALL,
            *domain_checks.ALL,
            *invitation_checks.ALL,
        ):
            register(check, Tags.compatibility)
        for check in domain_checks.DEPLOY:
            register(check, Tags.compatibility, deploy=True)
        for of_database in isolation_checks.OF_DATABASES:
            register(of_database, Tags.database, deploy=True)
