"""The shapes of sign-in."""

from __future__ import annotations

from saas_kit.auth.api.serializers.me import DeleteMeSerializer, ExportSerializer
from saas_kit.auth.api.serializers.mfa import (
    ConfirmTOTPSerializer,
    DisableTOTPSerializer,
    EnrollmentSerializer,
    RecoveryCodesSerializer,
    RemainingRecoveryCodesSerializer,
    SecondFactorSerializer,
    TOTPStateSerializer,
    VerifySecondFactorSerializer,
)
from saas_kit.auth.api.serializers.passkeys import (
    ConfirmPasskeySerializer,
    NewPasskeySerializer,
    PasskeyCreationSerializer,
    PasskeyLoginSerializer,
    PasskeyProofSerializer,
    PasskeyRequestSerializer,
    PasskeySerializer,
)
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
from saas_kit.auth.api.serializers.social import (
    SOCIAL_CREDENTIALS,
    SocialAccountSerializer,
    SocialAccountsSerializer,
    SocialProvidersSerializer,
    SocialSignInSerializer,
)

__all__ = [
    "MAX_SECRET_LENGTH",
    "ME_EXAMPLE",
    "NAMES",
    "SOCIAL_CREDENTIALS",
    "TOKENS_EXAMPLE",
    "USER_EXAMPLE",
    "ChangeEmailSerializer",
    "ChangePasswordSerializer",
    "ConfirmPasskeySerializer",
    "ConfirmTOTPSerializer",
    "DeleteMeSerializer",
    "DetailSerializer",
    "DisableTOTPSerializer",
    "EmailSerializer",
    "EnrollmentSerializer",
    "ExportSerializer",
    "LoginAnswerSerializer",
    "LoginSerializer",
    "LogoutSerializer",
    "MeSerializer",
    "NewPasskeySerializer",
    "PasskeyCreationSerializer",
    "PasskeyLoginSerializer",
    "PasskeyProofSerializer",
    "PasskeyRequestSerializer",
    "PasskeySerializer",
    "RecoveryCodesSerializer",
    "RefreshSerializer",
    "RegisterAnswerSerializer",
    "RegisterSerializer",
    "RemainingRecoveryCodesSerializer",
    "ResetPasswordSerializer",
    "SecondFactorSerializer",
    "SocialAccountSerializer",
    "SocialAccountsSerializer",
    "SocialProvidersSerializer",
    "SocialSignInSerializer",
    "TOTPStateSerializer",
    "TokenSerializer",
    "TokensSerializer",
    "UserSerializer",
    "VerifySecondFactorSerializer",
]
