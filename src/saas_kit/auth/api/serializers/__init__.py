"""The shapes of sign-in."""

from __future__ import annotations

from saas_kit.auth.api.serializers.passwords import (
    ChangeEmailSerializer,
    ChangePasswordSerializer,
    EmailSerializer,
    ResetPasswordSerializer,
    TokenSerializer,
)
from saas_kit.auth.api.serializers.people import (
    ME_EXAMPLE,
    NAMES,
    USER_EXAMPLE,
    MeSerializer,
    UserSerializer,
)
from saas_kit.auth.api.serializers.sign_in import (
    MAX_SECRET_LENGTH,
    TOKENS_EXAMPLE,
    DetailSerializer,
    LoginAnswerSerializer,
    LoginSerializer,
    LogoutSerializer,
    RefreshSerializer,
    RegisterAnswerSerializer,
    RegisterSerializer,
    TokensSerializer,
)

__all__ = [
    "MAX_SECRET_LENGTH",
    "ME_EXAMPLE",
    "NAMES",
    "TOKENS_EXAMPLE",
    "USER_EXAMPLE",
    "ChangeEmailSerializer",
    "ChangePasswordSerializer",
    "DetailSerializer",
    "EmailSerializer",
    "LoginAnswerSerializer",
    "LoginSerializer",
    "LogoutSerializer",
    "MeSerializer",
    "RefreshSerializer",
    "RegisterAnswerSerializer",
    "RegisterSerializer",
    "ResetPasswordSerializer",
    "TokenSerializer",
    "TokensSerializer",
    "UserSerializer",
]
