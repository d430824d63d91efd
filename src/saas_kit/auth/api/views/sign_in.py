"""Signing in, and getting the next tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.views.decorators.debug import sensitive_variables
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from saas_kit.api.views import GenericApiView
from saas_kit.auth import services
from saas_kit.auth.api import stock
from saas_kit.auth.api.serializers import (
    LoginAnswerSerializer,
    LoginSerializer,
    RefreshSerializer,
    TokensSerializer,
)
from saas_kit.auth.api.views.bases import AuthView, sign_in_response
from saas_kit.auth.services import Tokens
from saas_kit.core.permissions import Access


class LoginView(AuthView, stock.LoginView):
    """
    Sign in with an address and a password.

    ``output_serializer_classes`` says what is answered; it gets the tokens and the ``user``.
    """

    authentication_classes = ()
    required_permissions = {"post": Access.PUBLIC}
    serializer_class = LoginSerializer
    output_serializer_classes: ClassVar[Mapping[str, type[BaseSerializer[Any]]]] = {
        "post": LoginAnswerSerializer
    }
    operation_name = "auth_login"
    summaries = {"post": "Sign in"}
    descriptions = {
        "post": "Get a pair of tokens. What is wrong with credentials is not said: an unknown address, a wrong "
        "password, a deactivated person and an address that is still to be proved are answered alike."
    }
    extra_errors = {"post": (401,)}

    @sensitive_variables("credentials")
    def login(self) -> None:
        credentials = self.serializer.validated_data
        if "email" in credentials:
            credentials = {name: value for name, value in credentials.items() if name != "username"}
        self.user: AbstractBaseUser = services.check_credentials(self.request._request, **credentials)

    def get_response(self) -> Response:
        return sign_in_response(self, self.user)


class RefreshView(AuthView, GenericApiView):
    """Take a refresh token for the next pair."""

    authentication_classes = ()
    required_permissions = {"post": Access.PUBLIC}
    serializer_class = RefreshSerializer
    output_serializer_classes = {"post": TokensSerializer}
    operation_name = "auth_refresh"
    summaries = {"post": "Refresh the tokens"}
    descriptions = {
        "post": "Take a refresh token for the next pair. Each is good once. Sending one that was just replaced is "
        "refused; sending it later ends the whole session, because one of the two senders is a thief."
    }
    extra_errors = {"post": (401,)}

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        # what a reused token ends stays ended, although the answer is an error
        return transaction.non_atomic_requests(super().as_view(**initkwargs))

    def post(self, request: Request, **kwargs: Any) -> Response:
        """Take a refresh token for the next pair."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        tokens = self.perform_refresh(serializer.validated_data)
        return Response({"access": tokens.access, "refresh": tokens.refresh})

    def perform_refresh(self, validated_data: dict[str, Any]) -> Tokens:
        """Take the refresh token for the next pair; a subclass that has more to say to the service overrides it."""
        return services.rotate(validated_data["refresh"])
