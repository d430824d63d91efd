"""The API below a path that names an organization."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("api/v1/", include("saas_kit.urls")),
    path("o/<organization_slug>/api/v1/", include("saas_kit.urls")),
]
