"""Secrets that have to be read again later, as they are stored: encrypted."""

from __future__ import annotations

import base64

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import salted_hmac


def encrypt(text: str, *, purpose: str) -> str:
    """
    Return a text so that only this service can read it.

    The keys are derived from ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS``: the first encrypts, each of them decrypts.

    Args:
        purpose: What it is encrypted for; what was encrypted for something else cannot be read.
    """
    return _fernet(purpose).encrypt(text.encode()).decode()


def decrypt(text: str, *, purpose: str) -> str:
    """
    Return what ``encrypt()`` was given.

    Raises:
        ImproperlyConfigured: It was encrypted with none of the present keys, or for something else.
    """
    try:
        return _fernet(purpose).decrypt(text).decode()
    except InvalidToken as error:
        raise ImproperlyConfigured(
            f"What was encrypted for {purpose} is of none of the keys in SECRET_KEY and SECRET_KEY_FALLBACKS."
        ) from error


def _fernet(purpose: str) -> MultiFernet:
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    return MultiFernet([Fernet(_derived(key, purpose)) for key in keys])


def _derived(key: str | bytes, purpose: str) -> bytes:
    digest = salted_hmac(purpose, "secrets", secret=key, algorithm="sha256").digest()
    return base64.urlsafe_b64encode(digest)
