"""Where the API of sign-in is."""

from __future__ import annotations

from saas_kit.api.routers import Router
from saas_kit.auth.api import views

router = Router()
router.view("auth/login/", views.LoginView, name="auth-login")
router.view("auth/register/", views.RegisterView, name="auth-register")
router.view("auth/refresh/", views.RefreshView, name="auth-refresh")
router.view("auth/logout/", views.LogoutView, name="auth-logout")
router.view("auth/logout/all/", views.LogoutAllView, name="auth-logout-all")
router.view("auth/me/", views.MeView, name="auth-me")

urlpatterns = router.urls
