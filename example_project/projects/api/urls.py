"""Where the API of projects is."""

from __future__ import annotations

from projects.api import views
from saas_kit.api.routers import Router

router = Router()
router.register("projects", views.ProjectViewSet, basename="project")
router.register("tasks", views.TaskViewSet, basename="task")

urlpatterns = router.urls
