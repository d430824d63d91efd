"""Sign-in over HTTP."""

from __future__ import annotations

from saas_kit.auth.api.views.addresses import (
    ChangeEmailView,
    ConfirmEmailChangeView,
    ResendVerificationView,
    VerifyEmailView,
)
from saas_kit.auth.api.views.bases import AuthView
from saas_kit.auth.api.views.me import MeView
from saas_kit.auth.api.views.passwords import (
    ChangePasswordView,
    RequestPasswordResetView,
    ResetPasswordView,
)
from saas_kit.auth.api.views.registration import RegisterView
from saas_kit.auth.api.views.sign_in import LoginView, RefreshView
from saas_kit.auth.api.views.sign_out import LogoutAllView, LogoutView

__all__ = [
    "AuthView",
    "ChangeEmailView",
    "ChangePasswordView",
    "ConfirmEmailChangeView",
    "LoginView",
    "LogoutAllView",
    "LogoutView",
    "MeView",
    "RefreshView",
    "RegisterView",
    "RequestPasswordResetView",
    "ResendVerificationView",
    "ResetPasswordView",
    "VerifyEmailView",
]
