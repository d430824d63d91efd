"""The shapes of people."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from drf_spectacular.utils import OpenApiExample, extend_schema_serializer
from rest_framework import serializers

from saas_kit.api.serializers import ModelSerializer
from saas_kit.auth import services
from saas_kit.auth.identity import email_field, has_field, has_mfa, has_verified_email
from saas_kit.core.addresses import normalize_email

NAMES = tuple(name for name in ("first_name", "last_name") if has_field(name))
_CREATED_AT = next((name for name in ("created_at", "date_joined") if has_field(name)), None)


def _user_fields() -> tuple[str, ...]:
    created_at = ("created_at",) if _CREATED_AT else ()
    updated_at = ("updated_at",) if has_field("updated_at") else ()
    return ("id", "email", *NAMES, "is_active", *created_at, *updated_at)


def _sources() -> dict[str, dict[str, Any]]:
    extra: dict[str, dict[str, Any]] = {name: {"default": ""} for name in NAMES}  # PUT replaces
    # whether somebody else has an address is not for this to tell
    extra["email"] = {"validators": [], "required": True, "allow_blank": False, "max_length": 254}
    if email_field() != "email":
        extra["email"]["source"] = email_field()
    if _CREATED_AT == "date_joined":
        extra["created_at"] = {"source": "date_joined"}
    return extra


def example(value: dict[str, Any], *, fields: tuple[str, ...] | None = None, **kwargs: Any) -> OpenApiExample:
    """Return an example with the fields that the host's user model has."""
    chosen = value if fields is None else {name: item for name, item in value.items() if name in fields}
    return OpenApiExample("Example", value=chosen, **kwargs)


_NAMES_EXAMPLE = {"email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace"}
_FACTS_EXAMPLE = {"email_verified": True, "mfa_enabled": False}

USER_EXAMPLE: dict[str, Any] = {
    "id": "01920000-0000-7000-8000-000000000009",
    **_NAMES_EXAMPLE,
    "is_active": True,
    "created_at": "2026-01-31T09:30:00Z",
    "updated_at": "2026-01-31T09:30:00Z",
}
ME_EXAMPLE = USER_EXAMPLE | _FACTS_EXAMPLE


@extend_schema_serializer(
    examples=[
        example(_NAMES_EXAMPLE, fields=_user_fields(), request_only=True),
        example(USER_EXAMPLE, fields=_user_fields(), response_only=True),
    ]
)
class UserSerializer(ModelSerializer):
    """A person as others see them, with the fields that the host's user model has."""

    class Meta:
        model = get_user_model()
        fields: tuple[str, ...] = _user_fields()
        read_only_fields = ("id", "is_active", "created_at", "updated_at")
        create_only_fields: tuple[str, ...] = ("email",)
        extra_kwargs = _sources()

    def validate_email(self, email: str) -> str:
        return normalize_email(email)

    def update(self, instance: Any, validated_data: dict[str, Any]) -> Any:
        return services.change_user(instance, **validated_data)


@extend_schema_serializer(
    examples=[
        example(_NAMES_EXAMPLE, fields=_user_fields(), request_only=True),
        example(ME_EXAMPLE, fields=(*_user_fields(), *_FACTS_EXAMPLE), response_only=True),
    ]
)
class MeSerializer(UserSerializer):
    """A person as they see themselves."""

    email_verified = serializers.SerializerMethodField(
        help_text="Whether the person proved that it is theirs."
    )
    mfa_enabled = serializers.SerializerMethodField(
        help_text="Whether a second factor is asked for at sign-in."
    )

    class Meta(UserSerializer.Meta):
        fields = (*UserSerializer.Meta.fields, "email_verified", "mfa_enabled")

    def get_email_verified(self, user: Any) -> bool:
        return has_verified_email(user)

    def get_mfa_enabled(self, user: Any) -> bool:
        return has_mfa(user)
