from __future__ import annotations

from importlib import import_module

from django.core.checks import Tags, register
from django.utils.translation import gettext_lazy as _

from saas_kit.core.apps import KitAppConfig


class AuthConfig(KitAppConfig):
    default = True
    name = "saas_kit.auth"
    label = "saas_kit_auth"
    verbose_name = _("Sign-in")
    needs = ("saas_kit.audit", "saas_kit.email")

    def ready(self) -> None:
        from saas_kit.auth import (
            access_cache,
            access_cache_checks,
            admin_checks,
            checks,
            cookie_checks,
            limit_checks,
            passkey_checks,
        )
        from saas_kit.auth.identity import has_mfa, has_verified_email, register_caller_parts
        from saas_kit.core.second_factor import register_second_factor
        from saas_kit.core.verified_email import register_verified_email

        super().ready()
        register_caller_parts()
        access_cache.connect()
        register_second_factor(has_mfa)
        register_verified_email(has_verified_email)
        if not checks.check_apps():  # else a check says what is missing
            import_module("saas_kit.auth.receivers")
        for check in (
            *checks.ALL,
            *limit_checks.ALL,
            *cookie_checks.ALL,
            *access_cache_checks.ALL,
            *passkey_checks.ALL,
        ):
            register(check, Tags.compatibility)
        for check in (
            *checks.DEPLOY,
            *limit_checks.DEPLOY,
            *cookie_checks.DEPLOY,
            *access_cache_checks.DEPLOY,
            *admin_checks.DEPLOY,
        ):
            register(check, Tags.security, deploy=True)
