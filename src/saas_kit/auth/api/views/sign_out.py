"""Signing out."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext_lazy as _
from rest_framework import status
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import ErrorDetail, ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework_simplejwt.exceptions import TokenError

from saas_kit.api.views import ApiView
from saas_kit.auth import services
from saas_kit.auth.api import cookies, stock
from saas_kit.auth.api.authentication import RefreshCookieAuthentication, SessionTokenAuthentication
from saas_kit.auth.api.serializers import LogoutSerializer
from saas_kit.auth.api.views.bases import AuthView
from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.tokens import RefreshToken
from saas_kit.core.permissions import Access


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
        "the body has to be of the same session. Signing out twice is not an error.\n\nWhere the host has cookies on, "
        "a browser's refresh cookie is as good as its access token here, and both cookies are deleted."
    }

    def get_authenticators(self) -> list[BaseAuthentication]:
        authenticators: list[BaseAuthentication] = [SessionTokenAuthentication(take_ended=True)]
        if AuthSettings.COOKIES:
            authenticators.append(RefreshCookieAuthentication(take_ended=True))
        return authenticators

    def logout(self, request: Request) -> Response:
        serializer = LogoutSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        if "refresh" in serializer.validated_data:
            self._require_own(serializer.validated_data["refresh"])
        session: Any = request.auth
        services.revoke_session(session, actor=self.actor)
        return _signed_out(request)

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
        return _signed_out(request)


def _signed_out(request: Request) -> Response:
    response = Response(status=status.HTTP_204_NO_CONTENT)
    cookies.delete_tokens(response, request)
    return response
