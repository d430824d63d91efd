"""
A provider of one's own: an OpenID provider on a free local port, which also answers as GitHub and Google do.

It checks what it is sent as a real one does, and can be told to misbehave.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import jwt
import requests
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

CLIENT_ID = "the-kit"
CLIENT_SECRET = "a secret of the client"
LIFETIME = 300


@cache
def private_key(name: str) -> rsa.RSAPrivateKey:
    """Return a key; always the same one for a name."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def public_pem(name: str) -> bytes:
    """Return the public half of a key as text, which anybody can have."""
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return private_key(name).public_key().public_bytes(serialization.Encoding.PEM, form)


@cache
def certificate(name: str) -> str:
    """Return a certificate of a key, as Google publishes its keys."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder(
        issuer_name=subject,
        subject_name=subject,
        public_key=private_key(name).public_key(),
        serial_number=x509.random_serial_number(),
        not_valid_before=datetime(2000, 1, 1, tzinfo=UTC),
        not_valid_after=datetime(2100, 1, 1, tzinfo=UTC),
    )
    signed = builder.sign(private_key(name), hashes.SHA256())
    return signed.public_bytes(serialization.Encoding.PEM).decode()


@dataclass
class Grant:
    """What a code stands for."""

    person: dict[str, Any]
    redirect_uri: str
    challenge: str | None
    nonce: str | None


@dataclass
class OpenIDProvider:
    """
    A running provider.

    Attributes:
        person: The claims of whoever is asked to sign in there.
        emails: What GitHub's list of addresses is then.
        faults: What a path does instead of answering: see ``_misbehave()``.
        basic_auth: Whether the client has to prove itself in a header instead of the body.
        token_overrides: What its id_tokens say or are signed with instead; arguments of ``id_token()``.
        userinfo_overrides: What its userinfo says instead.
        asked: The paths that were asked for, in order.
    """

    url: str = ""
    person: dict[str, Any] = field(default_factory=dict)
    emails: list[dict[str, Any]] = field(default_factory=list)
    faults: dict[str, str] = field(default_factory=dict)
    basic_auth: bool = False
    token_overrides: dict[str, Any] = field(default_factory=dict)
    userinfo_overrides: dict[str, Any] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    codes: dict[str, Grant] = field(default_factory=dict)
    access_tokens: dict[str, dict[str, Any]] = field(default_factory=dict)

    def authorize(
        self,
        redirect_uri: str,
        *,
        verifier: str | None = None,
        nonce: str | None = None,
        path: str = "/authorize",
    ) -> dict[str, str]:
        """Send the person there in a browser, and return what they come back with."""
        query = {
            "client_id": CLIENT_ID,
            "redirect_uri": redirect_uri,
            "response_type": "code",
            "state": secrets.token_urlsafe(),
        }
        if verifier is not None:
            query |= {"code_challenge": challenge_of(verifier), "code_challenge_method": "S256"}
        if nonce is not None:
            query["nonce"] = nonce
        answer = requests.get(f"{self.url}{path}?{urlencode(query)}", allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        came_back, _, returned = answer.headers["Location"].partition("?")
        assert came_back == redirect_uri
        given = dict(parse_qsl(returned))
        assert given.pop("state") == query["state"]
        return given

    def id_token(
        self, *, key: Any = None, kid: str | None = "now", algorithm: str = "RS256", **claims: Any
    ) -> str:
        """Return an id_token of the person; None removes a claim."""
        now = int(time.time())
        standard = {"iss": self.url, "aud": CLIENT_ID, "iat": now, "exp": now + LIFETIME}
        chosen = {name: value for name, value in {**standard, **claims}.items() if value is not None}
        headers = {} if kid is None else {"kid": kid}
        signing = private_key("now") if key is None else key
        return jwt.encode(chosen, None if algorithm == "none" else signing, algorithm, headers=headers)

    def id_token_of(self, person: dict[str, Any], **overrides: Any) -> str:
        """Return an id_token of somebody, with what is said or signed otherwise."""
        return self.id_token(**{**person, **self.token_overrides, **overrides})


def challenge_of(verifier: str) -> str:
    """Return what PKCE sends ahead of a verifier (RFC 7636, section 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


@contextmanager
def serve_provider() -> Iterator[OpenIDProvider]:
    """Run a provider while the block runs."""
    provider = OpenIDProvider()
    handler = type("Handler", (_Handler,), {"provider": provider})
    server = _Server(("127.0.0.1", 0), handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of a client that went away, as one does that waited for long enough."""


class _Handler(BaseHTTPRequestHandler):
    provider: OpenIDProvider

    def do_GET(self) -> None:
        self._answer(
            {"/authorize": self._authorize, "/login/oauth/authorize": self._authorize} | self._reads()
        )

    def do_POST(self) -> None:
        self._answer({"/token": self._token, "/login/oauth/access_token": self._token})

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Say nothing."""

    def _answer(self, routes: dict[str, Callable[[], None]]) -> None:
        path = urlsplit(self.path).path
        self.provider.asked.append(path)
        fault = self.provider.faults.get(path)
        if fault is not None:
            self._misbehave(fault)
        elif path in routes:
            routes[path]()
        else:
            self._send(404, {"error": "not_found"})

    def _reads(self) -> dict[str, Callable[[], None]]:
        return {
            "/.well-known/openid-configuration": self._discovery,
            "/jwks": self._jwks,
            "/certs": lambda: self._send(200, {"now": certificate("now")}),
            "/userinfo": lambda: self._of_token(
                lambda person: {**person, **self.provider.userinfo_overrides}
            ),
            "/api/v3/user": lambda: self._of_token(lambda person: person),
            "/api/v3/user/emails": lambda: self._of_token(lambda person: self.provider.emails),
        }

    def _discovery(self) -> None:
        url = self.provider.url
        method = "client_secret_basic" if self.provider.basic_auth else "client_secret_post"
        self._send(
            200,
            {
                "issuer": url,
                "authorization_endpoint": f"{url}/authorize",
                "token_endpoint": f"{url}/token",
                "userinfo_endpoint": f"{url}/userinfo",
                "jwks_uri": f"{url}/jwks",
                "token_endpoint_auth_methods_supported": [method],
            },
        )

    def _jwks(self) -> None:
        key = jwt.algorithms.RSAAlgorithm.to_jwk(private_key("now").public_key(), as_dict=True)
        self._send(200, {"keys": [{**key, "kid": "now", "use": "sig", "alg": "RS256"}]})

    def _authorize(self) -> None:
        query = dict(parse_qsl(urlsplit(self.path).query))
        if query.get("client_id") != CLIENT_ID or query.get("response_type") != "code":
            return self._send(400, {"error": "invalid_request"})
        code = secrets.token_urlsafe()
        self.provider.codes[code] = Grant(
            dict(self.provider.person), query["redirect_uri"], query.get("code_challenge"), query.get("nonce")
        )
        returned = urlencode({"code": code, "state": query["state"]})
        return self._send(302, {}, Location=f"{query['redirect_uri']}?{returned}")

    def _token(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = {name: values[0] for name, values in parse_qs(body).items()}
        if not self._is_client(form):
            return self._send(401, {"error": "invalid_client"})
        grant = self.provider.codes.pop(form.get("code", ""), None)  # each is good once
        if grant is None or form.get("redirect_uri") != grant.redirect_uri:
            return self._send(400, {"error": "invalid_grant"})
        if grant.challenge is not None and challenge_of(form.get("code_verifier", "")) != grant.challenge:
            return self._send(400, {"error": "invalid_grant"})
        token = secrets.token_urlsafe()
        self.provider.access_tokens[token] = grant.person
        answer = {"access_token": token, "token_type": "Bearer", "expires_in": LIFETIME}
        if urlsplit(self.path).path == "/token":
            answer["id_token"] = self.provider.id_token_of(grant.person, nonce=grant.nonce)
        return self._send(200, answer)

    def _is_client(self, form: dict[str, str]) -> bool:
        if self.provider.basic_auth:
            given = self.headers.get("Authorization", "").removeprefix("Basic ")
            return base64.b64decode(given).decode() == f"{CLIENT_ID}:{CLIENT_SECRET}"
        return (form.get("client_id"), form.get("client_secret")) == (CLIENT_ID, CLIENT_SECRET)

    def _of_token(self, answer: Callable[[dict[str, Any]], Any]) -> None:
        _, _, token = self.headers.get("Authorization", "").partition(" ")
        person = self.provider.access_tokens.get(token)
        self._send(401, {"error": "invalid_token"}) if person is None else self._send(200, answer(person))

    def _misbehave(self, fault: str) -> None:
        """Do what a broken or hostile provider does."""
        if fault == "slow":
            time.sleep(3)
            self._send(200, {})
        elif fault == "dripping":
            self.send_response(200)
            self.end_headers()
            until = datetime.now(UTC) + timedelta(seconds=5)
            while datetime.now(UTC) < until:
                self.wfile.write(b" " * 8192)
                time.sleep(0.1)
        elif fault == "huge":
            self._send(200, {"filler": "x" * 3_000_000})
        elif fault == "gone":
            self.close_connection = True
        elif fault == "redirect":
            self._send(307, {}, Location=f"{self.provider.url}/elsewhere")
        elif fault.isdigit():
            self._send(int(fault), {"error": "server_error"})
        else:
            self._send_text(200, fault)

    def _send(self, status: int, content: Any, **headers: str) -> None:
        self._send_text(status, json.dumps(content), **headers)

    def _send_text(self, status: int, text: str, **headers: str) -> None:
        data = text.encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(data)),
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)
