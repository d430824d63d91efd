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
router.view("auth/password/change/", views.ChangePasswordView, name="auth-password-change")
router.view("auth/password/reset/", views.RequestPasswordResetView, name="auth-password-reset")
router.view("auth/password/reset/confirm/", views.ResetPasswordView, name="auth-password-reset-confirm")
router.view("auth/email/verify/", views.VerifyEmailView, name="auth-email-verify")
router.view("auth/email/resend/", views.ResendVerificationView, name="auth-email-resend")
router.view("auth/email/change/", views.ChangeEmailView, name="auth-email-change")
router.view("auth/email/change/confirm/", views.ConfirmEmailChangeView, name="auth-email-change-confirm")
router.view("auth/me/", views.MeView, name="auth-me")

urlpatterns = router.urls
