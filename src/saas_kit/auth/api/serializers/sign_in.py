"""The shapes of signing in and out."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from saas_kit.api.serializers import Serializer
from saas_kit.auth import services
from saas_kit.auth.api.serializers.people import ME_EXAMPLE, NAMES, MeSerializer, example
from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.identity import username_field
from saas_kit.auth.tokens import MAX_LENGTH

MAX_SECRET_LENGTH = 4096  # longer ones are not worth hashing (CVE-2013-1443)
_ACCESS = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzaWQiOiIwMTkyMDAwMCJ9.c2lnbmF0dXJl"
_REFRESH = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJqdGkiOiIwMTkyMDAwMCJ9.c2lnbmF0dXJl"


@extend_schema_serializer(
    examples=[example({"email": "ada@example.com", "password": "analytical engine 1843"}, request_only=True)]
)
class LoginSerializer(Serializer):
    """What people sign in with: the address, or the username where the host's user model has one."""

    email = serializers.EmailField(max_length=254, required=username_field() is None)
    password = serializers.CharField(
        max_length=MAX_SECRET_LENGTH,
        trim_whitespace=False,
        write_only=True,
        style={"input_type": "password"},
    )
    if username_field() is not None:
        username = serializers.CharField(max_length=254, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not (attrs.get("email") or attrs.get("username")):
            raise ValidationError(
                {"email": [ErrorDetail(str(_("This field is required.")), code="required")]}
            )
        return attrs


@extend_schema_serializer(
    examples=[example({"email": "ada@example.com", "password": "analytical engine 1843"}, request_only=True)]
)
class RegisterSerializer(Serializer):
    """What people register with."""

    email = serializers.EmailField(max_length=254)
    password = serializers.CharField(
        min_length=services.PASSWORD_MIN_LENGTH,
        max_length=services.PASSWORD_MAX_LENGTH,
        trim_whitespace=False,
        write_only=True,
        style={"input_type": "password"},
    )

    def get_fields(self) -> dict[str, Any]:
        names = {
            name: serializers.CharField(max_length=150, required=False, allow_blank=True) for name in NAMES
        }
        return {**super().get_fields(), **names}


@extend_schema_serializer(examples=[example({"refresh": _REFRESH}, request_only=True)])
class RefreshSerializer(Serializer):
    """A refresh token; a browser may have it in a cookie instead, where the host has cookies on."""

    refresh = serializers.CharField(max_length=MAX_LENGTH)

    def get_fields(self) -> dict[str, Any]:
        fields = super().get_fields()
        fields["refresh"].required = not AuthSettings.COOKIES
        return fields


@extend_schema_serializer(examples=[example({"refresh": _REFRESH}, request_only=True)])
class LogoutSerializer(Serializer):
    """The session's refresh token, which need not be sent."""

    refresh = serializers.CharField(max_length=MAX_LENGTH, required=False)


TOKENS_EXAMPLE = {"access": _ACCESS, "refresh": _REFRESH}


@extend_schema_serializer(examples=[example(TOKENS_EXAMPLE, response_only=True)])
class TokensSerializer(Serializer):
    """A pair of tokens; both are null where the client asked for them in cookies."""

    access = serializers.CharField(
        allow_null=True, help_text="Goes into `Authorization: Bearer`; good for minutes."
    )
    refresh = serializers.CharField(allow_null=True, help_text="Gets the next pair, once.")


@extend_schema_serializer(
    examples=[example({"mfa_required": False, **TOKENS_EXAMPLE, "user": ME_EXAMPLE}, response_only=True)]
)
class LoginAnswerSerializer(TokensSerializer):
    """A pair of tokens, and who they are for."""

    mfa_required = serializers.BooleanField(
        help_text="Whether a second factor is needed before there are tokens."
    )
    user = MeSerializer()


@extend_schema_serializer(examples=[example({**TOKENS_EXAMPLE, "user": ME_EXAMPLE}, response_only=True)])
class RegisterAnswerSerializer(TokensSerializer):
    """Who registered, signed in."""

    user = MeSerializer()


@extend_schema_serializer(
    examples=[
        example(
            {"detail": "If the address can be used, a message with a link was sent to it."},
            response_only=True,
        )
    ]
)
class DetailSerializer(Serializer):
    """What happens next, in words."""

    detail = serializers.CharField()
