"""Registering."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_variables
from rest_framework import status
from rest_framework.generics import CreateAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from saas_kit.api.after import after_response
from saas_kit.auth import limits, services
from saas_kit.auth.api.serializers import (
    NAMES,
    DetailSerializer,
    RegisterAnswerSerializer,
    RegisterSerializer,
)
from saas_kit.auth.api.views.bases import AuthView, open_session, tokens_response
from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.exceptions import EmailTaken
from saas_kit.auth.identity import users_with_email
from saas_kit.core.permissions import Access


class RegisterView(AuthView, CreateAPIView):  # type: ignore[type-arg]
    """
    Give oneself an account, and be signed in.

    A subclass that does more overrides ``perform_register()``; it runs in the transaction of the whole. Where what
    people register with proves their address, it overrides ``proves_address()`` too.
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
    other_output_serializer_classes = {"post": [DetailSerializer]}
    operation_name = "auth_register"
    summaries = {"post": "Register"}
    descriptions = {
        "post": "Make an account for oneself. Where the address has to be proved first, the answer is that a message "
        "was sent, whether or not the address has an account; else it is a pair of tokens."
    }

    @sensitive_variables("data")
    def create(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """Make an account for oneself."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        limits.count("register", limits.network())
        data = serializer.validated_data
        if AuthSettings.EMAIL_VERIFICATION == "mandatory" and not self.proves_address(data):
            names = {name: data.get(name, "") for name in NAMES}
            services.check_registration(email=data["email"], password=data["password"], **names)
            detail = _("If the address can be used, a message with a link was sent to it.")
            response = Response({"detail": str(detail)}, status=status.HTTP_201_CREATED)
            # what is done differs by who has the address, so it is done when the client has its answer
            after_response(response, partial(self._register_or_tell, {**data, **names}))
            return response
        with transaction.atomic():
            user = self._register(data)
            tokens = open_session(user, request)
        return tokens_response(self, status.HTTP_201_CREATED, user, tokens)

    def proves_address(self, validated_data: dict[str, Any]) -> bool:
        """Tell whether somebody registers with the proof of their address, so that they are signed in at once."""
        return False

    def perform_register(self, validated_data: dict[str, Any]) -> AbstractBaseUser:
        """Make the person's account."""
        return services.create_user(**validated_data)

    def _register(self, data: dict[str, Any]) -> AbstractBaseUser:
        user = self.perform_register(data)
        if services.may_mail("register", data["email"]):
            services.ask_for_verification(user)
            if not services.is_proof_due(user):
                services.welcome(user)
        return user

    def perform_register_again(self, owner: AbstractBaseUser, validated_data: dict[str, Any]) -> None:
        """Answer somebody who registers with an address that has an account."""
        names = {name: validated_data[name] for name in NAMES}
        services.register_again(owner, password=validated_data["password"], **names)

    @sensitive_variables("data")
    def _register_or_tell(self, data: dict[str, Any]) -> None:
        owner = users_with_email(data["email"]).first()
        if owner is None:
            try:
                with transaction.atomic():
                    self._register(data)
            except EmailTaken:  # by somebody who registered at the same moment
                owner = users_with_email(data["email"]).first()
        if owner is not None:
            self.perform_register_again(owner, data)
