"""Where the API of sign-in is."""

from __future__ import annotations

from django.apps import apps

from saas_kit.api.routers import Router
from saas_kit.auth.api import views
from saas_kit.auth.identity import offers_passkey_sign_in, offers_passkeys

router = Router()
router.view("auth/login/", views.LoginView, name="auth-login")
router.view("auth/register/", views.RegisterView, name="auth-register")
router.view("auth/refresh/", views.RefreshView, name="auth-refresh")
router.view("auth/logout/", views.LogoutView, name="auth-logout")
router.view("auth/logout/all/", views.LogoutAllView, name="auth-logout-all")
router.register("auth/sessions", views.SessionViewSet, basename="auth-session")
router.view("auth/jwks/", views.JwksView, name="auth-jwks")
router.view("auth/password/change/", views.ChangePasswordView, name="auth-password-change")
router.view("auth/password/reset/", views.RequestPasswordResetView, name="auth-password-reset")
router.view("auth/password/reset/confirm/", views.ResetPasswordView, name="auth-password-reset-confirm")
router.view("auth/email/verify/", views.VerifyEmailView, name="auth-email-verify")
router.view("auth/email/resend/", views.ResendVerificationView, name="auth-email-resend")
router.view("auth/email/change/", views.ChangeEmailView, name="auth-email-change")
router.view("auth/email/change/confirm/", views.ConfirmEmailChangeView, name="auth-email-change-confirm")
router.view("auth/me/", views.MeView, name="auth-me")
router.view("auth/me/export/", views.ExportView, name="auth-me-export")
if apps.is_installed("allauth.mfa"):
    router.view("auth/mfa/verify/", views.VerifySecondFactorView, name="auth-mfa-verify")
    router.view("auth/mfa/totp/", views.TOTPView, name="auth-mfa-totp")
    router.view("auth/mfa/totp/confirm/", views.ConfirmTOTPView, name="auth-mfa-totp-confirm")
    router.view("auth/mfa/recovery-codes/", views.RecoveryCodesView, name="auth-mfa-recovery-codes")
if offers_passkeys():
    router.view("auth/mfa/options/", views.SecondFactorOptionsView, name="auth-mfa-options")
    router.view("auth/mfa/passkeys/", views.PasskeysView, name="auth-mfa-passkeys")
    router.view("auth/mfa/passkeys/confirm/", views.ConfirmPasskeyView, name="auth-mfa-passkeys-confirm")
    router.view("auth/mfa/passkeys/<str:id>/", views.PasskeyView, name="auth-mfa-passkey")
if offers_passkey_sign_in():
    router.view("auth/passkeys/options/", views.PasskeyOptionsView, name="auth-passkeys-options")
    router.view("auth/passkeys/login/", views.PasskeyLoginView, name="auth-passkeys-login")
if apps.is_installed("allauth.socialaccount"):
    router.view("auth/social/providers/", views.SocialProvidersView, name="auth-social-providers")
    router.view("auth/social/accounts/", views.SocialAccountsView, name="auth-social-accounts")
    router.view("auth/social/accounts/<int:id>/", views.SocialAccountView, name="auth-social-account")
    router.view("auth/social/<str:provider>/", views.SocialSignInView, name="auth-social")
    router.view("auth/social/<str:provider>/connect/", views.SocialConnectView, name="auth-social-connect")

urlpatterns = router.urls
