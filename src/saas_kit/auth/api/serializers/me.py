"""The shapes of erasing and exporting oneself."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from saas_kit.api.serializers import Serializer
from saas_kit.auth.api.serializers.passwords import password_field
from saas_kit.auth.api.serializers.people import example


@extend_schema_serializer(
    examples=[example({"current_password": "analytical engine 1843"}, request_only=True)]
)
class DeleteMeSerializer(Serializer):
    """What shows that whoever asks for the erasure is the person themselves."""

    current_password = password_field(required=False, help_text=_("Needed of everybody who has a password."))

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "current_password" not in attrs and self.context["request"].user.has_usable_password():
            error = ErrorDetail(str(self.fields["current_password"].error_messages["required"]), "required")
            raise ValidationError({"current_password": [error]})
        return attrs


_EXPORT_EXAMPLE = {
    "exported_at": "2026-01-31T09:30:00Z",
    "sections": {
        "profile": {"id": "01920000-0000-7000-8000-000000000009", "email": "ada@example.com"},
        "addresses": [{"email": "ada@example.com", "verified": True, "primary": True}],
        "erasure": None,
    },
}


@extend_schema_serializer(examples=[example(_EXPORT_EXAMPLE, response_only=True)])
class ExportSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """What is kept of the caller."""

    exported_at = serializers.DateTimeField()
    sections = serializers.DictField(
        child=serializers.JSONField(), help_text=_("What is kept, by the names of the parts that keep it.")
    )
