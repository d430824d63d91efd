"""Registering."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from rest_framework import status
from rest_framework.generics import CreateAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from saas_kit.auth import services
from saas_kit.auth.api.serializers import RegisterAnswerSerializer, RegisterSerializer
from saas_kit.auth.api.views.bases import AuthView, open_session, tokens_response
from saas_kit.core.permissions import Access


class RegisterView(AuthView, CreateAPIView):  # type: ignore[type-arg]
    """
    Give oneself an account, and be signed in.

    A subclass that does more overrides ``perform_register()``; it runs in the transaction of the whole.
    ``output_serializer_classes`` says what is answered; it gets the tokens and the ``user``.
    """

    # dj-rest-auth's view is not built on: loading it takes allauth.socialaccount and a username, and what it
    # does then, a Django session and cookies, would have to be undone.
    authentication_classes = ()
    required_permissions = {"post": Access.PUBLIC}
    serializer_class = RegisterSerializer
    output_serializer_classes: ClassVar[Mapping[str, type[BaseSerializer[Any]]]] = {
        "post": RegisterAnswerSerializer
    }
    operation_name = "auth_register"
    summaries = {"post": "Register"}
    descriptions = {"post": "Make an account for oneself and get a pair of tokens."}

    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make an account for oneself and get a pair of tokens."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        with transaction.atomic():
            user = self.perform_register(serializer.validated_data)
            tokens = open_session(user, request)
        return tokens_response(self, status.HTTP_201_CREATED, user, tokens)

    def perform_register(self, validated_data: dict[str, Any]) -> AbstractBaseUser:
        """Make the person's account."""
        return services.create_user(**validated_data)
