"""The shapes of domains, and of what somebody may join by their address."""

from __future__ import annotations

from typing import Any, ClassVar

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from saas_kit.api.serializers import ModelSerializer
from saas_kit.tenancy import services
from saas_kit.tenancy.domain_proofs import RECORD_TYPE, record_name, record_value
from saas_kit.tenancy.models import EmailDomain, Enrollment, get_organization_model

_ID = "01920000-0000-7000-8000-00000000000{}"
_TIME = "2026-01-31T09:30:00Z"


class DomainRecordSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """A record of DNS."""

    name = serializers.CharField(help_text=_("The whole name of the record."))
    type = serializers.CharField(help_text=_("Always `TXT`."))
    value = serializers.CharField(help_text=_("The text that it has to have. It is no secret."))


@extend_schema_serializer(
    examples=[
        OpenApiExample("Claim", value={"domain": "example.com", "enrollment": "suggest"}, request_only=True),
        OpenApiExample(
            "Domain",
            value={
                "id": _ID.format(7),
                "domain": "example.com",
                "enrollment": "suggest",
                "role": "member",
                "record": {
                    "name": "_saas-kit-challenge.example.com",
                    "type": "TXT",
                    "value": "saas-kit-verification=0123456789abcdef0123456789abcdef",
                },
                "verified_at": None,
                "missing_since": None,
                "created_at": _TIME,
                "updated_at": _TIME,
            },
            response_only=True,
        ),
    ]
)
class DomainSerializer(ModelSerializer):
    """A domain of e-mail addresses that an organization claims, and has once it is proved."""

    domain = serializers.CharField(
        max_length=255, help_text=_("In any spelling; it is stored and answered as in DNS.")
    )
    enrollment = serializers.ChoiceField(
        choices=Enrollment.choices,
        required=False,
        help_text=_(
            "What people with a verified address in the domain can do, once the domain is proved: nothing (`off`, the "
            "default), or join by themselves (`suggest`). With `automatic` those who are new join as they sign up."
        ),
    )
    role = serializers.CharField(
        max_length=63,
        required=False,
        help_text=_("The key of the role that they get: not above your own, and not that of owners."),
    )
    record = serializers.SerializerMethodField(help_text=_("The record in DNS that proves the domain."))

    class Meta:
        model = EmailDomain
        fields = (
            *("id", "domain", "enrollment", "role", "record", "verified_at", "missing_since"),
            *("created_at", "updated_at"),
        )
        read_only_fields = ("verified_at", "missing_since")
        extra_kwargs: ClassVar = {
            "missing_since": {
                "help_text": _(
                    "Since when the record of a domain that was proved is not in DNS any more; null while it is. "
                    "Unless it is put back, the organization loses the domain."
                )
            }
        }
        create_only_fields = ("domain",)

    @extend_schema_field(DomainRecordSerializer)
    def get_record(self, domain: EmailDomain) -> dict[str, str]:
        return {
            "name": record_name(domain.domain),
            "type": RECORD_TYPE,
            "value": record_value(domain.proof),
        }

    def create(self, validated_data: dict[str, Any]) -> EmailDomain:
        return services.claim_domain(**validated_data)

    def update(self, instance: EmailDomain, validated_data: dict[str, Any]) -> EmailDomain:
        return services.change_domain(instance, **validated_data)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Organization",
            value={"id": _ID.format(2), "name": "Acme Berlin", "domain": "example.com", "role": "member"},
        )
    ]
)
class JoinableOrganizationSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    """An organization that the caller may join by their address."""

    domain = serializers.CharField(help_text=_("The domain of the caller's address, which it has proved."))
    role = serializers.CharField(help_text=_("The key of the role that the caller would get."))

    class Meta:
        model = get_organization_model()
        fields = ("id", "name", "domain", "role")
        read_only_fields = fields
