"""Where everything is."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularRedocView, SpectacularSwaggerSplitView

from projects.api.urls import router as projects_router
from projects.api.views import OrganizationWithProjectsViewSet
from saas_kit.auth.forms import AdminSignInForm
from saas_kit.urls import router as kit_router

# limits guessing, and asks for the second factor
admin.site.login_form = AdminSignInForm
admin.site.login_template = "saas_kit_auth/admin/login.html"

api = [
    path("", include(projects_router.urls)),
    path("", include(kit_router.replacing(organization=OrganizationWithProjectsViewSet).urls)),
]

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="docs"), name="home"),
    path("admin/", admin.site.urls),
    path("api/v1/", include(api)),
    path("email/", include("saas_kit.email.urls")),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
    path("api/docs/", SpectacularSwaggerSplitView.as_view(), name="docs"),
    path("api/redoc/", SpectacularRedocView.as_view(), name="redoc"),
]
