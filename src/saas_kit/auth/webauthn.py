"""
The ceremonies of WebAuthn, by allauth and fido2: what a browser is asked for, and what it answers.

allauth keeps the challenge of a ceremony in the Django session of the request. The API has none, so that each call
here gets a session of its own, and the caller keeps the challenge. It can be imported only where ``allauth.mfa`` is
installed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from allauth.core.context import request_context
from allauth.mfa import app_settings
from allauth.mfa.models import Authenticator
from allauth.mfa.webauthn.internal import auth
from cryptography.exceptions import InvalidSignature
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ValidationError
from django.http import HttpRequest
from fido2.cose import CoseKey
from fido2.utils import websafe_decode, websafe_encode
from fido2.webauthn import AuthenticationResponse, CollectedClientData, RegistrationResponse

from saas_kit.core.exceptions import InvalidInput

_BASE64URL = re.compile(r"[A-Za-z0-9_-]+")
_MAX_CREDENTIAL_ID = 1023  # bytes; WebAuthn level 3, section 7.1


class Refused(Exception):
    """What the browser answered has the right form, and proves nothing."""


@dataclass(frozen=True, slots=True)
class Ceremony:
    """
    The beginning of a ceremony.

    Attributes:
        options: For the browser, as JSON of WebAuthn level 3.
        state: What has to be kept until the browser answers, as JSON.
    """

    options: dict[str, Any]
    state: dict[str, Any]


def begin_registration(user: AbstractBaseUser) -> Ceremony:
    """Ask for a new passkey of somebody; those that they have are excluded."""
    with _session() as session:
        options = auth.begin_registration(user, passwordless=app_settings.PASSKEY_LOGIN_ENABLED)
    return _ceremony(options, session)


def begin_authentication(user: AbstractBaseUser | None) -> Ceremony:
    """Ask for a passkey of somebody; without a person for any, and for the proof that it is its owner who uses it."""
    with _session() as session:
        options = auth.begin_authentication(user)
    return _ceremony(options, session)


def read_registration(credential: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what is of use in a ``RegistrationResponseJSON``.

    Raises:
        InvalidInput: It is not one, or its key is of a kind that was not asked for.
    """
    answer = _read(credential, ("clientDataJSON", "attestationObject"))
    extensions = credential.get("clientExtensionResults")
    properties = extensions.get("credProps") if isinstance(extensions, dict) else None
    if isinstance(properties, dict) and isinstance(properties.get("rk"), bool):
        answer["clientExtensionResults"] = {"credProps": {"rk": properties["rk"]}}
    parsed = _parse(RegistrationResponse.from_dict, answer)
    data = parsed.response.attestation_object.auth_data.credential_data
    if data is None or data.credential_id != parsed.raw_id or not _is_usable(data.public_key):
        raise _malformed()
    return answer


def read_authentication(credential: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return what is of use in an ``AuthenticationResponseJSON``.

    Raises:
        InvalidInput: It is not one.
    """
    answer = _read(credential, ("clientDataJSON", "authenticatorData", "signature"), ("userHandle",))
    _parse(AuthenticationResponse.from_dict, answer)
    return answer


def complete_registration(state: dict[str, Any], answer: dict[str, Any]) -> None:
    """
    Make sure that a new passkey was made for this ceremony, on our pages.

    Raises:
        Refused: It was not.
    """
    _require_our_page(answer)
    with _session(state), _refusing():
        auth.complete_registration(answer)


def find_owner(answer: dict[str, Any]) -> AbstractBaseUser:
    """
    Return the person whom an answer names; it proves nothing yet.

    Raises:
        Refused: It names nobody.
    """
    with _session(), _refusing():
        owner: AbstractBaseUser = auth.extract_user_from_response(answer)
    return owner


def complete_authentication(
    user: AbstractBaseUser, state: dict[str, Any], answer: dict[str, Any]
) -> tuple[Authenticator, int]:
    """
    Return the passkey of somebody that signed for this ceremony, on our pages, and how often it says it has signed.

    Raises:
        Refused: None did.
    """
    _require_our_page(answer)
    with _session(state), _refusing():
        passkey = auth.complete_authentication(user, answer)
    return passkey, AuthenticationResponse.from_dict(answer).response.authenticator_data.counter


def save(user: AbstractBaseUser, name: str, answer: dict[str, Any]) -> Authenticator:
    """Keep a new passkey of somebody."""
    return auth.WebAuthn.add(user, name, answer).instance


def credential_id(passkey: Authenticator) -> str:
    """Return what browsers know a passkey by."""
    return str(passkey.data["credential"]["id"])


def first_count(passkey: Authenticator) -> int:
    """Return how often a passkey said that it had signed when it was made."""
    count: int = passkey.wrap().authenticator_data.counter
    return count


@contextmanager
def _session(state: dict[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    request: Any = HttpRequest()
    request.session = {} if state is None else {auth.STATE_SESSION_KEY: state}
    with request_context(request):
        yield request.session


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        raise Refused from error


def _ceremony(options: Mapping[str, Any], session: dict[str, Any]) -> Ceremony:
    return Ceremony(dict(options["publicKey"]), dict(session[auth.STATE_SESSION_KEY]))


def _read(
    credential: Mapping[str, Any], required: tuple[str, ...], optional: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Keep the texts that fido2 is to decode: of a number it would make as many bytes."""
    response = credential.get("response")
    if not isinstance(response, dict) or credential.get("type") != "public-key":
        raise _malformed()
    kept = {name: response[name] for name in optional if response.get(name) is not None}
    kept |= {name: response.get(name) for name in required}
    raw_id = credential.get("rawId")
    texts = [raw_id, *kept.values()]
    if credential.get("id") != raw_id or not all(_is_base64url(text) for text in texts):
        raise _malformed()
    _require_client_data(kept["clientDataJSON"])
    decoded = _parse(websafe_decode, raw_id)
    if websafe_encode(decoded) != raw_id or len(decoded) > _MAX_CREDENTIAL_ID:
        raise _malformed()
    if b"\x00" in _parse(websafe_decode, kept.get("userHandle", "")):
        raise _malformed()  # PostgreSQL takes it for no part of anybody's key
    return {"id": raw_id, "rawId": raw_id, "type": "public-key", "response": kept}


def _require_client_data(encoded: str) -> None:
    client_data = _parse(lambda text: json.loads(websafe_decode(text)), encoded)
    if not isinstance(client_data, dict) or not _is_base64url(client_data.get("challenge")):
        raise _malformed()
    texts = (client_data.get("type"), client_data.get("origin"))
    if not all(isinstance(text, str) for text in texts):
        raise _malformed()


def _is_base64url(value: Any) -> bool:
    return isinstance(value, str) and _BASE64URL.fullmatch(value) is not None


def _parse(function: Callable[[Any], Any], value: Any) -> Any:
    try:
        return function(value)
    except (
        Exception
    ) as error:  # fido2 lets through whatever its decoders meet: KeyError, IndexError, RecursionError
        raise _malformed() from error


def _is_usable(key: CoseKey) -> bool:
    """Tell whether signatures can be verified with a key; one that cannot would be found out at the first sign-in."""
    if key[3] not in CoseKey.supported_algorithms():
        return False
    try:
        key.verify(b"", b"")
    except InvalidSignature:
        return True
    except Exception:  # noqa: BLE001 - a part of the key is missing, of another type, or not on the curve
        return False
    return False


def _require_our_page(answer: dict[str, Any]) -> None:
    """Refuse what fido2 lets through: frames in pages of others, and ``http://localhost`` where nobody develops."""
    client_data = CollectedClientData(websafe_decode(answer["response"]["clientDataJSON"]))
    is_safe = settings.DEBUG or client_data.origin.startswith("https://")
    if client_data.cross_origin or not is_safe:
        raise Refused


def _malformed() -> InvalidInput:
    return InvalidInput(field="credential")
