"""The shapes of changing and resetting passwords."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from saas_kit.api.serializers import Serializer
from saas_kit.auth import services
from saas_kit.auth.api.serializers.people import example
from saas_kit.auth.api.serializers.sign_in import MAX_SECRET_LENGTH

MAX_TOKEN_LENGTH = 200
_TOKEN = "q2Zk8nT1vXyJ0aB3cD4eF5gH6iK7lM8nO9pQ0rS1tU2"  # noqa: S105 - an example


def password_field(**options: Any) -> serializers.CharField:
    """Return a field for a password that was set before, of whatever length it may have been."""
    return serializers.CharField(
        max_length=MAX_SECRET_LENGTH,
        trim_whitespace=False,
        write_only=True,
        style={"input_type": "password"},
        **options,
    )


def new_password_field(**options: Any) -> serializers.CharField:
    """Return a field for a password that is to be set."""
    return serializers.CharField(
        min_length=services.PASSWORD_MIN_LENGTH,
        max_length=services.PASSWORD_MAX_LENGTH,
        trim_whitespace=False,
        write_only=True,
        style={"input_type": "password"},
        **options,
    )


@extend_schema_serializer(
    examples=[
        example(
            {"current_password": "analytical engine 1843", "new_password": "difference engine 1822"},
            request_only=True,
        )
    ]
)
class ChangePasswordSerializer(Serializer):
    """The present password and the one that takes its place."""

    current_password = password_field()
    new_password = new_password_field()


@extend_schema_serializer(examples=[example({"email": "ada@example.com"}, request_only=True)])
class EmailSerializer(Serializer):
    """An address."""

    email = serializers.EmailField(max_length=254)


@extend_schema_serializer(
    examples=[example({"token": _TOKEN, "new_password": "difference engine 1822"}, request_only=True)]
)
class ResetPasswordSerializer(Serializer):
    """The token that was sent, and the new password."""

    token = serializers.CharField(max_length=MAX_TOKEN_LENGTH)
    new_password = new_password_field()


@extend_schema_serializer(examples=[example({"token": _TOKEN}, request_only=True)])
class TokenSerializer(Serializer):
    """The token that was sent."""

    token = serializers.CharField(max_length=MAX_TOKEN_LENGTH)


@extend_schema_serializer(
    examples=[
        example(
            {"email": "ada.king@example.com", "current_password": "analytical engine 1843"}, request_only=True
        )
    ]
)
class ChangeEmailSerializer(Serializer):
    """The new address, and the present password."""

    email = serializers.EmailField(max_length=254)
    current_password = password_field()
