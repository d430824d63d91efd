"""Keys of each algorithm for tests, as PEM."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)


def private_pem(key: Any) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(pem: str) -> str:
    public = load_pem_private_key(pem.encode(), password=None).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


PRIVATE = {
    "RS256": private_pem(rsa.generate_private_key(65537, 2048)),
    "ES256": private_pem(ec.generate_private_key(ec.SECP256R1())),
    "EdDSA": private_pem(ed25519.Ed25519PrivateKey.generate()),
}
PUBLIC = {name: public_pem(pem) for name, pem in PRIVATE.items()}
