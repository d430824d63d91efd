"""The domains of organizations over HTTP, and joining by an address in one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import CharField, Value
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from saas_kit.api.views import (
    ApiView,
    ApiViewSet,
    CreateModelMixin,
    DestroyModelMixin,
    RetrieveModelMixin,
    UpdateModelMixin,
    with_etag,
)
from saas_kit.core.exceptions import NotFound
from saas_kit.core.permissions import Access
from saas_kit.tenancy import services
from saas_kit.tenancy.api.bases import OrganizationNestedViewSet
from saas_kit.tenancy.api.filters import DomainFilter
from saas_kit.tenancy.api.narrowing import active_organization
from saas_kit.tenancy.api.serializers import (
    DomainSerializer,
    JoinableOrganizationSerializer,
    MembershipSerializer,
)
from saas_kit.tenancy.models import EmailDomain, get_organization_model
from saas_kit.tenancy.permissions import OrganizationPermission


class OrganizationDomainViewSet(
    OrganizationNestedViewSet,
    CreateModelMixin,
    RetrieveModelMixin,
    UpdateModelMixin,
    DestroyModelMixin,
    mixins.ListModelMixin,
):
    """The domains of e-mail addresses that an organization claims, and those that it has proved."""

    tags = ["Organizations"]
    noun, noun_plural = "domain", "domains"
    queryset = EmailDomain.objects.all()
    serializer_class = DomainSerializer
    input_serializer_classes = {"verify": None}
    filterset_class = DomainFilter
    search_fields = ("domain",)
    ordering_fields = ("created_at", "domain")
    http_method_names = ("get", "post", "patch", "delete", "head")
    required_permissions = {
        "list": OrganizationPermission.CHANGE,
        "retrieve": OrganizationPermission.CHANGE,
        "create": OrganizationPermission.CHANGE,
        "update": OrganizationPermission.CHANGE,
        "destroy": OrganizationPermission.CHANGE,
        "verify": OrganizationPermission.CHANGE,
    }
    summaries = {"verify": "Prove a domain"}
    descriptions = {
        "create": "Claim a domain. It is nobody's until it is proved, and domains in which anybody can have an address "
        "are refused. Publish the `record` of the answer in DNS, then prove the domain. It is 409 `too_many_domains` "
        f"where the organization has {services.MAX_DOMAINS}.",
        "destroy": "Take a claim back. Nobody joins by it any more; whoever did stays.",
        "verify": "Look in DNS for the `record` of the domain. It is 409 `domain_unproved` where that is not there, "
        "409 `domain_taken` where that of another organization is there as well, which proved the domain before, and "
        "503 `dns_unavailable` where DNS does not tell. Another organization whose record is gone has the domain no "
        "longer then. A domain that was proved is looked up again where it has `missing_since`.",
    }

    def perform_destroy(self, instance: EmailDomain) -> None:
        services.delete_domain(instance, actor=self.actor)

    @action(detail=True, methods=["post"])
    def verify(self, request: Request, **kwargs: Any) -> Response:
        """Look in DNS for the record of the domain."""
        domain = services.verify_domain(self.get_object(), actor=self.actor)
        return with_etag(Response(self.get_serializer(domain).data))


class JoinableOrganizationViewSet(mixins.ListModelMixin, ApiViewSet):
    """
    The organizations that the caller may join by their verified address: those that proved its domain.

    A domain belongs to one organization, so there is one at most. Those that the caller is in are not here, and to
    somebody without a verified address the list is empty.
    """

    tags = ["Organizations"]
    noun, noun_plural = "organization to join", "organizations to join"
    needs_no_organization = True
    queryset = get_organization_model().objects.all()
    serializer_class = JoinableOrganizationSerializer
    search_fields = ("name",)
    ordering_fields = ("created_at", "name")
    required_permissions = {"list": Access.AUTHENTICATED}

    def get_queryset(self) -> Any:
        organizations: Any = super().get_queryset()
        # a request that is narrowed to an organization is not about one that the caller is not in
        narrowed = active_organization(self.request) is not None
        offer = None if narrowed else services.find_offer(self.actor)
        if offer is None:
            return organizations.none()
        values = {name: Value(getattr(offer, name), CharField()) for name in ("domain", "role")}
        return organizations.filter(pk=offer.organization_id).annotate(**values)


class JoinOrganizationView(ApiView):
    """Joining an organization by one's address."""

    tags = ["Organizations"]
    operation_name = "organization_join"
    needs_no_organization = True
    required_permissions = {"post": Access.AUTHENTICATED}
    summaries = {"post": "Join an organization"}
    descriptions = {
        "post": "Become a member of an organization that has proved the domain of the caller's verified address, and "
        "lets people join by that. It is 404 where the caller was not offered it, and 409 `already_member` of its "
        "members. One that requires a second factor is joined by people who have one."
    }
    input_serializer_classes = {"post": None}
    output_serializer_classes: ClassVar[Mapping[str, Any]] = {"post": {201: MembershipSerializer}}

    def post(self, request: Request, organization_id: UUID, **kwargs: Any) -> Response:
        """Become a member of an organization by one's address."""
        if active_organization(request) is not None:  # of which the caller is a member
            raise NotFound
        membership = services.join_on_offer(organization_id, self.actor)
        data = MembershipSerializer(membership, context={"request": request, "view": self}).data
        return Response(data, status=status.HTTP_201_CREATED)
