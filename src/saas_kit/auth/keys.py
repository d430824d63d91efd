"""
The keys of tokens: one that signs, and those before it, which still verify.

A key is good for one algorithm, which follows from what the key is and never from a token. So a token cannot choose
how it is verified, and a host can go from one algorithm to another while the tokens of the old one live.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.crypto import salted_hmac
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from saas_kit.auth.conf import AuthSettings

SECRET_ALGORITHM = "HS256"  # noqa: S105 - an algorithm, not a secret
MIN_SECRET_BYTES = 32  # RFC 7518, section 3.2: a key of HS256 is at least as long as the hash
MIN_RSA_BITS = 2048  # RFC 7518, section 3.3

_PEM = "-----BEGIN "
_PRIVATE_PEM = "PRIVATE KEY-----"
# the members of a public key of each type, in the order of RFC 7638, section 3.2
_MEMBERS = {"RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}


@dataclass(frozen=True, slots=True)
class Key:
    """
    A key and the one algorithm that it is good for; its ``repr()`` tells no secret.

    Attributes:
        id: Names it in the ``kid`` of tokens; nobody can get from there to a secret.
        verifying: What PyJWT verifies with.
        signing: What PyJWT signs with; None of a public key.
        jwk: The public key for others (RFC 7517); None of a secret.
    """

    id: str
    algorithm: str
    verifying: Any = field(repr=False)
    signing: Any = field(repr=False)
    jwk: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class KeyRing:
    """The key that signs, and all that verify, by their ids."""

    signing: Key
    known: Mapping[str, Key]


def key_ring() -> KeyRing:
    """
    Return the keys that the settings name; they are parsed once.

    Raises:
        ImproperlyConfigured: One of them is not a key, or not one for its place.
    """
    return _key_ring(
        AuthSettings.ALGORITHM,
        AuthSettings.SIGNING_KEY,
        tuple(AuthSettings.SIGNING_KEY_FALLBACKS),
        (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS),
    )


def is_pem(text: str) -> bool:
    """Tell whether a setting is meant to be an asymmetric key, and not a secret."""
    return text.lstrip().startswith(_PEM)


def is_short(text: str) -> bool:
    """Tell whether a setting is a secret that can be guessed."""
    return bool(text) and not is_pem(text) and len(text.encode()) < MIN_SECRET_BYTES


@lru_cache(maxsize=8)
def _key_ring(
    algorithm: str, signing_key: str, fallbacks: tuple[str, ...], secret_keys: tuple[str | bytes, ...]
) -> KeyRing:
    current, *previous = _read("SAAS_KIT_AUTH_SIGNING_KEY", signing_key, secret_keys)
    if current.signing is None:
        raise ImproperlyConfigured("SAAS_KIT_AUTH_SIGNING_KEY is a public key, which cannot sign.")
    if current.algorithm != algorithm:
        raise ImproperlyConfigured(
            f"SAAS_KIT_AUTH_SIGNING_KEY is a key for {current.algorithm}, and SAAS_KIT_AUTH_ALGORITHM is {algorithm}."
        )
    for number, text in enumerate(fallbacks):
        previous += _read(f"SAAS_KIT_AUTH_SIGNING_KEY_FALLBACKS[{number}]", text, secret_keys)
    return KeyRing(current, {key.id: key for key in (current, *previous)})


def _read(name: str, text: str, secret_keys: tuple[str | bytes, ...]) -> list[Key]:
    """Return the key that a setting is; where it is empty, those that are derived from the secret keys of the host."""
    if not text:
        return [_secret(_derived(secret)) for secret in secret_keys]
    if is_pem(text):
        return [_asymmetric(name, text)]
    if is_short(text):
        raise ImproperlyConfigured(f"{name} is shorter than {MIN_SECRET_BYTES} bytes.")
    return [_secret(text)]


def _derived(secret: str | bytes) -> str:
    return salted_hmac("saas_kit.auth.tokens", "signing key", secret=secret, algorithm="sha256").hexdigest()


def _secret(text: str) -> Key:
    secret = text.encode()
    # what the secret signs tells no more of it than any token does
    key_id = hmac.new(secret, b"saas_kit.auth.keys: the id of this key", hashlib.sha256).hexdigest()[:16]
    return Key(key_id, SECRET_ALGORITHM, verifying=secret, signing=secret)


def _asymmetric(name: str, pem: str) -> Key:
    private, public = _load(name, pem)
    if isinstance(public, RSAPublicKey):
        if public.key_size < MIN_RSA_BITS:
            raise ImproperlyConfigured(f"{name} is an RSA key of fewer than {MIN_RSA_BITS} bits.")
        algorithm, jwk = "RS256", RSAAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1):
        algorithm, jwk = "ES256", ECAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(public, Ed25519PublicKey):
        algorithm, jwk = "EdDSA", OKPAlgorithm.to_jwk(public, as_dict=True)
    else:
        raise ImproperlyConfigured(f"{name} is a key of another kind than RSA, P-256 and Ed25519.")
    members = {member: jwk[member] for member in _MEMBERS[jwk["kty"]]}
    key_id = _thumbprint(members)
    document = {**members, "kid": key_id, "alg": algorithm, "use": "sig"}
    return Key(key_id, algorithm, verifying=public, signing=private, jwk=document)


def _load(name: str, pem: str) -> tuple[Any, Any]:
    """Return a private key, None where there is only a public one, and the public key."""
    data = pem.strip().encode()
    try:
        if _PRIVATE_PEM not in pem:
            return None, load_pem_public_key(data)
        private = load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # what the library says could quote the key
        raise ImproperlyConfigured(
            f"{name} is no PEM key that can be read; one with a password cannot."
        ) from None
    return private, private.public_key()


def _thumbprint(members: Mapping[str, str]) -> str:
    """Return the thumbprint of a public key (RFC 7638)."""
    digest = hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
