"""The shapes of second factors."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from saas_kit.api.serializers import Serializer, UTCDateTimeField
from saas_kit.auth.api.serializers.me import DeleteMeSerializer
from saas_kit.auth.api.serializers.passkeys import CredentialField
from saas_kit.auth.api.serializers.passwords import MAX_TOKEN_LENGTH
from saas_kit.auth.api.serializers.people import example
from saas_kit.auth.identity import offers_passkeys

MAX_CODE_LENGTH = 32
_TOKEN = "q2Zk8nT1vXyJ0aB3cD4eF5gH6iK7lM8nO9pQ0rS1tU2"  # noqa: S105 - an example
_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105 - an example
_CODES = ["40213958", "77120364", "18830457"]


class CodeField(serializers.CharField):
    """A code, as text: a number would lose the zeros that it begins with."""

    def __init__(self, **options: Any) -> None:
        super().__init__(max_length=MAX_CODE_LENGTH, **options)

    def to_internal_value(self, data: Any) -> str:
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


@extend_schema_serializer(
    examples=[
        example(
            {"mfa_required": True, "mfa_token": _TOKEN, "methods": ["recovery_codes", "totp"]},
            response_only=True,
        )
    ]
)
class SecondFactorSerializer(Serializer):
    """The first factor was right; a second one is needed."""

    mfa_required = serializers.BooleanField(
        help_text="Whether a second factor is needed before there are tokens."
    )
    mfa_token = serializers.CharField(help_text="Stands for the first factor; good once and for minutes.")
    methods = serializers.ListField(
        child=serializers.CharField(),
        help_text="What the person has for it: `totp`, an authenticator app, `webauthn`, a passkey, `recovery_codes`.",
    )


@extend_schema_serializer(examples=[example({"mfa_token": _TOKEN, "code": "492039"}, request_only=True)])
class VerifySecondFactorSerializer(Serializer):
    """The token that stands for the first factor, and a code; or, where the host has passkeys, one that was used."""

    mfa_token = serializers.CharField(max_length=MAX_TOKEN_LENGTH)
    code = CodeField(
        required=not offers_passkeys(), help_text="Of the authenticator app, or a recovery code."
    )
    if offers_passkeys():
        credential = CredentialField(
            required=False, help_text="Instead of a code, what a browser answers to `auth/mfa/options/`."
        )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "code" not in attrs and "credential" not in attrs:
            error = ErrorDetail(str(self.fields["code"].error_messages["required"]), code="required")
            raise ValidationError({"code": [error]})
        if "code" in attrs and "credential" in attrs:
            error = ErrorDetail(str(_("Send a code or a passkey, not both.")), code="invalid")
            raise ValidationError({"credential": [error]})
        return attrs


@extend_schema_serializer(
    examples=[
        example(
            {
                "enabled": True,
                "enabled_at": "2026-01-31T09:30:00Z",
                "last_used_at": "2026-02-14T08:05:00Z",
            },
            response_only=True,
        )
    ]
)
class TOTPStateSerializer(Serializer):
    """Whether the caller has an authenticator app."""

    enabled = serializers.BooleanField()
    enabled_at = UTCDateTimeField(allow_null=True)
    last_used_at = UTCDateTimeField(allow_null=True)


@extend_schema_serializer(
    examples=[
        example(
            {
                "secret": _SECRET,
                "otpauth_uri": f"otpauth://totp/ada%40example.com?secret={_SECRET}&issuer=Example",
                "qr_svg": '<svg xmlns="http://www.w3.org/2000/svg">...</svg>',
            },
            response_only=True,
        )
    ]
)
class EnrollmentSerializer(Serializer):
    """What an authenticator app has to know; it is shown once."""

    secret = serializers.CharField(help_text="To be typed where nothing can be scanned.")
    otpauth_uri = serializers.CharField(help_text="To be opened on the device that has the app.")
    qr_svg = serializers.CharField(help_text="The same, to be scanned, as an SVG document.")


@extend_schema_serializer(examples=[example({"code": "492039"}, request_only=True)])
class ConfirmTOTPSerializer(Serializer):
    """The present code of the authenticator app."""

    code = CodeField()


@extend_schema_serializer(
    examples=[example({"current_password": "analytical engine 1843"}, request_only=True)]
)
class DisableTOTPSerializer(DeleteMeSerializer):
    """What shows that whoever removes an authenticator app is the person themselves."""


@extend_schema_serializer(examples=[example({"recovery_codes": _CODES}, response_only=True)])
class RecoveryCodesSerializer(Serializer):
    """New recovery codes, each good once; they are shown once."""

    recovery_codes = serializers.ListField(child=serializers.CharField())


@extend_schema_serializer(examples=[example({"remaining": 10}, response_only=True)])
class RemainingRecoveryCodesSerializer(Serializer):
    """How many recovery codes are left."""

    remaining = serializers.IntegerField()
