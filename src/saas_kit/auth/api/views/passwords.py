"""Changing and resetting passwords."""

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
from saas_kit.auth.api.serializers import ChangePasswordSerializer, EmailSerializer, ResetPasswordSerializer
from saas_kit.auth.api.views.bases import AuthView, counting_bad_tokens
from saas_kit.core.permissions import Access


class ChangePasswordView(AuthView, GenericApiView):
    """Take another password."""

    required_permissions = {"post": Access.AUTHENTICATED}
    serializer_class = ChangePasswordSerializer
    output_serializer_classes = {"post": None}
    operation_name = "auth_password_change"
    summaries = {"post": "Change one's password"}
    descriptions = {
        "post": "Needs the present password. All other sessions end, and a message tells of the change."
    }

    @sensitive_variables("passwords")
    def post(self, request: Request, **kwargs: Any) -> Response:
        """Take another password."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        passwords = serializer.validated_data
        services.require_password(self.actor, passwords["current_password"])
        services.change_password(
            self.actor, passwords["new_password"], actor=self.actor, keep=self.own_session
        )
        return Response(status=status.HTTP_204_NO_CONTENT)


class RequestPasswordResetView(AuthView, GenericApiView):
    """Ask for a link to set another password."""

    authentication_classes = ()
    required_permissions = {"post": Access.PUBLIC}
    serializer_class = EmailSerializer
    output_serializer_classes = {"post": None}
    operation_name = "auth_password_reset"
    summaries = {"post": "Ask for a password reset"}
    descriptions = {
        "post": "Send a link to whoever has the address. The answer is the same, and as fast, whether or not somebody "
        "has; at most three links an hour are sent to one address."
    }

    def post(self, request: Request, **kwargs: Any) -> Response:
        """Ask for a link to set another password."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        email = serializer.validated_data["email"]
        response = Response(status=status.HTTP_204_NO_CONTENT)
        if services.may_mail("reset_password", email):
            after_response(response, partial(services.request_password_reset, email))
        return response


class ResetPasswordView(AuthView, GenericApiView):
    """Set another password with a link that was sent."""

    authentication_classes = ()
    required_permissions = {"post": Access.PUBLIC}
    serializer_class = ResetPasswordSerializer
    output_serializer_classes = {"post": None}
    operation_name = "auth_password_reset_confirm"
    summaries = {"post": "Reset a password"}
    descriptions = {
        "post": "Set another password with the token of a link. It is good once and for an hour, until a newer one is "
        "asked for, the person signs in, or their password or address changes. All sessions end; nobody is "
        "signed in by it, and a second factor stays."
    }

    @sensitive_variables("data")
    def post(self, request: Request, **kwargs: Any) -> Response:
        """Set another password with a link that was sent."""
        serializer = self.get_serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        data = serializer.validated_data
        with counting_bad_tokens():
            services.reset_password(data["token"], data["new_password"])
        return Response(status=status.HTTP_204_NO_CONTENT)
