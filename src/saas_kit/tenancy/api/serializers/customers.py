"""The shapes of accounts, organizations and memberships."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from saas_kit.api.serializers import JSONObjectField, ModelSerializer, Serializer
from saas_kit.tenancy import services
from saas_kit.tenancy.access import get_access
from saas_kit.tenancy.api.fields import AccountField, PersonField, person_key_field
from saas_kit.tenancy.models import (
    Account,
    AccountMembership,
    Membership,
    get_organization_model,
    slug_validator,
)

_ID = "01920000-0000-7000-8000-00000000000{}"
_TIMES = {"created_at": "2026-01-31T09:30:00Z", "updated_at": "2026-01-31T09:30:00Z"}
_PERSON = {"id": _ID.format(9), "email": "ada@example.com", "first_name": "Ada", "last_name": "Lovelace"}


class SlugField(serializers.CharField):
    """A slug: lower-case letters, digits and single dashes."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("max_length", 63)
        kwargs.setdefault("help_text", _("Its name in URLs; unique. Made from the name when left out."))
        kwargs.setdefault("required", False)
        super().__init__(validators=[slug_validator], **kwargs)


@extend_schema_serializer(
    examples=[
        OpenApiExample("Create", value={"name": "Acme"}, request_only=True),
        OpenApiExample(
            "Account",
            value={
                "id": _ID.format(1),
                "name": "Acme",
                "slug": "acme",
                "status": "active",
                "metadata": {},
                "role": "owner",
                **_TIMES,
            },
            response_only=True,
        ),
    ]
)
class AccountSerializer(ModelSerializer):
    """An account."""

    slug = SlugField()
    metadata = JSONObjectField(default=dict, help_text=_("A JSON object for the client's own use."))
    role = serializers.SerializerMethodField(help_text=_("The caller's role in the account."))

    class Meta:
        model = Account
        fields = ("id", "name", "slug", "status", "metadata", "role", "created_at", "updated_at")
        read_only_fields = ("status",)

    @extend_schema_field({"type": ["string", "null"]})
    def get_role(self, account: Account) -> str | None:
        role = get_access(self.context["request"].user).role_in_account(account.pk)
        return None if role is None else role.key

    def create(self, validated_data: dict[str, Any]) -> Account:
        return services.create_account(owner=validated_data["actor"], **validated_data)

    def update(self, instance: Account, validated_data: dict[str, Any]) -> Account:
        return services.change_account(instance, **validated_data)


class OrganizationSecuritySerializer(Serializer):
    """What an organization asks of those who work in it."""

    require_mfa = serializers.BooleanField(
        required=False,
        help_text=_(
            "Whether it is closed to people without a second factor. Whoever turns it on needs one themselves."
        ),
    )


@extend_schema_serializer(
    examples=[
        OpenApiExample("Create", value={"account": _ID.format(1), "name": "Acme Berlin"}, request_only=True),
        OpenApiExample(
            "Organization",
            value={
                "id": _ID.format(2),
                "account": _ID.format(1),
                "name": "Acme Berlin",
                "slug": "acme-berlin",
                "status": "active",
                "security": {"require_mfa": False},
                "metadata": {},
                "role": "owner",
                **_TIMES,
            },
            response_only=True,
        ),
    ]
)
class OrganizationSerializer(ModelSerializer):
    """An organization."""

    account = AccountField(
        required=False,
        help_text=_("The account that it belongs to; may be left out by owners and admins of just one."),
    )
    slug = SlugField()
    security = OrganizationSecuritySerializer(
        source="*", required=False, help_text=_("What is left out stays as it is.")
    )
    metadata = JSONObjectField(default=dict, help_text=_("A JSON object for the client's own use."))
    role = serializers.SerializerMethodField(help_text=_("The caller's role, their own or the account's."))

    class Meta:
        model = get_organization_model()
        fields: tuple[str, ...] = (
            "id",
            "account",
            "name",
            "slug",
            "status",
            "security",
            "metadata",
            "role",
            "created_at",
            "updated_at",
        )
        read_only_fields = ("status",)
        create_only_fields = ("account",)

    @extend_schema_field({"type": ["string", "null"]})
    def get_role(self, organization: Any) -> str | None:
        role = get_access(self.context["request"].user).role_in(organization)
        return None if role is None else role.key

    def create(self, validated_data: dict[str, Any]) -> Any:
        return services.create_organization(owner=validated_data["actor"], **validated_data)

    def update(self, instance: Any, validated_data: dict[str, Any]) -> Any:
        return services.change_organization(instance, **validated_data)


class PersonSerializer(serializers.ModelSerializer):  # type: ignore[type-arg]
    """A person, as other members see them."""

    id = person_key_field()

    class Meta:
        model = get_user_model()
        fields = (
            "id",
            *(
                name
                for name in ("email", "first_name", "last_name")
                if name in {field.name for field in get_user_model()._meta.fields}
            ),
        )
        read_only_fields = fields


_MEMBERSHIP_EXAMPLE = OpenApiExample(
    "Membership",
    value={"id": _ID.format(3), "user": _PERSON, "role": "member", "created_at": _TIMES["created_at"]},
    response_only=True,
)


@extend_schema_serializer(examples=[_MEMBERSHIP_EXAMPLE])
class MembershipSerializer(ModelSerializer):
    """A person's role in an organization."""

    user = PersonSerializer(read_only=True)

    class Meta:
        model = Membership
        fields = ("id", "user", "role", "created_at")
        read_only_fields = fields


@extend_schema_serializer(examples=[_MEMBERSHIP_EXAMPLE])
class AccountMembershipSerializer(ModelSerializer):
    """A person's role in an account."""

    user = PersonSerializer(read_only=True)

    class Meta:
        model = AccountMembership
        fields = ("id", "user", "role", "created_at")
        read_only_fields = fields


@extend_schema_serializer(
    examples=[OpenApiExample("Add", value={"user": _ID.format(9), "role": "member"}, request_only=True)]
)
class AddMemberSerializer(Serializer):
    """Somebody who belongs to the account, and the role to give them."""

    read_only_names = ("id", "created_at")

    user = PersonField(help_text=_("The id of somebody who belongs to the account; anybody else is invited."))
    role = serializers.CharField(max_length=63, help_text=_("The key of a role that is not above your own."))

    def create(self, validated_data: dict[str, Any]) -> Membership:
        return services.add_member(**validated_data)


class AddAccountMemberSerializer(AddMemberSerializer):
    """Somebody who is in one of the account's organizations, and the role to give them."""

    def create(self, validated_data: dict[str, Any]) -> Any:
        return services.add_account_member(**validated_data)


@extend_schema_serializer(examples=[OpenApiExample("Change", value={"role": "admin"}, request_only=True)])
class ChangeRoleSerializer(Serializer):
    """The role to give a member."""

    read_only_names = ("id", "user", "created_at")

    role = serializers.CharField(max_length=63, help_text=_("The key of a role that is not above your own."))

    def update(self, instance: Membership, validated_data: dict[str, Any]) -> Membership:
        return services.change_role(
            instance, validated_data.get("role", instance.role), actor=validated_data["actor"]
        )


class ChangeAccountRoleSerializer(ChangeRoleSerializer):
    """The role to give a member of an account."""

    def update(self, instance: Any, validated_data: dict[str, Any]) -> Any:
        role = validated_data.get("role", instance.role)
        return services.change_account_role(instance, role, actor=validated_data["actor"])


@extend_schema_serializer(
    examples=[OpenApiExample("Transfer", value={"user": _ID.format(9)}, request_only=True)]
)
class TransferSerializer(Serializer):
    """The member who is to own the account."""

    user = PersonField()


class PermissionSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """A registered permission."""

    codename = serializers.CharField(help_text=_("Its name, for programs."))
    label = serializers.CharField(help_text=_("Its name, for people."))  # type: ignore[assignment]
    level = serializers.CharField(help_text=_("Where it applies: `account`, `organization` or `team`."))


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Permissions",
            value={
                "next": None,
                "previous": None,
                "results": [
                    {
                        "codename": "saas_kit_tenancy.manage_members",
                        "label": "Add, change and remove members",
                        "level": "organization",
                    }
                ],
            },
        )
    ]
)
class PermissionPageSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """The registered permissions, in the shape of a list with one page."""

    next = serializers.CharField(allow_null=True, help_text=_("Always null."))
    previous = serializers.CharField(allow_null=True, help_text=_("Always null."))
    count = serializers.IntegerField(
        required=False, help_text=_("How many there are in all, with `?count=true`.")
    )
    results = PermissionSerializer(many=True)
