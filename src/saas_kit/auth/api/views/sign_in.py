"""Signing in, and getting the next tokens."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.views.decorators.debug import sensitive_variables
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from saas_kit.api.after import after_response
from saas_kit.api.views import GenericApiView
from saas_kit.auth import limits, services
from saas_kit.auth.api import cookies, stock
from saas_kit.auth.api.serializers import (
    LoginAnswerSerializer,
    LoginSerializer,
    RefreshSerializer,
    TokensSerializer,
)
from saas_kit.auth.api.views.bases import SECOND_FACTOR_ANSWERS, AuthView, sign_in_response, token_texts
from saas_kit.auth.exceptions import AddressUnproved, InvalidToken, RefreshReplaced
from saas_kit.auth.identity import email_field
from saas_kit.auth.services import Tokens
from saas_kit.core.exceptions import NotAuthenticated
from saas_kit.core.permissions import Access


class LoginView(AuthView, stock.LoginView):
    """
    Sign in with an address and a password.

    ``output_serializer_classes`` says what is answered; it gets the tokens and the ``user``. Where the person has a
    second factor, the answer is an ``mfa_token`` instead.
    """

    authentication_classes = ()
    required_permissions = {"post": Access.PUBLIC}
    serializer_class = LoginSerializer
    output_serializer_classes: ClassVar[Mapping[str, type[BaseSerializer[Any]]]] = {
        "post": LoginAnswerSerializer
    }
    other_output_serializer_classes = {"post": SECOND_FACTOR_ANSWERS}
    operation_name = "auth_login"
    summaries = {"post": "Sign in"}
    descriptions = {
        "post": "Get a pair of tokens or, where the person has a second factor, an `mfa_token` for `auth/mfa/verify/`. "
        "What is wrong with credentials is not said: an unknown address, a wrong password, a deactivated person and an "
        "address that is still to be proved are answered alike."
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

    def handle_exception(self, exc: Exception) -> Response:
        response: Response = super().handle_exception(exc)
        if isinstance(exc, AddressUnproved) and exc.user is not None:
            after_response(response, partial(_remind, exc.user))  # the time must not tell it either
        return response


def _remind(user: AbstractBaseUser) -> None:
    if services.may_mail("verify_email", getattr(user, email_field())):
        services.ask_for_verification(user)


class RefreshView(AuthView, GenericApiView):
    """Take a refresh token for the next pair."""

    takes_cookie = False

    authentication_classes = ()
    required_permissions = {"post": Access.PUBLIC}
    serializer_class = RefreshSerializer
    output_serializer_classes = {"post": TokensSerializer}
    operation_name = "auth_refresh"
    summaries = {"post": "Refresh the tokens"}
    descriptions = {
        "post": "Take a refresh token for the next pair. Each is good once. Sending one that was just replaced is "
        "refused; sending it later ends the whole session, because one of the two senders is a thief.\n\n"
        "Where the host has cookies on, a browser's refresh cookie is taken where the body has no token, and the next "
        "pair is in cookies again."
    }
    extra_errors = {"post": (401, 403)}

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        # what a reused token ends stays ended, although the answer is an error
        return transaction.non_atomic_requests(super().as_view(**initkwargs))

    def post(self, request: Request, **kwargs: Any) -> Response:
        """Take a refresh token for the next pair."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = dict(serializer.validated_data)
        if "refresh" not in data:
            data["refresh"] = self._take_cookie(request)
        try:
            tokens = self.perform_refresh(data)
        except RefreshReplaced:
            raise
        except InvalidToken:
            limits.count("refresh", limits.network())
            raise
        # what a script cannot read it does not get by refreshing either
        in_cookies = self.takes_cookie or cookies.are_asked_for(request)
        response = Response(token_texts(tokens, hidden=in_cookies))
        if in_cookies:
            cookies.put_tokens(response, request, tokens, is_new=False)
        return response

    def _take_cookie(self, request: Request) -> str:
        token = cookies.refresh_token_of(request)
        if token is None:
            raise NotAuthenticated
        cookies.check_csrf(request)
        self.takes_cookie = True
        return token

    def handle_exception(self, exc: Exception) -> Response:
        response: Response = super().handle_exception(exc)
        # of two tabs that refresh at once the loser must not delete what the winner got
        if self.takes_cookie and isinstance(exc, InvalidToken) and not isinstance(exc, RefreshReplaced):
            cookies.delete_tokens(response, self.request)
        return response

    def perform_refresh(self, validated_data: dict[str, Any]) -> Tokens:
        """Take the refresh token for the next pair; a subclass that has more to say to the service overrides it."""
        return services.rotate(validated_data["refresh"])
