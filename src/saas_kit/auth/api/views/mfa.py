"""Second factors; they are routed where ``allauth.mfa`` is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from django.views.decorators.debug import sensitive_variables
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from saas_kit.api.views import ApiView, GenericApiView
from saas_kit.auth import services
from saas_kit.auth.api.serializers import (
    ConfirmTOTPSerializer,
    DisableTOTPSerializer,
    EnrollmentSerializer,
    LoginAnswerSerializer,
    RecoveryCodesSerializer,
    RemainingRecoveryCodesSerializer,
    TOTPStateSerializer,
    VerifySecondFactorSerializer,
)
from saas_kit.auth.api.views.bases import AuthView, counting_bad_tokens, open_session, tokens_response
from saas_kit.auth.exceptions import InvalidToken, TokenGone, UnknownToken
from saas_kit.core.permissions import Access


class VerifySecondFactorView(AuthView, GenericApiView):
    """
    Finish a sign-in with a second factor.

    ``output_serializer_classes`` says what is answered, as of ``LoginView``.
    """

    authentication_classes = ()
    required_permissions = {"post": Access.PUBLIC}
    serializer_class = VerifySecondFactorSerializer
    output_serializer_classes: ClassVar[Mapping[str, type[BaseSerializer[Any]]]] = {
        "post": LoginAnswerSerializer
    }
    operation_name = "auth_mfa_verify"
    summaries = {"post": "Finish a sign-in with a second factor"}
    descriptions = {
        "post": "Take the `mfa_token` of the sign-in and a code for a pair of tokens. Both are good once. A wrong code "
        "is 400 `invalid_code` and leaves the token good for another try, five in all; a token that is no good is 401 "
        "`invalid_token`, and the sign-in begins anew. Five wrong codes in five minutes are 429 for the person. Where "
        "the host has passkeys, `credential` takes the place of the code; `auth/mfa/options/` comes before it, each "
        "time."
    }
    extra_errors = {"post": (401,)}

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        # a failed attempt stays counted, although the answer is an error
        return transaction.non_atomic_requests(super().as_view(**initkwargs))

    @sensitive_variables("data")
    def post(self, request: Request, **kwargs: Any) -> Response:
        """Finish a sign-in with a second factor."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        try:
            with counting_bad_tokens():
                if "credential" in data:
                    user = services.verify_passkey(data["mfa_token"], data["credential"])
                else:
                    user = services.verify_second_factor(data["mfa_token"], data["code"])
        except (UnknownToken, TokenGone) as error:
            raise InvalidToken from error
        tokens = open_session(user, request)
        return tokens_response(self, status.HTTP_200_OK, user, tokens, mfa_required=False)


class TOTPView(AuthView, GenericApiView):
    """The caller's authenticator app."""

    required_permissions = {
        "get": Access.AUTHENTICATED,
        "post": Access.AUTHENTICATED,
        "delete": Access.AUTHENTICATED,
    }
    serializer_class = DisableTOTPSerializer
    input_serializer_classes = {"post": None, "delete": DisableTOTPSerializer}
    output_serializer_classes = {"get": TOTPStateSerializer, "post": EnrollmentSerializer, "delete": None}
    operation_name = "auth_mfa_totp"
    summaries = {
        "get": "Tell whether one has an authenticator app",
        "post": "Begin to set up an authenticator app",
        "delete": "Remove one's authenticator app",
    }
    descriptions = {
        "get": "Whether codes of an app are asked for at sign-in, and since when.",
        "post": "Get what the app has to know. Nothing is asked for at sign-in before `confirm/` was called; each call "
        "begins anew. The sign-in must be less than ten minutes old (403 `sign_in_too_old`), so that nobody with a "
        "stolen token can lock the person out. 409 `email_unverified` before the address is proved, 409 "
        "`mfa_already_enabled` where there is an app.",
        "delete": "Codes are asked for no longer, and sessions go on. Recovery codes go with the last second factor. "
        "The password is needed; who has none must have signed in less than ten minutes ago (403 `sign_in_too_old`).",
    }

    def get(self, request: Request, **kwargs: Any) -> Response:
        """Tell whether the caller has an authenticator app."""
        totp = services.find_totp(self.actor)
        state = {
            "enabled": totp is not None,
            "enabled_at": getattr(totp, "created_at", None),
            "last_used_at": getattr(totp, "last_used_at", None),
        }
        return Response(TOTPStateSerializer(state).data)

    def post(self, request: Request, **kwargs: Any) -> Response:
        """Begin to set up an authenticator app."""
        services.require_recent_sign_in(self.own_session)
        return Response(EnrollmentSerializer(services.begin_totp(self.actor)).data)

    def delete(self, request: Request, **kwargs: Any) -> Response:
        """Remove the caller's authenticator app."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self.require_person(serializer.validated_data)
        services.disable_totp(self.actor, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ConfirmTOTPView(AuthView, GenericApiView):
    """Have codes of an authenticator app asked for from now on."""

    required_permissions = {"post": Access.AUTHENTICATED}
    serializer_class = ConfirmTOTPSerializer
    output_serializer_classes = {"post": RecoveryCodesSerializer}
    operation_name = "auth_mfa_totp_confirm"
    summaries = {"post": "Confirm an authenticator app"}
    descriptions = {
        "post": "Prove by a code that the app knows what it has to, and get recovery codes for when it is lost. They "
        "take the place of older ones and are shown this once. Other sessions go on."
    }

    def post(self, request: Request, **kwargs: Any) -> Response:
        """Have codes of an authenticator app asked for from now on."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        codes = services.confirm_totp(self.actor, serializer.validated_data["code"])
        return Response({"recovery_codes": codes})


class RecoveryCodesView(AuthView, ApiView):
    """The caller's recovery codes."""

    required_permissions = {"get": Access.AUTHENTICATED, "post": Access.AUTHENTICATED}
    input_serializer_classes = {"post": None}
    output_serializer_classes = {"get": RemainingRecoveryCodesSerializer, "post": RecoveryCodesSerializer}
    operation_name = "auth_mfa_recovery_codes"
    summaries = {"get": "Count one's recovery codes", "post": "Get new recovery codes"}
    descriptions = {
        "get": "How many are left; the codes themselves are not shown again.",
        "post": "Get new codes instead of the old ones. 409 `mfa_not_enabled` without a second factor.",
    }

    def get(self, request: Request, **kwargs: Any) -> Response:
        """Count the caller's recovery codes."""
        return Response({"remaining": services.count_recovery_codes(self.actor)})

    def post(self, request: Request, **kwargs: Any) -> Response:
        """Get new recovery codes."""
        services.require_recent_sign_in(self.own_session)
        return Response({"recovery_codes": services.renew_recovery_codes(self.actor)})
