"""The shapes of signing in at a provider."""

from __future__ import annotations

from typing import Any

from django.core.validators import RegexValidator
from django.utils.translation import gettext_lazy as _
from drf_spectacular.utils import extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import ErrorDetail, ValidationError

from saas_kit.api.serializers import Serializer
from saas_kit.auth.api.serializers.people import example

SOCIAL_CREDENTIALS = ("code", "id_token", "access_token")
_MAX_LENGTH = 8192  # of what a provider gives; longer ones do not fit into the headers that carry them
_CODE_VERIFIER = RegexValidator(r"\A[A-Za-z0-9._~-]{43,128}\Z")  # RFC 7636, section 4.1

_CODE_EXAMPLE = {
    "code": "SplxlOBeZQQYbYS6WxSbIA",
    "code_verifier": "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    "redirect_uri": "https://app.example.com/social/google",
}


@extend_schema_serializer(examples=[example(_CODE_EXAMPLE, request_only=True)])
class SocialSignInSerializer(Serializer):
    """What a provider gave to the front end: exactly one of a code and two kinds of token."""

    code = serializers.CharField(
        max_length=_MAX_LENGTH, required=False, write_only=True, help_text=_("An authorization code.")
    )
    code_verifier = serializers.CharField(
        required=False, write_only=True, validators=[_CODE_VERIFIER], help_text=_("The secret of PKCE.")
    )
    redirect_uri = serializers.CharField(
        max_length=2048,
        required=False,
        write_only=True,
        help_text=_("Where the provider sent the person back to; one that the settings name."),
    )
    id_token = serializers.CharField(max_length=_MAX_LENGTH, required=False, write_only=True)
    access_token = serializers.CharField(max_length=_MAX_LENGTH, required=False, write_only=True)
    nonce = serializers.CharField(
        max_length=255,
        required=False,
        write_only=True,
        help_text=_("The nonce that the front end sent to the provider; the id_token has to have it."),
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = [name for name in SOCIAL_CREDENTIALS if name in attrs]
        if not given:
            raise ValidationError({"code": [ErrorDetail(str(_("This field is required.")), code="required")]})
        if len(given) > 1:
            error = ErrorDetail(str(_("Send only one of these.")), code="ambiguous")
            raise ValidationError({name: [error] for name in given})
        return attrs


_PROVIDER_EXAMPLE = {
    "id": "google",
    "name": "Google",
    "kind": "google",
    "client_id": "123-abc.apps.googleusercontent.com",
    "authorize_url": "https://accounts.google.com/o/oauth2/v2/auth",
    "scopes": ["openid", "email", "profile"],
    "takes": ["code", "id_token"],
}


class SocialProviderSerializer(Serializer):
    """A provider that people can sign in with, and what a front end needs to send them there."""

    id = serializers.CharField(help_text=_("What the paths of this API call it."))
    name = serializers.CharField(help_text=_("What people call it."))
    kind = serializers.CharField(help_text=_("What allauth calls its kind."))
    client_id = serializers.CharField(help_text=_("What the service is called there."))
    authorize_url = serializers.CharField(
        allow_null=True,
        help_text=_("Where it asks people who they are; null while it cannot be asked for that address."),
    )
    scopes = serializers.ListField(child=serializers.CharField(), help_text=_("What to ask it for."))
    takes = serializers.ListField(
        child=serializers.ChoiceField(choices=SOCIAL_CREDENTIALS),
        help_text=_("What can be sent here afterwards."),
    )


@extend_schema_serializer(examples=[example({"results": [_PROVIDER_EXAMPLE]}, response_only=True)])
class SocialProvidersSerializer(Serializer):
    """The providers."""

    results = SocialProviderSerializer(many=True)


_ACCOUNT_EXAMPLE = {
    "id": 1,
    "provider": "google",
    "email": "ada@example.com",
    "created_at": "2026-01-31T09:30:00Z",
    "last_used_at": "2026-01-31T09:30:00Z",
}


@extend_schema_serializer(examples=[example(_ACCOUNT_EXAMPLE, response_only=True)])
class SocialAccountSerializer(Serializer):
    """Who the caller is at a provider."""

    id = serializers.IntegerField()
    provider = serializers.CharField(help_text=_("The provider's id."))
    email = serializers.SerializerMethodField(help_text=_("The address that it told last; may be empty."))
    created_at = serializers.DateTimeField(source="date_joined")
    last_used_at = serializers.DateTimeField(source="last_login")

    def get_email(self, account: Any) -> str:
        return str(account.extra_data.get("email", ""))


@extend_schema_serializer(examples=[example({"results": [_ACCOUNT_EXAMPLE]}, response_only=True)])
class SocialAccountsSerializer(Serializer):
    """Who the caller is at all providers."""

    results = SocialAccountSerializer(many=True)
