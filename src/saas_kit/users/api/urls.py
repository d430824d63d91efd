"""Where the API of people is; registration and one's own profile take the place of what sign-in alone has."""

from __future__ import annotations

from django.apps import apps

from saas_kit.api.routers import Router
from saas_kit.auth.identity import offers_passkey_sign_in
from saas_kit.users.api import views

router = Router()
router.view("auth/login/", views.LoginView, name="auth-login")
router.view("auth/register/", views.RegisterView, name="auth-register")
router.view("auth/email/verify/", views.VerifyEmailView, name="auth-email-verify")
router.view("auth/refresh/", views.RefreshView, name="auth-refresh")
router.view("auth/me/", views.MeView, name="auth-me")
if apps.is_installed("allauth.mfa"):
    router.view("auth/mfa/verify/", views.VerifySecondFactorView, name="auth-mfa-verify")
if offers_passkey_sign_in():
    router.view("auth/passkeys/login/", views.PasskeyLoginView, name="auth-passkeys-login")
if apps.is_installed("allauth.socialaccount"):
    router.view("auth/social/<str:provider>/", views.SocialSignInView, name="auth-social")
router.register("users", views.UserViewSet, basename="user")

urlpatterns = router.urls
