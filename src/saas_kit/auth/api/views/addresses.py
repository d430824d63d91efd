"""Proving and changing one's address."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.views.decorators.debug import sensitive_variables
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from saas_kit.api.after import after_response
from saas_kit.api.views import GenericApiView
from saas_kit.auth import services
from saas_kit.auth.api.serializers import ChangeEmailSerializer, EmailSerializer, TokenSerializer
from saas_kit.auth.api.views.bases import AuthView, counting_bad_tokens
from saas_kit.core.permissions import Access


class VerifyEmailView(AuthView, GenericApiView):
    """
    Prove that an address is one's own.

    A subclass that does more for whoever has proved theirs overrides ``perform_verify()``.
    """

    required_permissions = {"post": Access.PUBLIC}
    serializer_class = TokenSerializer
    output_serializer_classes = {"post": None}
    operation_name = "auth_email_verify"
    summaries = {"post": "Prove one's address"}
    descriptions = {
        "post": "Take the token of the link that was sent there. Nobody is signed in by it. Sessions that were opened "
        "before end, but for the one whose access token comes with this request."
    }
    extra_errors = {"post": (401, 403, 410)}

    def post(self, request: Request, **kwargs: Any) -> Response:
        """Prove that an address is one's own."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        with counting_bad_tokens():
            self.perform_verify(serializer.validated_data["token"])
        return Response(status=status.HTTP_204_NO_CONTENT)

    @sensitive_variables("token")
    def perform_verify(self, token: str) -> None:
        """Take the proof."""
        services.verify_email(token, keep=self.own_session)


class ResendVerificationView(AuthView, GenericApiView):
    """Ask for the link that proves an address once more."""

    authentication_classes = ()
    required_permissions = {"post": Access.PUBLIC}
    serializer_class = EmailSerializer
    output_serializer_classes = {"post": None}
    operation_name = "auth_email_resend"
    summaries = {"post": "Ask for another verification link"}
    descriptions = {
        "post": "Send a new link to an address that is still to be proved; the links before it are over. The answer is "
        "the same, and as fast, for every address; at most three links an hour are sent to one."
    }

    def post(self, request: Request, **kwargs: Any) -> Response:
        """Ask for the link that proves an address once more."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        email = serializer.validated_data["email"]
        response = Response(status=status.HTTP_204_NO_CONTENT)
        if services.may_mail("verify_email", email):
            after_response(response, partial(services.resend_verification, email))
        return response


class ChangeEmailView(AuthView, GenericApiView):
    """Ask to have another address."""

    required_permissions = {"post": Access.AUTHENTICATED}
    serializer_class = ChangeEmailSerializer
    output_serializer_classes = {"post": None}
    operation_name = "auth_email_change"
    summaries = {"post": "Change one's address"}
    descriptions = {
        "post": "Send a link to the new address, which takes the place of the present one once it is confirmed there. "
        "Whether somebody else has it is not said."
    }

    @sensitive_variables("data")
    def post(self, request: Request, **kwargs: Any) -> Response:
        """Ask to have another address."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        services.require_password(self.actor, data["current_password"])
        services.request_email_change(self.actor, data["email"], actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


class ConfirmEmailChangeView(AuthView, GenericApiView):
    """Confirm a new address."""

    required_permissions = {"post": Access.PUBLIC}
    serializer_class = TokenSerializer
    output_serializer_classes = {"post": None}
    operation_name = "auth_email_change_confirm"
    summaries = {"post": "Confirm one's new address"}
    descriptions = {
        "post": "Take the token of the link that was sent to the new address. The old address is told. All sessions "
        "end, but for the one whose access token comes with this request."
    }
    extra_errors = {"post": (401, 403, 410)}

    def post(self, request: Request, **kwargs: Any) -> Response:
        """Confirm a new address."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        with counting_bad_tokens():
            services.confirm_email_change(serializer.validated_data["token"], keep=self.own_session)
        return Response(status=status.HTTP_204_NO_CONTENT)
