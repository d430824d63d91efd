"""Where the API of tenancy is."""

from __future__ import annotations

from saas_kit.api.routers import Router
from saas_kit.tenancy.api import views

router = Router()
router.register("accounts", views.AccountViewSet, basename="account")
router.register("accounts/<uuid:account_id>/members", views.AccountMemberViewSet, basename="account-member")
router.register("organizations", views.OrganizationViewSet, basename="organization")
router.register(
    "organizations/<uuid:organization_id>/members",
    views.OrganizationMemberViewSet,
    basename="organization-member",
)
router.register(
    "organizations/<uuid:organization_id>/domains",
    views.OrganizationDomainViewSet,
    basename="organization-domain",
)
router.register("organizations/joinable", views.JoinableOrganizationViewSet, basename="joinable-organization")
router.view(
    "organizations/<uuid:organization_id>/join/", views.JoinOrganizationView, name="organization-join"
)
router.register(
    "organizations/<uuid:organization_id>/invitations",
    views.OrganizationInvitationViewSet,
    basename="organization-invitation",
)
router.register("invitations", views.ReceivedInvitationViewSet, basename="invitation")
router.view("permissions/", views.PermissionListView, name="permission-list")

urlpatterns = router.urls
