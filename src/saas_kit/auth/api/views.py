"""Sign-in over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.contrib.auth import authenticate
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ObjectDoesNotExist
from django.db import transaction
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables
from rest_framework import status
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.generics import CreateAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework_simplejwt.exceptions import TokenError

from saas_kit.api.views import ApiView, GenericApiView, RetrieveModelMixin, UpdateModelMixin
from saas_kit.auth import services
from saas_kit.auth.api import stock
from saas_kit.auth.api.authentication import SessionTokenAuthentication
from saas_kit.auth.api.serializers import (
    LoginAnswerSerializer,
    LoginSerializer,
    LogoutSerializer,
    MeSerializer,
    RefreshSerializer,
    RegisterAnswerSerializer,
    RegisterSerializer,
    TokensSerializer,
)
from saas_kit.auth.exceptions import InvalidCredentials, SessionEnded
from saas_kit.auth.services import Tokens
from saas_kit.auth.tokens import RefreshToken
from saas_kit.core.permissions import Access


class AuthView(ApiView):
    """
    What the views of sign-in share: they take the kit's tokens whatever the host's other views take.

    They are of use to somebody whose token is bound to an organization that they have left.
    """

    tags = ["Authentication"]
    needs_no_organization = True
    authentication_classes: ClassVar[tuple[type[SessionTokenAuthentication], ...]] = (
        SessionTokenAuthentication,
    )


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
        "password and a deactivated person are answered alike."
    }
    extra_errors = {"post": (401,)}

    @sensitive_variables("credentials")
    def login(self) -> None:
        credentials = self.serializer.validated_data
        if "email" in credentials:
            credentials = {name: value for name, value in credentials.items() if name != "username"}
        user = authenticate(self.request._request, **credentials)
        if user is None:
            raise InvalidCredentials
        self.user: AbstractBaseUser = user
        self.tokens = _open_session(self.user, self.request)

    def get_response(self) -> Response:
        return _answer(self, status.HTTP_200_OK, self.user, self.tokens, mfa_required=False)


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
            tokens = _open_session(user, request)
        return _answer(self, status.HTTP_201_CREATED, user, tokens)

    def perform_register(self, validated_data: dict[str, Any]) -> AbstractBaseUser:
        """Make the person's account."""
        return services.create_user(**validated_data)


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


class LogoutView(AuthView, stock.LogoutView):
    """Sign out."""

    http_method_names = ("post",)
    required_permissions = {"post": Access.AUTHENTICATED}
    input_serializer_classes = {"post": LogoutSerializer}
    output_serializer_classes = {"post": None}
    operation_name = "auth_logout"
    summaries = {"post": "Sign out"}
    descriptions = {
        "post": "End the session of the access token; all its tokens are of no use from then on. A `refresh` in "
        "the body has to be of the same session. Signing out twice is not an error."
    }

    def get_authenticators(self) -> list[BaseAuthentication]:
        return [SessionTokenAuthentication(take_ended=True)]

    def logout(self, request: Request) -> Response:
        serializer = LogoutSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        if "refresh" in serializer.validated_data:
            self._require_own(serializer.validated_data["refresh"])
        session: Any = request.auth
        services.revoke_session(session, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _require_own(self, refresh: str) -> None:
        try:
            is_own = RefreshToken(refresh).session_id == self.request.auth.pk
        except TokenError:
            is_own = False
        if not is_own:
            error = ErrorDetail(str(_("This is not a refresh token of your session.")), code="invalid_token")
            raise ValidationError({"refresh": [error]})


class LogoutAllView(AuthView, ApiView):
    """Sign out everywhere."""

    required_permissions = {"post": Access.AUTHENTICATED}
    input_serializer_classes = {"post": None}
    output_serializer_classes = {"post": None}
    operation_name = "auth_logout_all"
    summaries = {"post": "Sign out everywhere"}
    descriptions = {"post": "End all sessions of the caller, the present one too."}

    def post(self, request: Request, **kwargs: Any) -> Response:
        """End all sessions of the caller."""
        services.revoke_sessions(self.actor, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class MeView(AuthView, RetrieveModelMixin, UpdateModelMixin, stock.UserDetailsView):
    """The caller's own profile."""

    required_permissions = {
        "get": Access.AUTHENTICATED,
        "put": Access.AUTHENTICATED,
        "patch": Access.AUTHENTICATED,
    }
    serializer_class = MeSerializer
    operation_name = "auth_me"
    summaries = {
        "get": "Get one's own profile",
        "put": "Replace one's own profile",
        "patch": "Change one's own profile",
    }
    descriptions = {
        "get": "The caller, as only they see themselves.",
        "put": "Replace the names; the address is changed elsewhere, as the new one has to be verified.",
        "patch": "Change the names; the address is changed elsewhere, as the new one has to be verified.",
    }

    def get_object(self) -> Any:
        if self.request.method not in ("GET", "HEAD"):
            # it may have been changed since the request began
            try:
                self.actor.refresh_from_db()
            except ObjectDoesNotExist:
                raise SessionEnded from None
        return self.actor

    def get_input_serializer(self, *args: Any, **kwargs: Any) -> BaseSerializer[Any]:
        """Return the serializer of the body."""
        return self.get_serializer(*args, **kwargs)  # type: ignore[no-any-return]


def _open_session(user: AbstractBaseUser, request: Request) -> Tokens:
    return services.open_session(
        user,
        ip_address=request.META.get("REMOTE_ADDR"),
        user_agent=request.META.get("HTTP_USER_AGENT", ""),
        request=request._request,
    )


def _answer(view: Any, code: int, user: AbstractBaseUser, tokens: Tokens, **more: Any) -> Response:
    answer = {"access": tokens.access, "refresh": tokens.refresh, "user": user, **more}
    serializer_class = view.output_serializer_classes["post"]
    return Response(serializer_class(answer, context=view.get_serializer_context()).data, status=code)
