"""Where the API of widgets is."""

from __future__ import annotations

from saas_kit.api.routers import Router
from tests.hosts.full.widgets.api import views

router = Router()
router.register("widgets", views.WidgetViewSet, basename="widget")

urlpatterns = router.urls
