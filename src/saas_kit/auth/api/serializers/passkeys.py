"""The shapes of passkeys."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers

from saas_kit.api.serializers import JSONObjectField, Serializer, UTCDateTimeField
from saas_kit.auth import services
from saas_kit.auth.api.serializers.me import DeleteMeSerializer
from saas_kit.auth.api.serializers.passwords import MAX_TOKEN_LENGTH
from saas_kit.auth.api.serializers.people import example

_TOKEN = "q2Zk8nT1vXyJ0aB3cD4eF5gH6iK7lM8nO9pQ0rS1tU2"  # noqa: S105 - an example
_ID = "pMUoO0mTJLZfZxAuEVyZkw"
_PASSKEY = {
    "id": _ID,
    "name": "My phone",
    "created_at": "2026-01-31T09:30:00Z",
    "last_used_at": "2026-02-14T08:05:00Z",
}
_CHALLENGE = "mJXEvSWWZ0WYKwSCTSNVm7bnL2zDpKHP6bQe3YVDzGQ"
_CREATION = {
    "rp": {"id": "app.example.com", "name": "Example"},
    "user": {"id": "MDE5MjAwMDA", "name": "ada@example.com", "displayName": "ada@example.com"},
    "challenge": _CHALLENGE,
    "pubKeyCredParams": [{"type": "public-key", "alg": -7}],
    "authenticatorSelection": {"residentKey": "required", "userVerification": "required"},
}
_REQUEST = {"challenge": _CHALLENGE, "rpId": "app.example.com", "userVerification": "required"}
_CLIENT_DATA = "eyJ0eXBlIjoid2ViYXV0aG4uY3JlYXRlIn0"
_REGISTRATION = {
    "id": _ID,
    "rawId": _ID,
    "type": "public-key",
    "response": {"clientDataJSON": _CLIENT_DATA, "attestationObject": "o2NmbXRkbm9uZQ"},
    "clientExtensionResults": {},
}
_AUTHENTICATION = {
    "id": _ID,
    "rawId": _ID,
    "type": "public-key",
    "response": {
        "clientDataJSON": _CLIENT_DATA,
        "authenticatorData": "SZYN5YgOjGh0NBcPZHZgW4_krrmihjLHmVzzuoMdl2MdAAAAAA",
        "signature": "MEUCIQDTGVxhrFu2QxZx",
        "userHandle": "MDE5MjAwMDA",
    },
    "clientExtensionResults": {},
}


_SECOND_FACTOR_REQUEST = {
    **_REQUEST,
    "allowCredentials": [{"type": "public-key", "id": _ID}],
    "userVerification": "preferred",
}


class CredentialField(JSONObjectField):
    """What a browser answers, as its ``toJSON()`` writes it."""


@extend_schema_serializer(examples=[example(_PASSKEY, response_only=True)])
class PasskeySerializer(Serializer):
    """A passkey of the caller."""

    id = serializers.CharField(
        source="data.credential.id", help_text="What browsers know it by, as base64url."
    )
    name = serializers.CharField(source="data.name")
    created_at = UTCDateTimeField()
    last_used_at = UTCDateTimeField(allow_null=True)


@extend_schema_serializer(
    examples=[example({"current_password": "analytical engine 1843"}, request_only=True)]
)
class PasskeyProofSerializer(DeleteMeSerializer):
    """What shows that whoever adds or removes a passkey is the person themselves."""


@extend_schema_serializer(examples=[example({"token": _TOKEN, "options": _CREATION}, response_only=True)])
class PasskeyCreationSerializer(Serializer):
    """What a browser makes a passkey by."""

    token = serializers.CharField(help_text="Goes with what the browser answers; good once and for minutes.")
    options = serializers.DictField(
        child=serializers.JSONField(),
        help_text="`PublicKeyCredentialCreationOptionsJSON`, for `PublicKeyCredential.parseCreationOptionsFromJSON()`.",
    )


@extend_schema_serializer(examples=[example({"token": _TOKEN, "options": _REQUEST}, response_only=True)])
class PasskeyRequestSerializer(Serializer):
    """What a browser uses a passkey by."""

    token = serializers.CharField(help_text="Goes with what the browser answers; good once and for minutes.")
    options = serializers.DictField(
        child=serializers.JSONField(),
        help_text="`PublicKeyCredentialRequestOptionsJSON`, for `PublicKeyCredential.parseRequestOptionsFromJSON()`.",
    )


@extend_schema_serializer(
    examples=[example({"token": _TOKEN, "name": "My phone", "credential": _REGISTRATION}, request_only=True)]
)
class ConfirmPasskeySerializer(Serializer):
    """The passkey that a browser made."""

    token = serializers.CharField(max_length=MAX_TOKEN_LENGTH)
    name = serializers.CharField(max_length=services.PASSKEY_NAME_MAX_LENGTH)
    credential = CredentialField(
        help_text="`RegistrationResponseJSON`, what the credential's `toJSON()` returns."
    )

    def validate_name(self, name: str) -> str:
        return " ".join(name.split())  # it is written into a message


@extend_schema_serializer(
    examples=[example({**_PASSKEY, "last_used_at": None, "recovery_codes": []}, response_only=True)]
)
class NewPasskeySerializer(PasskeySerializer):
    """A new passkey."""

    recovery_codes = serializers.ListField(
        child=serializers.CharField(),
        help_text="New ones, shown once, where the caller had none; empty where they have some.",
    )


@extend_schema_serializer(
    examples=[example({"token": _TOKEN, "credential": _AUTHENTICATION}, request_only=True)]
)
class PasskeyLoginSerializer(Serializer):
    """The passkey that a browser used."""

    token = serializers.CharField(max_length=MAX_TOKEN_LENGTH)
    credential = CredentialField(
        help_text="`AuthenticationResponseJSON`, what the credential's `toJSON()` returns."
    )


@extend_schema_serializer(examples=[example({"mfa_token": _TOKEN}, request_only=True)])
class SecondFactorOptionsSerializer(Serializer):
    """The token that stands for the first factor."""

    mfa_token = serializers.CharField(max_length=MAX_TOKEN_LENGTH)


@extend_schema_serializer(examples=[example({"options": _SECOND_FACTOR_REQUEST}, response_only=True)])
class SecondFactorRequestSerializer(Serializer):
    """What a browser uses one of the person's passkeys by."""

    options = serializers.DictField(
        child=serializers.JSONField(),
        help_text="`PublicKeyCredentialRequestOptionsJSON`, for `PublicKeyCredential.parseRequestOptionsFromJSON()`.",
    )
