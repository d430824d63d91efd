"""The public keys that others verify tokens with."""

from __future__ import annotations

from rest_framework.request import Request
from rest_framework.response import Response

from saas_kit.api.views import ApiView
from saas_kit.auth.api.serializers.keys import JwkSetSerializer
from saas_kit.auth.api.views.bases import AuthView
from saas_kit.auth.keys import key_ring
from saas_kit.core.permissions import Access

MAX_AGE = 300
"""Seconds for which others may keep the keys; a new key is published for so long before it signs."""


class JwksView(AuthView, ApiView):
    """The public keys."""

    authentication_classes = ()
    required_permissions = {"get": Access.PUBLIC}
    output_serializer_classes = {"get": JwkSetSerializer}
    operation_name = "auth_jwks"
    summaries = {"get": "Get the public keys"}
    descriptions = {
        "get": "A JWK Set (RFC 7517) of the public keys that tokens can be verified with, the present one and those "
        "before it. It is empty where tokens are signed with a secret."
    }

    def get(self, request: Request, **kwargs: object) -> Response:
        """Answer the public keys."""
        keys = [key.jwk for key in key_ring().known.values() if key.jwk is not None]
        return Response({"keys": keys}, headers={"Cache-Control": f"public, max-age={MAX_AGE}"})
