"""Invitations over HTTP: to an organization, and to the person that they are for."""

from __future__ import annotations

import re
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

from django.views.decorators.debug import sensitive_variables
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ValidationError

from saas_kit.api.problems import flatten
from saas_kit.api.views import ApiViewSet, DestroyModelMixin, RetrieveModelMixin, with_etag
from saas_kit.core.addresses import normalize_email
from saas_kit.core.exceptions import Gone, NotFound, SaasKitError
from saas_kit.core.paths import hide_in_path
from saas_kit.core.permissions import Access
from saas_kit.tenancy import services
from saas_kit.tenancy.api.bases import OrganizationNestedViewSet
from saas_kit.tenancy.api.filters import InvitationFilter, ReceivedInvitationFilter
from saas_kit.tenancy.api.narrowing import active_organization
from saas_kit.tenancy.api.serializers import (
    AcceptedInvitationSerializer,
    BulkInviteSerializer,
    BulkResultsSerializer,
    InvitationPreviewSerializer,
    InvitationSerializer,
    InviteSerializer,
    ReceivedInvitationSerializer,
)
from saas_kit.tenancy.exceptions import AlreadyInvited
from saas_kit.tenancy.limits import TABLE as LIMITS
from saas_kit.tenancy.models import Invitation
from saas_kit.tenancy.permissions import OrganizationPermission
from saas_kit.tenancy.scoping import unscoped

# the names by which functions know the token, or what holds it: of ours, of Django REST framework and of Django
_SENSITIVE = ("token", "key", "args", "kwargs", "context")


class OrganizationInvitationViewSet(
    OrganizationNestedViewSet, RetrieveModelMixin, DestroyModelMixin, mixins.ListModelMixin
):
    """Whom an organization has invited."""

    tags = ["Invitations"]
    noun, noun_plural = "invitation", "invitations"
    queryset = Invitation.objects.with_delivery().select_related("invited_by")
    serializer_class = InvitationSerializer
    input_serializer_classes = {"create": InviteSerializer, "bulk": BulkInviteSerializer, "resend": None}
    output_serializer_classes = {
        "create": {200: InvitationSerializer, 201: InvitationSerializer},
        "bulk": BulkResultsSerializer,
    }
    filterset_class = InvitationFilter
    search_fields = ("email",)
    ordering_fields = ("created_at", "expires_at", "email")
    http_method_names = ("get", "post", "delete", "head")
    required_permissions = {
        "list": OrganizationPermission.MANAGE_INVITATIONS,
        "retrieve": OrganizationPermission.MANAGE_INVITATIONS,
        "create": OrganizationPermission.MANAGE_INVITATIONS,
        "destroy": OrganizationPermission.MANAGE_INVITATIONS,
        "bulk": OrganizationPermission.MANAGE_INVITATIONS,
        "resend": OrganizationPermission.MANAGE_INVITATIONS,
    }
    summaries = {
        "create": "Invite somebody",
        "destroy": "Take an invitation back",
        "bulk": "Invite several people",
        "resend": "Send an invitation again",
    }
    descriptions = {
        "create": "Invite whoever owns an address to the organization. One that is invited already gets the new offer "
        "in place of the one before, and the answer is 200; the link of the message before is of no use any more.",
        "destroy": "Take back an invitation that nobody answered. It stays in the list.",
        "bulk": "Invite up to 100 addresses. Those that are good are invited although others are not.",
        "resend": "Send the message again, with another link, for as long as the invitation was to last before. The "
        "link of the message before is of no use any more.",
    }
    extra_errors = {"destroy": (410,), "resend": (410,)}

    def create(self, request: Request, **kwargs: Any) -> Response:
        """Invite whoever owns an address to the organization."""
        serializer = self.get_input_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        invitation, is_new = services.invite(self.parent, actor=self.actor, **serializer.validated_data)
        code = status.HTTP_201_CREATED if is_new else status.HTTP_200_OK
        return with_etag(Response(self._shown(invitation), status=code))

    def perform_destroy(self, instance: Invitation) -> None:
        services.revoke_invitation(instance, actor=self.actor)

    @action(detail=True, methods=["post"])
    def resend(self, request: Request, **kwargs: Any) -> Response:
        """Send the message again, with another link."""
        return Response(self._shown(services.resend_invitation(self.get_object(), actor=self.actor)))

    @action(detail=False, methods=["post"])
    def bulk(self, request: Request, **kwargs: Any) -> Response:
        """Invite up to 100 addresses."""
        serializer = self.get_input_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        results: list[dict[str, Any]] = []
        seen: set[str] = set()
        for index, item in enumerate(serializer.validated_data["invitations"]):
            try:
                results.append({"index": index, "invitation": self._invite_once(item, seen).pk})
            except ValidationError as error:
                results.append({"index": index, "errors": list(flatten(error.detail))})
            except SaasKitError as error:
                fault = {"field": error.field, "code": error.code, "detail": str(error)}
                results.append({"index": index, "errors": [fault]})
        made = [each["invitation"] for each in results if "invitation" in each]
        shown = {each.pk: self.get_serializer(each).data for each in self.get_queryset().filter(pk__in=made)}
        for each in results:
            if "invitation" in each:
                each["invitation"] = shown[each["invitation"]]
        return Response({"results": results})

    def _invite_once(self, item: Any, seen: set[str]) -> Invitation:
        if isinstance(item, ValidationError):
            raise item
        email = normalize_email(item["email"])
        if email in seen:
            raise AlreadyInvited(field="email")
        seen.add(email)
        return services.invite(self.parent, actor=self.actor, **item)[0]

    def _shown(self, invitation: Invitation) -> Any:
        return self.get_serializer(self.get_queryset().get(pk=invitation.pk)).data


class ReceivedInvitationViewSet(mixins.ListModelMixin, ApiViewSet):
    """The invitations that the caller received, and those that a token is about."""

    tags = ["Invitations"]
    noun, noun_plural = "invitation", "the caller's own invitations"
    needs_no_organization = True
    narrowed_actions = ("list", "accept", "decline")
    lookup_field = "token"
    lookup_value_converter = "str"
    queryset = Invitation.objects.all()
    serializer_class = ReceivedInvitationSerializer
    input_serializer_classes = {"accept": None, "decline": None}
    output_serializer_classes = {
        "retrieve": InvitationPreviewSerializer,
        "accept": AcceptedInvitationSerializer,
        "decline": None,
    }
    filterset_class = ReceivedInvitationFilter
    search_fields = ("organization__name",)
    ordering_fields = ("created_at", "expires_at")
    http_method_names = ("get", "post", "head")
    required_permissions = {
        "list": Access.AUTHENTICATED,
        "retrieve": Access.PUBLIC,
        "accept": Access.AUTHENTICATED,
        "decline": Access.AUTHENTICATED,
    }
    summaries = {
        "list": "List one's own invitations",
        "retrieve": "Look at an invitation",
        "accept": "Accept an invitation",
        "decline": "Decline an invitation",
    }
    descriptions = {
        "list": "List the open invitations to the caller's address, which must be verified.",
        "retrieve": "Tell whoever has the token of an invitation what it is about. It changes nothing.",
        "accept": "Become a member of the organization, in the role that was offered. It needs the token of the "
        "message, or the id as in the caller's own list, and the same e-mail address, verified. It is 404 where the "
        "request is narrowed to another organization.",
        "decline": "Decline what was offered. It needs what accepting needs.",
    }
    extra_errors = {"retrieve": (404, 410), "accept": (410,), "decline": (410,)}

    @classmethod
    def as_view(cls, *args: Any, **kwargs: Any) -> Any:
        # around all of the view, as reports of errors tell the arguments of what it calls
        return sensitive_variables(*_SENSITIVE)(super().as_view(*args, **kwargs))

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        token = kwargs.get("token")
        if token is not None:
            hide_in_path(request, re.compile(rf"(?<![\w-]){re.escape(token)}(?![\w-])"))
            # that of Django's handler, which reports of errors show too
            request.resolver_match.kwargs["token"] = "***"  # noqa: S105 - it takes the place of one
        return super().dispatch(request, *args, **kwargs)

    def get_queryset(self) -> Any:
        return services.received_invitations(self.actor).select_related("organization", "invited_by")

    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the open invitations to the caller's address."""
        with unscoped(reason="listing somebody's own invitations"):
            return super().list(request, *args, **kwargs)

    def filter_queryset(self, queryset: Any) -> Any:
        active = active_organization(self.request)
        own: Any = super().filter_queryset(queryset.live())
        return own if active is None else own.in_organization(active)

    def retrieve(self, request: Request, token: str, **kwargs: Any) -> Response:
        """Tell whoever has the token of an invitation what it is about."""
        with counting_bad_tokens():
            invitation = services.find_invitation(token)
        return Response(InvitationPreviewSerializer(invitation).data)

    @action(detail=True, methods=["post"])
    def accept(self, request: Request, token: str, **kwargs: Any) -> Response:
        """Become a member of the organization."""
        with counting_bad_tokens():
            active = active_organization(request)
            membership = services.accept_invitation(self._subject(token), self.actor, within=active)
        return Response(AcceptedInvitationSerializer(membership).data)

    @action(detail=True, methods=["post"])
    def decline(self, request: Request, token: str, **kwargs: Any) -> Response:
        """Decline what was offered."""
        with counting_bad_tokens():
            active = active_organization(request)
            services.decline_invitation(self._subject(token), self.actor, within=active)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _subject(self, token: str) -> Invitation | str:
        """Return the caller's own invitation where its id was given in the place of a token."""
        try:
            key = UUID(token)
        except ValueError:
            return token
        with unscoped(reason="finding somebody's own invitation"):
            own: Invitation | None = self.get_queryset().filter(pk=key).first()
        if own is None:
            raise NotFound
        return own


def counting_bad_tokens() -> AbstractContextManager[None]:
    """Let one network try only so many tokens of invitations that are no good; else the block is ``RateLimited``."""
    return LIMITS.counting_failures("invitation_token", NotFound, Gone)
