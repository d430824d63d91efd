"""
What allauth.mfa asks of a host, and the arithmetic of authenticator apps.

It can be imported only where ``allauth.mfa`` is installed.
"""

from __future__ import annotations

import hmac
import time
from urllib.parse import urlsplit

from allauth.account.utils import user_pk_to_url_str
from allauth.mfa import app_settings
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured

from saas_kit.auth.conf import AuthSettings
from saas_kit.auth.identity import email_field
from saas_kit.core.encryption import decrypt, encrypt
from saas_kit.email.conf import EmailSettings

_PURPOSE = "saas_kit.auth.mfa"


class MFAAdapter(DefaultMFAAdapter):  # type: ignore[misc]
    """
    What ``MFA_ADAPTER`` names: secrets are encrypted, and nothing is taken from the Host header.

    The keys are derived from ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS``: the first encrypts, each of them decrypts.
    """

    def get_totp_label(self, user: AbstractBaseUser) -> str:
        return str(getattr(user, email_field()))

    def get_totp_issuer(self) -> str:
        return app_settings.TOTP_ISSUER or EmailSettings.PRODUCT_NAME

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        host = AuthSettings.PASSKEY_RP_ID or urlsplit(EmailSettings.FRONTEND_URL).hostname
        if not host:
            raise ImproperlyConfigured(
                "Passkeys belong to a domain: set SAAS_KIT_EMAIL_FRONTEND_URL, or SAAS_KIT_AUTH_PASSKEY_RP_ID."
            )
        return {"id": host, "name": EmailSettings.PRODUCT_NAME}

    def get_public_key_credential_user_entity(self, user: AbstractBaseUser) -> dict[str, str | bytes]:
        email = str(getattr(user, email_field()))
        return {"id": user_pk_to_url_str(user).encode(), "name": email, "display_name": email}

    def encrypt(self, text: str) -> str:
        return encrypt(text, purpose=_PURPOSE)

    def decrypt(self, encrypted_text: str) -> str:
        return decrypt(encrypted_text, purpose=_PURPOSE)


def matching_counter(secret: str, code: str, *, after: int) -> int | None:
    """
    Return the time step that a code of an authenticator app is for; None where it is for none that is accepted.

    Spaces and dashes in it do not matter, as apps show some. Codes of the neighbour steps are accepted too, as clocks
    differ and people type slowly; the host's ``MFA_TOTP_TOLERANCE`` says how many.

    Args:
        after: The last step that was used. It and those before are not accepted again (RFC 6238, section 5.2).
    """
    typed = without_separators(code).encode()
    present = int(time.time()) // app_settings.TOTP_PERIOD
    tolerance = getattr(settings, "MFA_TOTP_TOLERANCE", 1)  # without the setting allauth's own has none
    for counter in range(max(after + 1, present - tolerance), present + tolerance + 1):
        expected = format_hotp_value(hotp_value(secret, counter))
        if hmac.compare_digest(expected.encode(), typed):
            return counter
    return None


def without_separators(code: str) -> str:
    """Return a code without the spaces and dashes that people read it more easily by."""
    return code.replace(" ", "").replace("-", "")
