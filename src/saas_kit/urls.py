"""
The API of every installed app of the kit, under one include.

``path("api/v1/", include("saas_kit.urls"))`` mounts all of it; a host that replaces a part says
``path("api/v1/", include(saas_kit.urls.router.replacing(organization=MyViewSet).urls))``.
"""

from __future__ import annotations

from importlib import import_module

from django.apps import apps

from saas_kit.api.routers import Router

# an app's routes take the place of those of the same name in the apps below it
_APPS = ("saas_kit.users", "saas_kit.teams", "saas_kit.tenancy", "saas_kit.auth")

router = Router.merged(import_module(f"{app}.api.urls").router for app in _APPS if apps.is_installed(app))

urlpatterns = router.urls
