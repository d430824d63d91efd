"""Signing in at a provider, and the links to providers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from saas_kit.api.views import ApiView, DestroyModelMixin, GenericApiView
from saas_kit.auth import limits, providers, services
from saas_kit.auth.api.serializers import (
    SOCIAL_CREDENTIALS,
    DetailSerializer,
    LoginAnswerSerializer,
    SocialAccountSerializer,
    SocialAccountsSerializer,
    SocialProvidersSerializer,
    SocialSignInSerializer,
)
from saas_kit.auth.api.views.bases import SECOND_FACTOR_ANSWERS, AuthView, sign_in_response
from saas_kit.auth.providers import Identity
from saas_kit.core.permissions import Access


class SocialProvidersView(AuthView, ApiView):
    """The providers that people can sign in with."""

    authentication_classes = ()
    required_permissions = {"get": Access.PUBLIC}
    output_serializer_classes = {"get": SocialProvidersSerializer}
    operation_name = "auth_social_providers"
    summaries = {"get": "List providers"}
    descriptions = {
        "get": "The providers that people can sign in with, and what a front end needs to send them there. It adds "
        "`redirect_uri`, `response_type=code`, a `state` and the `code_challenge` of PKCE of its own."
    }

    def get(self, request: Request, **kwargs: Any) -> Response:
        """List the providers."""
        found = [
            {
                "id": each.sub_id,
                "name": providers.name_of(each),
                "kind": each.id,
                "client_id": each.app.client_id,
                "authorize_url": providers.authorize_url_of(request._request, each),
                "scopes": each.get_scope(),
                "takes": providers.credentials_of(each),
            }
            for each in providers.list_providers(request._request)
        ]
        return Response(SocialProvidersSerializer({"results": found}).data)


class _ProviderView(AuthView, GenericApiView):
    """Takes what a provider gave to the front end. Nothing holds the database while the provider is asked."""

    serializer_class = SocialSignInSerializer

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        return transaction.non_atomic_requests(super().as_view(**initkwargs))

    @sensitive_variables("data")
    def identify(self, request: Request) -> Identity:
        """
        Return who the provider says that somebody is.

        Raises:
            NotFound: The host has not configured the provider.
            InvalidCredentials: The provider does not say it.
            RateLimited: There were too many attempts that led to nobody.
            Unavailable: The provider does not answer as it should.
        """
        provider = providers.get_provider(request._request, self.kwargs["provider"])
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = dict(serializer.validated_data)
        limits.count("social", limits.network())
        kind = next(name for name in SOCIAL_CREDENTIALS if name in data)
        if kind == "code":
            return providers.identify_by_code(request._request, provider, **data)
        return providers.identify_by_token(
            request._request, provider, kind=kind, token=data[kind], nonce=data.get("nonce")
        )


class SocialSignInView(_ProviderView):
    """
    Sign in by who one is at a provider.

    A subclass that does more for new people overrides ``perform_register()``; it runs in the transaction of the whole.
    ``output_serializer_classes`` says what is answered; it gets the tokens and the ``user``.
    """

    authentication_classes = ()
    required_permissions = {"post": Access.PUBLIC}
    output_serializer_classes: ClassVar[Mapping[str, type[BaseSerializer[Any]]]] = {
        "post": LoginAnswerSerializer
    }
    other_output_serializer_classes = {"post": (*SECOND_FACTOR_ANSWERS, DetailSerializer)}
    operation_name = "auth_social"
    summaries = {"post": "Sign in with a provider"}
    descriptions = {
        "post": "Get a pair of tokens for a `code` (with the `code_verifier` of PKCE), an `id_token` or an "
        "`access_token` of a provider; somebody new gets an account. Where a second factor is set up, it is asked for "
        "next. Where the address has to be proved first and the provider has not verified it, the answer is that a "
        "message was sent.\n\nAn address that somebody has here leads to them only if the provider has verified it; "
        "else it is 409 `email_taken`: they sign in first, and connect the provider then."
    }
    extra_errors = {"post": (401, 404)}

    def post(self, request: Request, **kwargs: Any) -> Response:
        """Sign in by who one is at a provider."""
        user = services.sign_in_with(self.identify(request), register=self.perform_register)
        limits.take_back("social", limits.network())
        if services.is_proof_due(user):
            return Response({"detail": _("A message with a link was sent to your address. Follow it first.")})
        return sign_in_response(self, user)

    def perform_register(self, validated_data: dict[str, Any]) -> AbstractBaseUser:
        """Make a new person's account."""
        return services.create_user(**validated_data)


class SocialConnectView(_ProviderView):
    """Let the caller sign in by who they are at a provider."""

    required_permissions = {"post": Access.AUTHENTICATED}
    output_serializer_classes = {"post": SocialAccountSerializer}
    operation_name = "auth_social_connect"
    summaries = {"post": "Connect a provider"}
    descriptions = {
        "post": "From now on the caller can sign in by who they are at the provider. What somebody else signs in with "
        "is 409 `linked_elsewhere`; connecting twice is not an error."
    }

    def post(self, request: Request, **kwargs: Any) -> Response:
        """Connect a provider."""
        services.require_recent_sign_in(self.own_session)
        link = services.link_identity(self.actor, self.identify(request), actor=self.actor)
        limits.take_back("social", limits.network())
        return Response(SocialAccountSerializer(link).data)


class SocialAccountsView(AuthView, ApiView):
    """Who the caller is at providers."""

    required_permissions = {"get": Access.AUTHENTICATED}
    output_serializer_classes = {"get": SocialAccountsSerializer}
    operation_name = "auth_social_accounts"
    summaries = {"get": "List one's own providers"}
    descriptions = {"get": "Who the caller is at the providers that they can sign in with."}

    def get(self, request: Request, **kwargs: Any) -> Response:
        """List who the caller is at providers."""
        return Response(SocialAccountsSerializer({"results": _links_of(self.actor).order_by("pk")}).data)


class SocialAccountView(AuthView, DestroyModelMixin, GenericApiView):
    """One of the links of the caller to a provider."""

    required_permissions = {"delete": Access.AUTHENTICATED}
    serializer_class = SocialAccountSerializer
    output_serializer_classes = {"delete": None}
    operation_name = "auth_social_account"
    summaries = {"delete": "Disconnect a provider"}
    descriptions = {
        "delete": "The caller can no longer sign in by who they are there. Who has neither a password nor another "
        "provider cannot disconnect the last one: 409 `last_way_in`."
    }

    def delete(self, request: Request, **kwargs: Any) -> Response:
        """Disconnect a provider."""
        return self.destroy(request, **kwargs)

    def get_object(self) -> Any:
        link = _links_of(self.actor).filter(pk=self.kwargs["id"]).first()
        if link is None:
            raise NotFound
        return link

    def perform_destroy(self, instance: Any) -> None:
        services.unlink_identity(instance, actor=self.actor)


def _links_of(user: Any) -> Any:
    return apps.get_model("socialaccount", "SocialAccount")._default_manager.filter(user=user)
