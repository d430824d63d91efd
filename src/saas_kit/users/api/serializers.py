"""The shapes of people, as they see themselves and as others see them."""

from __future__ import annotations

from typing import Any

from django.db.models import Value
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from saas_kit.api.serializers import Serializer
from saas_kit.auth.api import serializers as auth_serializers
from saas_kit.auth.api.serializers import NAMES, UserSerializer
from saas_kit.core.permissions import Level
from saas_kit.tenancy.api.fields import OrganizationField
from saas_kit.tenancy.exceptions import UnknownRole
from saas_kit.tenancy.models import AccountMembership, Membership
from saas_kit.tenancy.roles import get_role
from saas_kit.users import services

__all__ = [
    "LoginAnswerSerializer",
    "MeSerializer",
    "ProvisionUserSerializer",
    "RefreshSerializer",
    "RegisterAnswerSerializer",
    "RegisterSerializer",
    "UserSerializer",
]


class OwnMembershipSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """One of the caller's memberships."""

    organization = serializers.UUIDField(help_text=_("The organization's id."))
    name = serializers.CharField(help_text=_("The organization's name."))
    slug = serializers.CharField(help_text=_("The organization's slug."))
    role = serializers.CharField(help_text=_("The key of the role."))
    permissions = serializers.ListField(child=serializers.CharField(), help_text=_("What the role grants."))


class OwnAccountSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """One of the accounts that the caller has a role in."""

    id = serializers.UUIDField(help_text=_("The account's id."))
    name = serializers.CharField(help_text=_("The account's name."))
    slug = serializers.CharField(help_text=_("The account's slug."))
    role = serializers.CharField(help_text=_("The key of the role."))
    permissions = serializers.ListField(child=serializers.CharField(), help_text=_("What the role grants."))


_PLACE_EXAMPLE = {"name": "Acme", "slug": "acme", "role": "member"}
_OWN_EXAMPLE = auth_serializers.ME_EXAMPLE | {
    "memberships": [
        {
            "organization": "01920000-0000-7000-8000-000000000002",
            **_PLACE_EXAMPLE,
            "permissions": ["saas_kit_tenancy.view_organization"],
        }
    ],
    "accounts": [
        {
            "id": "01920000-0000-7000-8000-000000000001",
            **_PLACE_EXAMPLE,
            "permissions": ["saas_kit_tenancy.view_account"],
        }
    ],
}


@extend_schema_serializer(
    examples=[
        OpenApiExample("Change", value={"first_name": "Ada", "last_name": "Lovelace"}, request_only=True),
        OpenApiExample("Me", value=_OWN_EXAMPLE, response_only=True),
    ]
)
class MeSerializer(auth_serializers.MeSerializer):
    """A person as they see themselves, with where they belong."""

    memberships = serializers.SerializerMethodField(help_text=_("Where they are a member themselves."))
    accounts = serializers.SerializerMethodField(help_text=_("The accounts that they have a role in."))

    class Meta(auth_serializers.MeSerializer.Meta):
        fields = (*auth_serializers.MeSerializer.Meta.fields, "memberships", "accounts")

    def to_representation(self, instance: Any) -> dict[str, Any]:
        self._places = _places_of(instance)
        return super().to_representation(instance)

    @extend_schema_field(OwnMembershipSerializer(many=True))
    def get_memberships(self, user: Any) -> list[dict[str, Any]]:
        return [
            {
                "organization": str(key),
                "name": name,
                "slug": slug,
                "role": role,
                "permissions": _permissions(role, Level.ORGANIZATION),
            }
            for level, key, name, slug, role in self._places
            if level == Level.ORGANIZATION
        ]

    @extend_schema_field(OwnAccountSerializer(many=True))
    def get_accounts(self, user: Any) -> list[dict[str, Any]]:
        return [
            {
                "id": str(key),
                "name": name,
                "slug": slug,
                "role": role,
                "permissions": _permissions(role, Level.ACCOUNT),
            }
            for level, key, name, slug, role in self._places
            if level == Level.ACCOUNT
        ]


def _places_of(user: Any) -> list[tuple[str, Any, str, str, str]]:
    """Read the accounts and organizations that a person has a role in, by one statement."""
    organizations = Membership.objects.filter(user=user, organization__deleted_at__isnull=True).values_list(
        Value(Level.ORGANIZATION), "organization", "organization__name", "organization__slug", "role"
    )
    accounts = AccountMembership.objects.filter(user=user, account__deleted_at__isnull=True).values_list(
        Value(Level.ACCOUNT), "account", "account__name", "account__slug", "role"
    )
    return sorted(
        organizations.union(accounts, all=True), key=lambda place: (place[2].lower(), str(place[1]))
    )


def _permissions(role: str, level: Level) -> list[str]:
    try:
        return sorted(get_role(role, level=level).permissions)
    except UnknownRole:  # the host has since removed it; it grants nothing
        return []


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Signed in",
            value={"mfa_required": False, **auth_serializers.TOKENS_EXAMPLE, "user": _OWN_EXAMPLE},
            response_only=True,
        )
    ]
)
class LoginAnswerSerializer(auth_serializers.LoginAnswerSerializer):
    """A pair of tokens, and who they are for."""

    user = MeSerializer()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Registered", value={**auth_serializers.TOKENS_EXAMPLE, "user": _OWN_EXAMPLE}, response_only=True
        )
    ]
)
class RegisterAnswerSerializer(auth_serializers.RegisterAnswerSerializer):
    """Who registered, signed in."""

    user = MeSerializer()


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Register",
            value={
                "email": "ada@example.com",
                "password": "analytical engine 1843",
                "first_name": "Ada",
                "last_name": "Lovelace",
                "organization_name": "Acme",
            },
            request_only=True,
        )
    ]
)
class RegisterSerializer(auth_serializers.RegisterSerializer):
    """What people register with; an account and an organization are made for them."""

    organization_name = serializers.CharField(
        max_length=120,
        required=False,
        help_text=_("Names the account and the organization; the person's name where it is left out."),
    )
    invitation_token = serializers.CharField(
        max_length=128,
        required=False,
        write_only=True,
        help_text=_(
            "From a message that invites you: you become a member there, and no account of your own is made."
        ),
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Refresh", value={"refresh": auth_serializers.TOKENS_EXAMPLE["refresh"]}, request_only=True
        ),
        OpenApiExample(
            "Switch",
            value={
                "refresh": auth_serializers.TOKENS_EXAMPLE["refresh"],
                "organization": "01920000-0000-7000-8000-000000000002",
            },
            request_only=True,
        ),
    ]
)
class RefreshSerializer(auth_serializers.RefreshSerializer):
    """A refresh token, and the organization that the next pair is for."""

    organization = serializers.UUIDField(
        required=False,
        allow_null=True,
        help_text=_(
            "The id of an organization that you are in, to which the next pair is bound; null frees it. Left out, the "
            "next pair is bound as this one is."
        ),
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Provision",
            value={
                "organization": "01920000-0000-7000-8000-000000000002",
                "email": "grace@example.com",
                "first_name": "Grace",
                "last_name": "Hopper",
                "role": "member",
            },
            request_only=True,
        )
    ]
)
class ProvisionUserSerializer(Serializer):
    """A new person, and where they are to be a member."""

    read_only_names = ("id", "is_active", "created_at", "updated_at")

    organization = OrganizationField(
        required=False, help_text=_("The organization; may be left out where the request is narrowed to one.")
    )
    email = serializers.EmailField(max_length=254)
    role = serializers.CharField(
        max_length=63, default="member", help_text=_("The key of a role that is not above your own.")
    )

    def get_fields(self) -> dict[str, Any]:
        names = {
            name: serializers.CharField(max_length=150, required=False, allow_blank=True) for name in NAMES
        }
        return {**super().get_fields(), **names}

    def create(self, validated_data: dict[str, Any]) -> Any:
        return services.provision_user(validated_data.pop("organization"), **validated_data)
