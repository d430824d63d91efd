"""The shape of the public keys."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from saas_kit.api.serializers import Serializer
from saas_kit.auth.api.serializers.people import example

_KEY_EXAMPLE = {
    "kty": "OKP",
    "crv": "Ed25519",
    "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
    "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
    "alg": "EdDSA",
    "use": "sig",
}


class JwkSerializer(Serializer):
    """A public key as in RFC 7517; which members it has depends on its type."""

    kty = serializers.CharField(help_text="The type: `RSA`, `EC` or `OKP`.")
    kid = serializers.CharField(help_text="What the header of a token names it by.")
    alg = serializers.CharField(help_text="The one algorithm that it is good for.")
    use = serializers.CharField(help_text="`sig`: it verifies signatures.")
    n = serializers.CharField(required=False, help_text="Of `RSA`: the modulus.")
    e = serializers.CharField(required=False, help_text="Of `RSA`: the exponent.")
    crv = serializers.CharField(required=False, help_text="Of `EC` and `OKP`: the curve.")
    x = serializers.CharField(required=False, help_text="Of `EC` and `OKP`: the first coordinate.")
    y = serializers.CharField(required=False, help_text="Of `EC`: the second coordinate.")


@extend_schema_serializer(examples=[example({"keys": [_KEY_EXAMPLE]}, response_only=True)])
class JwkSetSerializer(Serializer):
    """The public keys that tokens can be verified with; none where they are signed with a secret."""

    keys: Any = JwkSerializer(many=True)
