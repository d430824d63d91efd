"""Passkeys; they are routed where ``allauth.mfa`` is installed and ``MFA_SUPPORTED_TYPES`` has ``webauthn``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from django.db.models.fields.json import KT
from rest_framework import status
from rest_framework.exceptions import NotFound
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer

from saas_kit.api.pagination import CursorPagination
from saas_kit.api.views import ApiViewSet, DestroyModelMixin, GenericApiView
from saas_kit.auth import limits, services
from saas_kit.auth.api.serializers import (
    ConfirmPasskeySerializer,
    LoginAnswerSerializer,
    NewPasskeySerializer,
    PasskeyCreationSerializer,
    PasskeyLoginSerializer,
    PasskeyProofSerializer,
    PasskeyRequestSerializer,
    PasskeySerializer,
    SecondFactorOptionsSerializer,
    SecondFactorRequestSerializer,
)
from saas_kit.auth.api.views.bases import AuthView, counting_bad_tokens, open_session, tokens_response
from saas_kit.auth.exceptions import InvalidCredentials, InvalidToken, TokenGone, UnknownToken
from saas_kit.core.permissions import Access


class OwnPasskeysView(AuthView, GenericApiView):
    """What the views of the caller's own passkeys share."""

    serializer_class: Any = PasskeySerializer

    def get_queryset(self) -> Any:
        return services.passkeys_of(self.actor).annotate(name=KT("data__name"))

    def require_proof(self) -> None:
        """Make sure that whoever has the session is the person, by what the body says."""
        serializer = PasskeyProofSerializer(data=self.request.data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        self.require_person(serializer.validated_data)


class PasskeysView(ListModelMixin, OwnPasskeysView):
    """The caller's passkeys."""

    required_permissions = {"get": Access.AUTHENTICATED, "post": Access.AUTHENTICATED}
    pagination_class = CursorPagination
    filter_backends = ApiViewSet.filter_backends
    search_fields = ("name",)
    ordering_fields = ("created_at",)
    ordering = ("-id",)
    input_serializer_classes = {"post": PasskeyProofSerializer}
    output_serializer_classes = {"post": PasskeyCreationSerializer}
    operation_name = "auth_mfa_passkeys"
    summaries = {"get": "List one's passkeys", "post": "Begin to add a passkey"}
    descriptions = {
        "get": "What the caller can sign in with instead of a password, or after it.",
        "post": "Get what a browser makes a passkey by; `confirm/` takes what it answers. The password is needed; who "
        "has none must have signed in less than ten minutes ago (403 `sign_in_too_old`). 409 `email_unverified` "
        "before the address is proved, 409 `too_many_passkeys` where there are 20.",
    }

    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """List the caller's passkeys."""
        return self.list(request, *args, **kwargs)

    def post(self, request: Request, **kwargs: Any) -> Response:
        """Begin to add a passkey."""
        self.require_proof()
        token, options = services.begin_passkey(self.actor)
        return Response({"token": token, "options": options})


class ConfirmPasskeyView(AuthView, GenericApiView):
    """Add the passkey that a browser made."""

    required_permissions = {"post": Access.AUTHENTICATED}
    serializer_class = ConfirmPasskeySerializer
    output_serializer_classes: ClassVar[Mapping[str, Any]] = {"post": {201: NewPasskeySerializer}}
    operation_name = "auth_mfa_passkeys_confirm"
    summaries = {"post": "Add a passkey"}
    descriptions = {
        "post": "Take what the browser answered. A passkey is a second factor too: the password alone does not sign "
        "the caller in any more. Who has no recovery codes gets some. Other sessions go on."
    }
    extra_errors = {"post": (410,)}

    def post(self, request: Request, **kwargs: Any) -> Response:
        """Add the passkey that a browser made."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        with counting_bad_tokens():
            passkey, codes = services.add_passkey(
                self.actor,
                data["token"],
                name=data["name"],
                credential=data["credential"],
                actor=self.actor,
            )
        answer = {**PasskeySerializer(passkey).data, "recovery_codes": codes}
        return Response(answer, status=status.HTTP_201_CREATED)


class PasskeyView(DestroyModelMixin, OwnPasskeysView):
    """A passkey of the caller."""

    required_permissions = {"delete": Access.AUTHENTICATED}
    input_serializer_classes = {"delete": PasskeyProofSerializer}
    output_serializer_classes = {"delete": None}
    operation_name = "auth_mfa_passkey"
    summaries = {"delete": "Remove a passkey"}
    descriptions = {
        "delete": "Let a passkey no longer sign the caller in. The password is needed; who has none must have signed "
        "in less than ten minutes ago (403 `sign_in_too_old`). Sessions go on. Recovery codes go with the last second "
        "factor."
    }
    extra_errors = {"delete": (400, 413, 415)}

    def delete(self, request: Request, **kwargs: Any) -> Response:
        """Remove a passkey of the caller."""
        return self.destroy(request)

    def get_object(self) -> Any:
        passkey = services.find_passkey(self.actor, self.kwargs["id"])
        if passkey is None:
            raise NotFound
        return passkey

    def hold(self, instance: Any) -> None:
        services.hold_user(self.actor)

    def perform_destroy(self, instance: Any) -> None:
        self.require_proof()
        services.remove_passkey(instance, actor=self.actor)


class PasskeyOptionsView(AuthView, GenericApiView):
    """Begin to sign in with a passkey."""

    authentication_classes = ()
    required_permissions = {"post": Access.PUBLIC}
    input_serializer_classes = {"post": None}
    serializer_class = PasskeyRequestSerializer
    operation_name = "auth_passkeys_options"
    summaries = {"post": "Begin to sign in with a passkey"}
    descriptions = {
        "post": "Get what a browser uses a passkey by, whoever is there; `auth/passkeys/login/` takes what it answers."
    }

    def post(self, request: Request, **kwargs: Any) -> Response:
        """Begin to sign in with a passkey."""
        limits.count("passkey_options", limits.network())
        token, options = services.begin_passkey_sign_in()
        return Response({"token": token, "options": options})


class PasskeyLoginView(AuthView, GenericApiView):
    """
    Sign in with a passkey.

    ``output_serializer_classes`` says what is answered, as of ``LoginView``.
    """

    authentication_classes = ()
    required_permissions = {"post": Access.PUBLIC}
    serializer_class = PasskeyLoginSerializer
    output_serializer_classes: ClassVar[Mapping[str, type[BaseSerializer[Any]]]] = {
        "post": LoginAnswerSerializer
    }
    operation_name = "auth_passkeys_login"
    summaries = {"post": "Sign in with a passkey"}
    descriptions = {
        "post": "Take what the browser answered for a pair of tokens. The device has made sure that it is its owner, "
        "so no second factor is asked for. The token is good for one attempt. What is wrong is not said: 401 "
        "`invalid_credentials` for an unknown passkey, an answer to another challenge or from another site, a token "
        "that is no good, a deactivated person and an address that is still to be proved."
    }
    extra_errors = {"post": (401,)}

    @classmethod
    def as_view(cls, **initkwargs: Any) -> Any:
        # the token of a failed attempt stays used, although the answer is an error
        return transaction.non_atomic_requests(super().as_view(**initkwargs))

    def post(self, request: Request, **kwargs: Any) -> Response:
        """Sign in with a passkey."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        try:
            with counting_bad_tokens():
                user = services.check_passkey(data["token"], data["credential"])
        except (UnknownToken, TokenGone) as error:
            raise InvalidCredentials from error
        tokens = open_session(user, request)
        limits.take_back("passkey_options", limits.network())
        return tokens_response(self, status.HTTP_200_OK, user, tokens, mfa_required=False)


class SecondFactorOptionsView(AuthView, GenericApiView):
    """Begin to finish a sign-in with a passkey."""

    authentication_classes = ()
    required_permissions = {"post": Access.PUBLIC}
    serializer_class = SecondFactorOptionsSerializer
    output_serializer_classes = {"post": SecondFactorRequestSerializer}
    operation_name = "auth_mfa_options"
    summaries = {"post": "Begin to finish a sign-in with a passkey"}
    descriptions = {
        "post": "Take the `mfa_token` of the sign-in for what a browser uses one of the person's passkeys by; "
        "`auth/mfa/verify/` takes what it answers. A token that is no good is 401 `invalid_token`; 409 "
        "`mfa_not_enabled` where the person has no passkey."
    }
    extra_errors = {"post": (401,)}

    def post(self, request: Request, **kwargs: Any) -> Response:
        """Begin to finish a sign-in with a passkey."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            with counting_bad_tokens():
                options = services.begin_passkey_as_second_factor(serializer.validated_data["mfa_token"])
        except (UnknownToken, TokenGone) as error:
            raise InvalidToken from error
        return Response({"options": options})
