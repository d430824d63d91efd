"""Somebody's life with their account, as HTTP against a running server, with the mail that it sent."""

from __future__ import annotations

import hashlib
import hmac
import struct
import time
from base64 import b32decode
from typing import Any
from uuid import uuid4

PASSWORD, NEXT_PASSWORD = "analytical engine 1843", "difference engine 1822"
STEP = 30  # seconds that a code is good for (RFC 6238, section 5.2)


def code_of(secret: str, steps_ahead: int = 0) -> str:
    """Return what an authenticator app shows (RFC 6238)."""
    counter = struct.pack(">Q", int(time.time()) // STEP + steps_ahead)
    digest = hmac.digest(b32decode(secret), counter, hashlib.sha1)
    (number,) = struct.unpack_from(">I", digest, digest[-1] & 15)
    return f"{(number & 0x7FFFFFFF) % 10**6:06}"


def sign_in(nobody: Any, credentials: dict[str, str], code: str) -> dict[str, Any]:
    """Sign in with both factors."""
    first = nobody.ask("POST", "/auth/login/", credentials)
    assert (first.status, first.body["mfa_required"]) == (200, True), first
    assert "access" not in first.body
    second = nobody.ask("POST", "/auth/mfa/verify/", {"mfa_token": first.body["mfa_token"], "code": code})
    assert second.status == 200, second
    body: dict[str, Any] = second.body
    return body


def as_bearer(access: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {access}"}


def test_story(strict_server):
    """Sign-up, verification, sign-in, second factor, refresh, devices, password reset, sign-out everywhere."""
    nobody, mailbox = strict_server
    email = f"ada-{uuid4().hex[:8]}@example.com"
    credentials = {"email": email, "password": PASSWORD}

    # She registers. She cannot sign in before she opens the link that she is sent.
    registered = nobody.ask("POST", "/auth/register/", {**credentials, "first_name": "Ada"})
    assert (registered.status, list(registered.body)) == (201, ["detail"])
    welcome = mailbox.wait_for("Confirm your address")
    assert welcome["To"] == email
    assert nobody.ask("POST", "/auth/email/verify/", {"token": "wrong"}).status == 400
    proof = {"token": mailbox.link_in(welcome, "verify-email")}
    assert nobody.ask("POST", "/auth/email/verify/", proof).status == 204
    assert nobody.ask("POST", "/auth/email/verify/", proof).status == 410

    # Somebody else registers with her address: the answer is the same, and she is told.
    assert (
        nobody.ask("POST", "/auth/register/", {**credentials, "password": NEXT_PASSWORD}).body
        == registered.body
    )
    assert mailbox.wait_for("have an account")["To"] == email

    # She signs in, and turns a second factor on.
    answer = nobody.ask("POST", "/auth/login/", credentials)
    assert answer.status == 200, answer
    assert answer.body["user"]["email_verified"] is True
    assert len(answer.body["user"]["memberships"]) == 1
    ada = type(nobody)(nobody.send, answer.body["access"])
    begun = ada.ask("POST", "/auth/mfa/totp/").body
    assert begun["otpauth_uri"].startswith("otpauth://totp/")
    assert begun["qr_svg"].lstrip().startswith(("<?xml", "<svg"))
    secret = begun["secret"]
    confirmed = ada.ask("POST", "/auth/mfa/totp/confirm/", {"code": code_of(secret)})
    assert confirmed.status == 200, confirmed
    recovery_codes = confirmed.body["recovery_codes"]

    # From another device the password alone is not enough any more, and a code is good once.
    phone = sign_in(nobody, credentials, recovery_codes[0])
    begun_again = nobody.ask("POST", "/auth/login/", credentials).body
    for code in (recovery_codes[0], code_of(secret)):
        replayed = nobody.ask(
            "POST", "/auth/mfa/verify/", {"mfa_token": begun_again["mfa_token"], "code": code}
        )
        assert replayed.status in (400, 401), replayed

    # The phone refreshes its tokens; the old refresh token is over.
    refreshed = nobody.ask("POST", "/auth/refresh/", {"refresh": phone["refresh"]})
    assert refreshed.status == 200
    assert nobody.ask("POST", "/auth/refresh/", {"refresh": phone["refresh"]}).status == 401
    phone = refreshed.body

    # She sees both devices, and ends the phone's session.
    devices = ada.ask("GET", "/auth/sessions/").body["results"]
    assert [device["current"] for device in devices] == [False, True]
    assert ada.ask("DELETE", f"/auth/sessions/{devices[0]['id']}/").status == 204
    assert nobody.ask("GET", "/auth/me/", **as_bearer(phone["access"])).status == 401
    assert nobody.ask("POST", "/auth/refresh/", {"refresh": phone["refresh"]}).status == 401

    # She forgets her password. The reset ends her sessions, and does not get around the second factor.
    assert nobody.ask("POST", "/auth/password/reset/", {"email": email}).status == 204
    reset = {
        "token": mailbox.link_in(mailbox.wait_for("Set a new password"), "reset-password"),
        "new_password": NEXT_PASSWORD,
    }
    assert nobody.ask("POST", "/auth/password/reset/confirm/", reset).status == 204
    assert nobody.ask("POST", "/auth/password/reset/confirm/", reset).status == 400
    assert mailbox.wait_for("was changed")["To"] == email
    assert ada.ask("GET", "/auth/me/").status == 401
    assert nobody.ask("POST", "/auth/login/", credentials).status == 401
    credentials["password"] = NEXT_PASSWORD
    laptop = sign_in(nobody, credentials, recovery_codes[1])
    tablet = sign_in(nobody, credentials, recovery_codes[2])

    # She signs out everywhere.
    assert nobody.ask("POST", "/auth/logout/all/", **as_bearer(laptop["access"])).status == 204
    for device in (laptop, tablet):
        assert nobody.ask("GET", "/auth/me/", **as_bearer(device["access"])).status == 401
        assert nobody.ask("POST", "/auth/refresh/", {"refresh": device["refresh"]}).status == 401

    # No message told a secret but the one of its link, and none named the server's own host.
    for mail in mailbox.read():
        text = mailbox.text_of(mail)
        assert PASSWORD not in text
        assert NEXT_PASSWORD not in text
        assert "127.0.0.1" not in text
