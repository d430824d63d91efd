"""System checks of how staff sign in to Django's admin."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.apps import apps
from django.core.checks import CheckMessage
from django.core.checks import Warning as CheckWarning
from django.urls import NoReverseMatch, resolve, reverse

if TYPE_CHECKING:
    from django.contrib.admin import AdminSite


def check_admin_sign_in(**kwargs: object) -> list[CheckMessage]:
    """W014: Django's own form lets passwords be guessed without a limit, and asks for no second factor."""
    if not apps.is_installed("django.contrib.admin"):
        return []
    from django.contrib.admin.forms import AdminAuthenticationForm  # noqa: PLC0415 - it needs the app

    from saas_kit.auth.forms import AdminSignInForm  # noqa: PLC0415

    return [
        CheckWarning(
            f"Passwords can be guessed without a limit at the admin {site.name!r}, and it asks for no second factor.",
            hint="Add to the URLs: from saas_kit.auth.forms import AdminSignInForm; admin.site.login_form = "
            'AdminSignInForm; admin.site.login_template = "saas_kit_auth/admin/login.html". Where something else '
            "protects it, put saas_kit_auth.W014 into SILENCED_SYSTEM_CHECKS.",
            id="saas_kit_auth.W014",
        )
        for site in _routed_sites()
        if not issubclass(site.login_form or AdminAuthenticationForm, AdminSignInForm)
    ]


def _routed_sites() -> list[AdminSite]:
    """Return the admin sites that the URLs lead to."""
    from django.contrib.admin.sites import all_sites  # noqa: PLC0415 - it needs the app

    try:
        reverse("admin:index")  # it also loads the URLs, where hosts make sites and set their forms
    except NoReverseMatch:
        return []
    paths = {site: reverse("admin:index", current_app=site.name) for site in all_sites}
    routed = [site for site, path in paths.items() if getattr(resolve(path).func, "admin_site", None) is site]
    return sorted(routed, key=lambda site: site.name)


DEPLOY = (check_admin_sign_in,)
