"""Accounts, organizations and their members over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from saas_kit.api.filters import SearchFilter, boolean_parameter, refuse_unknown_parameters
from saas_kit.api.views import (
    ApiView,
    CreateModelMixin,
    DestroyModelMixin,
    ModelViewSet,
    RestoreModelMixin,
    RetrieveModelMixin,
    UpdateModelMixin,
    with_etag,
)
from saas_kit.core.exceptions import NotAllowed
from saas_kit.core.permissions import Access, registered
from saas_kit.tenancy import services
from saas_kit.tenancy.access import as_if_enrolled
from saas_kit.tenancy.api.bases import (
    NestedViewSet,
    OrganizationNestedViewSet,
    TenantViewSet,
    field_required,
    restorable,
)
from saas_kit.tenancy.api.fields import AccountField
from saas_kit.tenancy.api.filters import AccountFilter, MembershipFilter, OrganizationFilter
from saas_kit.tenancy.api.narrowing import active_organization
from saas_kit.tenancy.api.serializers import (
    AccountMembershipSerializer,
    AccountSerializer,
    AddAccountMemberSerializer,
    AddMemberSerializer,
    ChangeAccountRoleSerializer,
    ChangeRoleSerializer,
    MembershipSerializer,
    OrganizationSerializer,
    PermissionPageSerializer,
    PermissionSerializer,
    TransferSerializer,
)
from saas_kit.tenancy.exceptions import NotAMember
from saas_kit.tenancy.models import Account, AccountMembership, Membership, get_organization_model
from saas_kit.tenancy.people import account_members, people_in_account
from saas_kit.tenancy.permissions import AccountPermission, OrganizationPermission

_PERSON_FIELDS = {field.name for field in get_user_model()._meta.get_fields()}
_PERSON_SEARCH = tuple(
    f"user__{name}" for name in ("email", "first_name", "last_name", "username") if name in _PERSON_FIELDS
)


class AccountViewSet(RestoreModelMixin, TenantViewSet, ModelViewSet):
    """The accounts that the caller has a role in."""

    tags = ["Accounts"]
    noun, noun_plural = "account", "accounts"
    queryset = Account.objects.all()
    serializer_class = AccountSerializer
    input_serializer_classes = {"transfer": TransferSerializer}
    filterset_class = AccountFilter
    search_fields = ("name", "slug")
    ordering_fields = ("created_at", "name", "slug")
    required_permissions = {
        "list": AccountPermission.VIEW,
        "retrieve": AccountPermission.VIEW,
        "create": Access.AUTHENTICATED,
        "update": AccountPermission.CHANGE,
        "destroy": AccountPermission.DELETE,
        "restore": AccountPermission.DELETE,
        "transfer": AccountPermission.TRANSFER,
    }
    summaries = {"transfer": "Hand an account over"}
    descriptions = {"create": "Create an account; the caller becomes its owner."}

    def get_queryset(self) -> Any:
        restoring = self.action_name == "restore"
        queryset: Any = restorable(Account.all_objects.all()) if restoring else super().get_queryset()
        queryset = queryset.visible_to(self.actor, self.visible_permission())
        organization = active_organization(self.request)
        return queryset if organization is None else queryset.filter(pk=organization.account_id)

    def perform_destroy(self, instance: Account) -> None:
        services.delete_account(instance, actor=self.actor)

    def perform_restore(self, instance: Account) -> Account:
        return services.restore_account(instance, actor=self.actor)

    @action(detail=True, methods=["post"])
    def transfer(self, request: Request, **kwargs: Any) -> Response:
        """Make another member of the account its owner; the caller becomes an admin."""
        self.account = self.get_object()
        serializer = self.get_input_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        account = services.transfer_account(
            self.account, to=serializer.validated_data["user"], actor=self.actor
        )
        return with_etag(Response(self.get_serializer(account).data))

    def get_people(self) -> QuerySet[Any]:
        """Return who can own the account: its members."""
        return account_members(self.account.pk)


class OrganizationViewSet(RestoreModelMixin, TenantViewSet, ModelViewSet):
    """The organizations that the caller has a role in, of their own or through the account."""

    tags = ["Organizations"]
    noun, noun_plural = "organization", "organizations"
    queryset = get_organization_model().objects.all()
    serializer_class = OrganizationSerializer
    filterset_class = OrganizationFilter
    search_fields = ("name", "slug")
    ordering_fields = ("created_at", "name", "slug")
    required_permissions = {
        "list": OrganizationPermission.VIEW,
        "retrieve": OrganizationPermission.VIEW,
        "create": AccountPermission.CREATE_ORGANIZATION,
        "update": OrganizationPermission.CHANGE,
        "destroy": OrganizationPermission.DELETE,
        "restore": OrganizationPermission.DELETE,
        "leave": OrganizationPermission.VIEW,
    }
    open_without_second_factor = ("list", "leave")
    summaries = {"leave": "Leave an organization"}
    descriptions = {
        "list": "List organizations, also those that require a second factor which the caller does not have.",
        "create": "Create an organization in an account; the caller becomes its owner.",
        "leave": "End the caller's own membership, and with it their places in the organization's teams. It takes no "
        "second factor, also where the organization requires one.",
    }
    input_serializer_classes = {"leave": None}
    output_serializer_classes = {"leave": None}

    def get_queryset(self) -> Any:
        queryset: Any = super().get_queryset()
        if self.action_name == "restore":
            queryset = restorable(
                get_organization_model().all_objects.filter(account__deleted_at__isnull=True)
            )
        if self.request.method not in ("GET", "HEAD"):
            queryset = queryset.select_related("account")
        listed = queryset.known_to if self.action_name == "list" else queryset.visible_to
        queryset = listed(self.actor, self.visible_permission())
        organization = active_organization(self.request)
        return queryset if organization is None else queryset.filter(pk=organization.pk)

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Create an organization in the body's account, else the active organization's, else the caller's only one."""
        self.account = self._account_of(request)
        self.check_object_permissions(request, self.account)
        return super().create(request, *args, **kwargs)

    def _account_of(self, request: Request) -> Account:
        accounts = Account.objects.all()
        active = active_organization(request)
        if active is not None:
            accounts = accounts.filter(pk=active.account_id)
        body = request.data if isinstance(request.data, Mapping) else {}
        if "account" in body:
            field = AccountField(queryset=accounts)
            field.bind("account", self.get_input_serializer())
            account: Account = field.run_as_body_field(body["account"])
            return account
        granting = list(accounts.visible_to(self.actor, AccountPermission.CREATE_ORGANIZATION)[:2])
        if not granting:
            raise NotAllowed
        if len(granting) > 1:
            raise field_required("account")
        only: Account = granting[0]
        return only

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        serializer.save(account=self.account, actor=self.actor)

    def perform_destroy(self, instance: Any) -> None:
        services.delete_organization(instance, actor=self.actor)

    def perform_restore(self, instance: Any) -> Any:
        return services.restore_organization(instance, actor=self.actor)

    @action(detail=True, methods=["post"])
    def leave(self, request: Request, **kwargs: Any) -> Response:
        """End the caller's own membership, and with it their places in the organization's teams."""
        with as_if_enrolled(self.actor):
            organization = self.get_object()
        membership = Membership.objects.in_organization(organization).filter(user=self.actor).first()
        if membership is None:
            raise NotAMember
        services.remove_member(membership, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class MemberViewSetBase(
    CreateModelMixin,
    RetrieveModelMixin,
    UpdateModelMixin,
    DestroyModelMixin,
    mixins.ListModelMixin,
    NestedViewSet,
):
    """People's roles below an account or an organization."""

    noun, noun_plural = "member", "members"
    filterset_class = MembershipFilter
    search_fields = _PERSON_SEARCH
    ordering_fields = ("created_at", "role")
    http_method_names = ("get", "post", "patch", "delete", "head")


class OrganizationMemberViewSet(OrganizationNestedViewSet, MemberViewSetBase):
    """The members of an organization."""

    tags = ["Organizations"]
    queryset = Membership.objects.select_related("user")
    serializer_class = MembershipSerializer
    input_serializer_classes = {"create": AddMemberSerializer, "update": ChangeRoleSerializer}
    required_permissions = {
        "list": OrganizationPermission.VIEW_MEMBERS,
        "retrieve": OrganizationPermission.VIEW_MEMBERS,
        "create": OrganizationPermission.MANAGE_MEMBERS,
        "update": OrganizationPermission.MANAGE_MEMBERS,
        "destroy": OrganizationPermission.MANAGE_MEMBERS,
    }
    descriptions = {
        "create": "Give a role to somebody who belongs to the account already. Anybody else is invited.",
        "destroy": "End a membership, and with it the person's places in the organization's teams.",
    }

    def get_people(self) -> QuerySet[Any]:
        """Return who can be added: the people of the account."""
        return people_in_account(self.parent.account_id)

    def perform_destroy(self, instance: Membership) -> None:
        services.remove_member(instance, actor=self.actor)


class AccountMemberViewSet(MemberViewSetBase):
    """The members of an account."""

    tags = ["Accounts"]
    parent_kwarg = "account_id"
    queryset = AccountMembership.objects.select_related("user")
    serializer_class = AccountMembershipSerializer
    input_serializer_classes = {"create": AddAccountMemberSerializer, "update": ChangeAccountRoleSerializer}
    required_permissions = {
        "list": AccountPermission.VIEW_MEMBERS,
        "retrieve": AccountPermission.VIEW_MEMBERS,
        "create": AccountPermission.MANAGE_MEMBERS,
        "update": AccountPermission.MANAGE_MEMBERS,
        "destroy": AccountPermission.MANAGE_MEMBERS,
    }
    descriptions = {
        "create": "Give a role in the account to somebody who is in one of its organizations.",
        "destroy": "End a role in the account; memberships of its organizations stay.",
    }

    def get_parent_queryset(self) -> Any:
        accounts = Account.objects.visible_to(self.actor, AccountPermission.VIEW)
        active = active_organization(self.request)
        return accounts if active is None else accounts.filter(pk=active.account_id)

    def get_people(self) -> QuerySet[Any]:
        """Return who can be added: the people of the account."""
        return people_in_account(self.parent.pk)

    def get_queryset(self) -> QuerySet[AccountMembership]:
        return super().get_queryset().filter(account=self.parent)

    def perform_create(self, serializer: BaseSerializer[Any]) -> None:
        serializer.save(account=self.parent, actor=self.actor)

    def perform_destroy(self, instance: AccountMembership) -> None:
        services.remove_account_member(instance, actor=self.actor)


class PermissionListView(ApiView):
    """
    The permissions that roles are made of.

    They are all on one page: they are written in the code of the installed apps, a few dozen at most, so that
    there is nothing to page through or to order by.
    """

    tags = ["Organizations"]
    operation_name = "permission"
    required_permissions = {"get": Access.AUTHENTICATED}
    summaries = {"get": "List permissions"}
    descriptions = {
        "get": "List every registered permission with its label and its level, on one page, by codename."
    }
    output_serializer_classes = {"get": PermissionPageSerializer}
    extra_parameters = {
        "get": (
            OpenApiParameter("count", type=bool, description="Whether to count all rows.", default=False),
            OpenApiParameter("search", description="Words to find in the codename or the label."),
        )
    }
    extra_errors = {"get": (400,)}

    def get(self, request: Request, **kwargs: Any) -> Response:
        """List the registered permissions, or those that have every word of a search."""
        refuse_unknown_parameters(request, known=("count", "search"))
        counted = boolean_parameter(request, "count")
        words = [word.casefold() for word in SearchFilter().get_search_terms(request)]
        found = [
            each
            for each in registered()
            if all(word in each.codename.casefold() or word in str(each.label).casefold() for word in words)
        ]
        page: dict[str, Any] = {"next": None, "previous": None}
        if counted:
            page["count"] = len(found)
        return Response({**page, "results": PermissionSerializer(found, many=True).data})
