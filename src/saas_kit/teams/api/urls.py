"""Where the API of teams is."""

from __future__ import annotations

from saas_kit.api.routers import Router
from saas_kit.teams.api import views

router = Router()
router.register("teams", views.TeamViewSet, basename="team")
router.register("teams/<uuid:team_id>/members", views.TeamMemberViewSet, basename="team-member")

urlpatterns = router.urls
