"""The shape of sessions."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from saas_kit.api.serializers import ModelSerializer
from saas_kit.auth.api.serializers.people import example
from saas_kit.auth.devices import device_of
from saas_kit.auth.models import Session

_EXAMPLE = {
    "id": "01920000-0000-7000-8000-00000000000a",
    "created_at": "2026-01-31T09:30:00Z",
    "last_seen_at": "2026-01-31T10:05:00Z",
    "expires_at": "2026-02-14T09:30:00Z",
    "ip_address": "203.0.113.7",
    "user_agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "device": "Firefox on Windows",
    "current": True,
}


@extend_schema_serializer(examples=[example(_EXAMPLE, response_only=True)])
class SessionSerializer(ModelSerializer):
    """A sign-in on one device."""

    device = serializers.SerializerMethodField(
        help_text="The browser and the system, as far as the user agent tells them; empty where it does not."
    )
    current = serializers.SerializerMethodField(help_text="Whether it is the session of this request.")

    class Meta:
        model = Session
        fields = (
            "id",
            "created_at",
            "last_seen_at",
            "expires_at",
            "ip_address",
            "user_agent",
            "device",
            "current",
        )
        read_only_fields = fields

    def get_device(self, session: Session) -> str:
        return device_of(session.user_agent)

    def get_current(self, session: Session) -> bool:
        return bool(session.pk == self.context["view"].own_session.pk)
