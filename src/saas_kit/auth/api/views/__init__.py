"""Sign-in over HTTP."""

from __future__ import annotations

from saas_kit.auth.api.views.addresses import (
    ChangeEmailView,
    ConfirmEmailChangeView,
    ResendVerificationView,
    VerifyEmailView,
)
from saas_kit.auth.api.views.bases import AuthView
from saas_kit.auth.api.views.keys import JwksView
from saas_kit.auth.api.views.me import ExportView, MeView
from saas_kit.auth.api.views.mfa import (
    ConfirmTOTPView,
    RecoveryCodesView,
    TOTPView,
    VerifySecondFactorView,
)
from saas_kit.auth.api.views.passkeys import (
    ConfirmPasskeyView,
    PasskeyLoginView,
    PasskeyOptionsView,
    PasskeysView,
    PasskeyView,
    SecondFactorOptionsView,
)
from saas_kit.auth.api.views.passwords import (
    ChangePasswordView,
    RequestPasswordResetView,
    ResetPasswordView,
)
from saas_kit.auth.api.views.registration import RegisterView
from saas_kit.auth.api.views.sessions import SessionViewSet
from saas_kit.auth.api.views.sign_in import LoginView, RefreshView
from saas_kit.auth.api.views.sign_out import LogoutAllView, LogoutView
from saas_kit.auth.api.views.social import (
    SocialAccountsView,
    SocialAccountView,
    SocialConnectView,
    SocialProvidersView,
    SocialSignInView,
)

__all__ = [
    "AuthView",
    "ChangeEmailView",
    "ChangePasswordView",
    "ConfirmEmailChangeView",
    "ConfirmPasskeyView",
    "ConfirmTOTPView",
    "ExportView",
    "JwksView",
    "LoginView",
    "LogoutAllView",
    "LogoutView",
    "MeView",
    "PasskeyLoginView",
    "PasskeyOptionsView",
    "PasskeyView",
    "PasskeysView",
    "RecoveryCodesView",
    "RefreshView",
    "RegisterView",
    "RequestPasswordResetView",
    "ResendVerificationView",
    "ResetPasswordView",
    "SecondFactorOptionsView",
    "SessionViewSet",
    "SocialAccountView",
    "SocialAccountsView",
    "SocialConnectView",
    "SocialProvidersView",
    "SocialSignInView",
    "TOTPView",
    "VerifyEmailView",
    "VerifySecondFactorView",
]
