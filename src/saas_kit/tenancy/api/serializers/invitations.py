"""The shapes of invitations: as the organization sees them, and as the invited person does."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import OpenApiExample, extend_schema_field, extend_schema_serializer
from rest_framework import serializers

from saas_kit.api.serializers import ModelSerializer, ProblemErrorSerializer, Serializer, UTCDateTimeField
from saas_kit.tenancy.api.serializers.customers import PersonSerializer
from saas_kit.tenancy.models import (
    DELIVERY_STATUSES,
    INVITATION_STATUSES,
    MESSAGE_MAX_LENGTH,
    Invitation,
    Membership,
)
from saas_kit.tenancy.people import name_of
from saas_kit.tenancy.services import MAX_TEAMS

MAX_BULK = 100

_ID = "01920000-0000-7000-8000-00000000000{}"
_OFFER = {"email": "grace@example.com", "role": "member", "teams": [], "message": "Welcome aboard."}
_INVITATION = {
    "id": _ID.format(6),
    "organization": _ID.format(2),
    **_OFFER,
    "status": "pending",
    "delivery_status": "sent",
    "invited_by": {
        "id": _ID.format(9),
        "email": "ada@example.com",
        "first_name": "Ada",
        "last_name": "Lovelace",
    },
    "expires_at": "2026-02-07T09:30:00Z",
    "created_at": "2026-01-31T09:30:00Z",
}


# in an allOf, as a description names what is in none by the field alone, and accounts have another status
@extend_schema_field(
    {"allOf": [{"type": "string", "enum": [value for value, _label in INVITATION_STATUSES]}]}
)
class InvitationStatusField(serializers.CharField):
    """What an invitation is seen to be."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("source", "visible_status")
        kwargs.setdefault("read_only", True)
        kwargs.setdefault("help_text", _("What became of it; `expired` where nobody answered in time."))
        super().__init__(**kwargs)


@extend_schema_serializer(
    examples=[OpenApiExample("Invitation", value=_INVITATION, response_only=True)],
)
class InvitationSerializer(ModelSerializer):
    """An invitation to an organization."""

    organization = serializers.UUIDField(source="organization_id", read_only=True)
    teams = serializers.ListField(
        source="team_ids",
        child=serializers.UUIDField(),
        read_only=True,
        help_text=_("The ids of the teams to be in."),
    )
    status = InvitationStatusField()
    delivery_status = serializers.ChoiceField(
        choices=DELIVERY_STATUSES, read_only=True, help_text=_("What became of the last message about it.")
    )
    invited_by = PersonSerializer(
        read_only=True, allow_null=True, help_text=_("Who answers for it; null where nobody in person does.")
    )

    class Meta:
        model = Invitation
        fields = (
            "id",
            "organization",
            "email",
            "role",
            "teams",
            "message",
            "status",
            "delivery_status",
            "invited_by",
            "expires_at",
            "created_at",
        )
        read_only_fields = fields


@extend_schema_serializer(examples=[OpenApiExample("Invite", value=_OFFER, request_only=True)])
class InviteSerializer(Serializer):
    """Whom to invite, and to what."""

    read_only_names = (
        "id",
        "organization",
        "status",
        "delivery_status",
        "invited_by",
        "created_at",
    )

    email = serializers.EmailField(max_length=254)
    role = serializers.CharField(max_length=63, help_text=_("The key of a role that is not above your own."))
    teams = serializers.ListField(
        source="team_ids",
        child=serializers.UUIDField(),
        default=list,
        max_length=MAX_TEAMS,
        help_text=_("The ids of teams of the organization."),
    )
    message = serializers.CharField(
        max_length=MESSAGE_MAX_LENGTH,
        default="",
        allow_blank=True,
        help_text=_("What you have to say; it is in the message."),
    )
    expires_at = UTCDateTimeField(
        required=False, help_text=_("Until when it can be answered; a week from now where it is left out.")
    )


class _EachOnItsOwn(serializers.ListField):
    """A list whose items are each valid or not: what is wrong with one takes its place."""

    def run_child_validation(self, data: Any) -> Any:
        items: list[Any] = []
        for item in data:
            try:
                items.append(self.child.run_validation(item))
            except serializers.ValidationError as error:
                items.append(error)
        return items


@extend_schema_serializer(
    examples=[OpenApiExample("Invite several", value={"invitations": [_OFFER]}, request_only=True)]
)
class BulkInviteSerializer(Serializer):
    """Whom to invite, and each to what."""

    invitations = _EachOnItsOwn(child=InviteSerializer(), min_length=1, max_length=MAX_BULK)


class BulkResultSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """What became of one item: the invitation, or what is wrong with it."""

    index = serializers.IntegerField(help_text=_("The item's place in the request, from 0."))
    invitation = InvitationSerializer(required=False)
    errors = ProblemErrorSerializer(many=True, required=False)  # type: ignore[assignment]


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Results",
            value={
                "results": [
                    {"index": 0, "invitation": _INVITATION},
                    {
                        "index": 1,
                        "errors": [
                            {
                                "field": None,
                                "code": "already_member",
                                "detail": "This person is a member already.",
                            }
                        ],
                    },
                ]
            },
            response_only=True,
        )
    ]
)
class BulkResultsSerializer(serializers.Serializer):  # type: ignore[type-arg]
    """What became of each item, in their order."""

    results = BulkResultSerializer(many=True)


class _SeenByTheInvited(serializers.ModelSerializer):  # type: ignore[type-arg]
    organization_name = serializers.CharField(source="organization.name")
    inviter_name = serializers.SerializerMethodField(
        help_text=_("Who invites; empty where nobody in person does.")
    )
    status = InvitationStatusField()
    expires_at = UTCDateTimeField()

    def get_inviter_name(self, invitation: Invitation) -> str:
        return "" if invitation.invited_by is None else name_of(invitation.invited_by)


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Invitation",
            value={
                "organization_name": "Acme Berlin",
                "inviter_name": "Ada Lovelace",
                "email": "g***@e***.com",
                "status": "pending",
                "expires_at": "2026-02-07T09:30:00Z",
            },
        )
    ]
)
class InvitationPreviewSerializer(_SeenByTheInvited):
    """What whoever has the token is told before they sign in."""

    email = serializers.SerializerMethodField(help_text=_("The invited address, with most of it left out."))

    class Meta:
        model = Invitation
        fields = ("organization_name", "inviter_name", "email", "status", "expires_at")
        read_only_fields = fields

    def get_email(self, invitation: Invitation) -> str:
        local, _at, domain = invitation.email.rpartition("@")
        name, dot, suffix = domain.rpartition(".")
        return f"{local[:1]}***@{(name or suffix)[:1]}***{dot}{suffix if dot else ''}"


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Invitation",
            value={
                "id": _ID.format(6),
                "organization": _ID.format(2),
                "organization_name": "Acme Berlin",
                "inviter_name": "Ada Lovelace",
                "email": "grace@example.com",
                "role": "member",
                "message": "Welcome aboard.",
                "status": "pending",
                "expires_at": "2026-02-07T09:30:00Z",
                "created_at": "2026-01-31T09:30:00Z",
            },
        )
    ]
)
class ReceivedInvitationSerializer(_SeenByTheInvited):
    """An invitation, as the person sees it that it is for."""

    organization = serializers.UUIDField(source="organization_id")
    created_at = UTCDateTimeField()

    class Meta:
        model = Invitation
        fields = (
            "id",
            "organization",
            "organization_name",
            "inviter_name",
            "email",
            "role",
            "message",
            "status",
            "expires_at",
            "created_at",
        )
        read_only_fields = fields


@extend_schema_serializer(
    examples=[
        OpenApiExample(
            "Membership",
            value={
                "id": _ID.format(7),
                "organization": _ID.format(2),
                "user": {
                    "id": _ID.format(8),
                    "email": "grace@example.com",
                    "first_name": "Grace",
                    "last_name": "Hopper",
                },
                "role": "member",
                "created_at": "2026-02-01T09:30:00Z",
            },
            response_only=True,
        )
    ]
)
class AcceptedInvitationSerializer(ModelSerializer):
    """The membership that an invitation became."""

    organization = serializers.UUIDField(source="organization_id", read_only=True)
    user = PersonSerializer(read_only=True)

    class Meta:
        model = Membership
        fields = ("id", "organization", "user", "role", "created_at")
        read_only_fields = fields
