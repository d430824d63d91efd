"""System checks of passkeys."""

from __future__ import annotations

from allauth.mfa import app_settings
from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured

from saas_kit.auth.identity import offers_passkeys
from saas_kit.email.conf import EmailSettings


def check_relying_party(**kwargs: object) -> list[CheckMessage]:
    """E030: passkeys belong to a domain, and the pages that use them are below it."""
    if not offers_passkeys():
        return []
    from allauth.mfa.adapter import get_adapter  # noqa: PLC0415 - it cannot be imported without its app
    from fido2.rpid import verify_rp_id  # noqa: PLC0415 - it reads a long list, for passkeys only

    try:
        domain = get_adapter().get_public_key_credential_rp_entity()["id"]
    except ImproperlyConfigured as error:
        fault = str(error)
    else:
        page = EmailSettings.FRONTEND_URL or f"https://{domain}"
        if verify_rp_id(domain, page):
            return []
        fault = f"No browser uses passkeys of {domain!r} on {page}."
    return [
        Error(
            fault,
            hint='Set SAAS_KIT_AUTH_PASSKEY_RP_ID = "example.com": the domain of the front end, or one above it, '
            'without a scheme or port. Or take "webauthn" out of MFA_SUPPORTED_TYPES.',
            id="saas_kit_auth.E030",
        )
    ]


def check_origins(**kwargs: object) -> list[CheckMessage]:
    """E031: a passkey that any site can ask for is no protection from those that look like ours."""
    if settings.DEBUG or not offers_passkeys() or not app_settings.WEBAUTHN_ALLOW_INSECURE_ORIGIN:
        return []
    return [
        Error(
            "MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN lets every site use people's passkeys.",
            hint="Remove MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN; http://localhost works without it where DEBUG is on.",
            id="saas_kit_auth.E031",
        )
    ]


ALL = (check_relying_party, check_origins)
