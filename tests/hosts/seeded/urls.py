"""The leaky twin."""

from __future__ import annotations

from django.urls import include, path

from tests.hosts.seeded.library.api import leaky
from tests.hosts.seeded.library.api.urls import routes

urlpatterns = [path("api/v1/", include(routes(leaky)))]
