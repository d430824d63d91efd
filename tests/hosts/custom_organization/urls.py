from __future__ import annotations

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

from saas_kit.urls import router
from tests.hosts.custom_organization.companies.api.views import CompanyViewSet

urlpatterns = [
    path("admin/", admin.site.urls),
    path("api/v1/", include(router.replacing(organization=CompanyViewSet).urls)),
    path("api/schema/", SpectacularAPIView.as_view(), name="schema"),
]
