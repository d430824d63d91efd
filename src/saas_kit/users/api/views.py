"""People over HTTP: registration, one's own profile, and the people one works with."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Q
from rest_framework.request import Request

from saas_kit.api.views import ModelViewSet
from saas_kit.auth.api.serializers import NAMES
from saas_kit.auth.api.views import LoginView as AuthLoginView
from saas_kit.auth.api.views import MeView as AuthMeView
from saas_kit.auth.api.views import PasskeyLoginView as AuthPasskeyLoginView
from saas_kit.auth.api.views import RefreshView as AuthRefreshView
from saas_kit.auth.api.views import RegisterView as AuthRegisterView
from saas_kit.auth.api.views import SocialSignInView as AuthSocialSignInView
from saas_kit.auth.api.views import VerifyEmailView as AuthVerifyEmailView
from saas_kit.auth.api.views import VerifySecondFactorView as AuthVerifySecondFactorView
from saas_kit.auth.identity import email_field
from saas_kit.auth.services import Tokens
from saas_kit.core.exceptions import NotAllowed, NotFound
from saas_kit.core.permissions import Access
from saas_kit.tenancy.access import get_access
from saas_kit.tenancy.api.bases import OrganizationTargetMixin, TenantViewSet
from saas_kit.tenancy.api.narrowing import active_organization
from saas_kit.tenancy.api.views.invitations import counting_bad_tokens
from saas_kit.tenancy.models import Membership
from saas_kit.tenancy.permissions import OrganizationPermission
from saas_kit.users import services
from saas_kit.users.api.filters import UserFilter
from saas_kit.users.api.serializers import (
    LoginAnswerSerializer,
    MeSerializer,
    ProvisionUserSerializer,
    RefreshSerializer,
    RegisterAnswerSerializer,
    RegisterSerializer,
    UserSerializer,
)
from saas_kit.users.exceptions import UnknownInvitation

_FIELDS = {field.name for field in get_user_model()._meta.get_fields()}


def _key_converter() -> str:
    key = get_user_model()._meta.pk
    if isinstance(key, models.UUIDField):
        return "uuid"
    return "int" if isinstance(key, models.IntegerField) else "str"


class LoginView(AuthLoginView):
    """Sign in with an address and a password."""

    output_serializer_classes = {"post": LoginAnswerSerializer}


class VerifySecondFactorView(AuthVerifySecondFactorView):
    """Finish a sign-in with a second factor."""

    output_serializer_classes = {"post": LoginAnswerSerializer}


class PasskeyLoginView(AuthPasskeyLoginView):
    """Sign in with a passkey."""

    output_serializer_classes = {"post": LoginAnswerSerializer}


class RegisterView(AuthRegisterView):
    """Register with an account and a first organization."""

    serializer_class = RegisterSerializer
    output_serializer_classes = {"post": RegisterAnswerSerializer}
    descriptions = {
        "post": "Make an account for oneself, with a customer account and a first organization that are one's own. "
        "Where the address has to be proved first, the answer is that a message was sent, whether or not the address "
        "has an account; else it is a pair of tokens.\n\nWith `invitation_token` the address has to be the invited "
        "one, which the token proves: one becomes a member of the organization that invites, has nothing of one's own, "
        "and is signed in at once. Where somebody has proved the address already it is 400 `email_taken`: sign in and "
        "accept."
    }
    extra_errors = {"post": (403, 409, 410)}

    def proves_address(self, validated_data: dict[str, Any]) -> bool:
        return "invitation_token" in validated_data

    def perform_register(self, validated_data: dict[str, Any]) -> Any:
        if not self.proves_address(validated_data):
            return services.register_user(**validated_data)
        # what somebody else had said before is not to show through what is left out
        values = {**dict.fromkeys(NAMES, ""), **validated_data}
        values.pop("organization_name", None)  # nothing is made that it could name
        try:
            with counting_bad_tokens():
                return services.register_by_invitation(**values)
        except NotFound as error:
            raise UnknownInvitation from error

    def perform_register_again(self, owner: Any, validated_data: dict[str, Any]) -> None:
        values = {name: value for name, value in validated_data.items() if name != "email"}
        services.register_user_again(owner, **values)


class VerifyEmailView(AuthVerifyEmailView):
    """Prove that an address is one's own; somebody new joins the organization that has its domain, if it says so."""

    def perform_verify(self, token: str) -> None:
        services.prove_address(token, keep=self.own_session)


class SocialSignInView(AuthSocialSignInView):
    """Sign in by who one is at a provider; somebody new gets an account and a first organization too."""

    output_serializer_classes = {"post": LoginAnswerSerializer}

    def perform_register(self, validated_data: dict[str, Any]) -> Any:
        return services.register_user(**validated_data)


class RefreshView(AuthRefreshView):
    """Take a refresh token for the next pair, bound to one organization where the body names one."""

    serializer_class = RefreshSerializer
    descriptions = {
        "post": f"{AuthRefreshView.descriptions['post']}\n\nWith `organization` the next pair is bound to it: its "
        "tokens are of use in that organization only, and so are those of the pairs that follow, until another is "
        "named. `null` frees the next pair. An organization that the person is not in is 400, and leaves the "
        "refresh token unused."
    }

    def perform_refresh(self, validated_data: dict[str, Any]) -> Tokens:
        if "organization" not in validated_data:
            return super().perform_refresh(validated_data)
        return services.rotate_within(validated_data["refresh"], validated_data["organization"])


class MeView(AuthMeView):
    """The caller, with their memberships and accounts."""

    serializer_class = MeSerializer


class UserViewSet(OrganizationTargetMixin, TenantViewSet, ModelViewSet):
    """The people who share an organization with the caller, and the caller."""

    tags: ClassVar[list[str]] = ["Users"]
    noun, noun_plural = "user", "users"
    queryset = get_user_model()._default_manager.all()
    serializer_class = UserSerializer
    input_serializer_classes = {"create": ProvisionUserSerializer}
    filterset_class = UserFilter
    search_fields: ClassVar[tuple[str, ...]] = tuple(
        name for name in (email_field(), "first_name", "last_name", "username") if name in _FIELDS
    )
    ordering_fields: ClassVar[tuple[str, ...]] = tuple(
        name for name in ("created_at", "date_joined", email_field(), "last_name") if name in _FIELDS
    )
    ordering = ("-pk",)
    lookup_value_converter = _key_converter()
    required_permissions = {
        "list": Access.AUTHENTICATED,
        "retrieve": Access.AUTHENTICATED,
        "create": OrganizationPermission.MANAGE_MEMBERS,
        "update": Access.AUTHENTICATED,
        "destroy": Access.AUTHENTICATED,
    }
    descriptions = {
        "create": "Make a new person a member of an organization. They are sent a link to set their password. "
        "It is 429 where the organization has asked for too many within a day, whether or not they were made.",
        "update": "Replace a person's profile. Only they themselves and platform staff may.",
        "partial_update": "Change a person's profile. Only they themselves and platform staff may.",
        "destroy": "Deactivate a person, end their sessions and their memberships. "
        "Only they themselves and platform staff may.",
    }

    def get_queryset(self) -> Any:
        queryset: Any = super().get_queryset()
        user = self.actor
        organization = active_organization(self.request)
        if get_access(user).is_staff and organization is None:
            return queryset
        memberships = Membership.objects.visible_to(user, OrganizationPermission.VIEW_MEMBERS)
        if organization is not None:
            memberships = memberships.in_organization(organization)
        return queryset.filter(Q(pk=user.pk) | Q(pk__in=memberships.values("user")))

    def check_object_permissions(self, request: Request, obj: Any) -> None:
        super().check_object_permissions(request, obj)
        if not isinstance(obj, get_user_model()) or obj.pk == self.actor.pk:
            return
        if get_access(self.actor).is_staff:
            self.note_staff_access(request, obj)
        elif self.action_name in ("update", "partial_update", "destroy"):
            raise NotAllowed

    def perform_destroy(self, instance: Any) -> None:
        services.remove_user(instance, actor=self.actor)
