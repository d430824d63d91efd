"""An authenticator in software, with the browser before it: it makes passkeys and signs with them."""

from __future__ import annotations

import hashlib
import json
import os
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from fido2 import cbor

from saas_kit.auth import services
from saas_kit.auth.identity import has_verified_email

ORIGIN = "https://app.example.com"
USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40
ES256 = -7


def encode(data: bytes) -> str:
    """Return bytes as base64url, as WebAuthn writes them into JSON."""
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Return the bytes that base64url stands for."""
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Passkey:
    """One key pair of the authenticator."""

    rp_id: str
    user_handle: bytes
    id: bytes = field(default_factory=lambda: os.urandom(16))
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    count: int = 0

    @property
    def cose(self) -> dict[int, Any]:
        """The public key as COSE (RFC 9053, section 7.1)."""
        numbers = self.key.public_key().public_numbers()
        return {1: 2, 3: ES256, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}


@dataclass
class Authenticator:
    """
    Answers the options of a ceremony as ``toJSON()`` of a browser does.

    What is not as it should be is set on it: another origin, an owner who was not verified, a count that stands still.

    Attributes:
        count: What new passkeys begin to count at.
        step: By how much the count goes up at each signature.
        client_data: Members that replace those of ``clientDataJSON``.
        rp_id: Replaces that of the options in what is signed.
        cose: Replaces the public key.
    """

    origin: str = ORIGIN
    flags: int = USER_PRESENT | USER_VERIFIED
    count: int = 0
    step: int = 1
    client_data: dict[str, Any] = field(default_factory=dict)
    rp_id: str | None = None
    cose: dict[int, Any] | None = None
    passkeys: list[Passkey] = field(default_factory=list)

    def create(self, options: dict[str, Any], passkey: Passkey | None = None) -> dict[str, Any]:
        """Make a passkey, or show one anew, as ``navigator.credentials.create()`` does; its attestation is "none"."""
        if passkey is None:
            passkey = Passkey(options["rp"]["id"], decode(options["user"]["id"]), count=self.count)
            self.passkeys.append(passkey)
        attested = bytes(16) + struct.pack(">H", len(passkey.id)) + passkey.id
        data = self._data(passkey, ATTESTED) + attested + cbor.encode(self.cose or passkey.cose)
        attestation = cbor.encode({"fmt": "none", "attStmt": {}, "authData": data})
        response = {
            "clientDataJSON": encode(self._client_data("webauthn.create", options)),
            "attestationObject": encode(attestation),
            "transports": ["internal"],
            "publicKeyAlgorithm": ES256,
        }
        return self._answer(passkey, response, {"credProps": {"rk": True}})

    def get(self, options: dict[str, Any], passkey: Passkey | None = None) -> dict[str, Any]:
        """Sign with a passkey, the last one unless named, as ``navigator.credentials.get()`` does."""
        passkey = passkey or self.passkeys[-1]
        passkey.count += self.step
        data, client_data = self._data(passkey), self._client_data("webauthn.get", options)
        message = data + hashlib.sha256(client_data).digest()
        response = {
            "clientDataJSON": encode(client_data),
            "authenticatorData": encode(data),
            "signature": encode(passkey.key.sign(message, ec.ECDSA(hashes.SHA256()))),
            "userHandle": encode(passkey.user_handle),
        }
        return self._answer(passkey, response, {})

    def _data(self, passkey: Passkey, more: int = 0) -> bytes:
        rp_id = self.rp_id or passkey.rp_id
        flags = self.flags | more
        return hashlib.sha256(rp_id.encode()).digest() + struct.pack(">BI", flags, passkey.count)

    def _client_data(self, kind: str, options: dict[str, Any]) -> bytes:
        data = {"type": kind, "challenge": options["challenge"], "origin": self.origin, "crossOrigin": False}
        return json.dumps(data | self.client_data).encode()

    @staticmethod
    def _answer(passkey: Passkey, response: dict[str, Any], extensions: dict[str, Any]) -> dict[str, Any]:
        return {
            "id": encode(passkey.id),
            "rawId": encode(passkey.id),
            "type": "public-key",
            "authenticatorAttachment": "platform",
            "response": response,
            "clientExtensionResults": extensions,
        }


def enroll(user: Any, authenticator: Authenticator | None = None, name: str = "Phone") -> Authenticator:
    """Give somebody a passkey, and return the authenticator that has it; their address counts as proved."""
    if not has_verified_email(user):
        services.mark_verified(user)
    authenticator = authenticator or Authenticator()
    token, options = services.begin_passkey(user)
    services.add_passkey(user, token, name=name, credential=authenticator.create(options), actor=user)
    return authenticator
