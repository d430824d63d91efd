"""Every token but the right one is refused, and none is a failure of the server."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import timedelta
from uuid import uuid4

import jwt
import pytest
import time_machine
from django.conf import settings as django_settings
from django.test import override_settings
from django.utils import timezone

from saas_kit.auth import services
from saas_kit.auth.models import Session
from saas_kit.auth.tokens import signing_key

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]

ENDPOINTS = [("get", "me/"), ("post", "logout/"), ("post", "logout/all/")]


def part(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(header, payload, key=None, digest=hashlib.sha256):
    """A token as an attacker puts it together, with the right key where none is given."""
    text = f"{part(header)}.{part(payload)}"
    signature = hmac.new((key or signing_key()).encode(), text.encode(), digest).digest()
    return f"{text}.{part(signature)}"


HS256 = {"alg": "HS256", "typ": "JWT"}
DAY = 24 * 60 * 60


def without(name):
    return lambda claims, token: signed(HS256, {key: value for key, value in claims.items() if key != name})


def having(**changes):
    return lambda claims, token: signed(HS256, {**claims, **changes})


def at(name, seconds):
    return lambda claims, token: signed(HS256, {**claims, name: int(timezone.now().timestamp()) + seconds})


def headed(key=None, **header):
    return lambda claims, token: signed({**HS256, **header}, claims, key)


def raw(function):
    return lambda claims, token: function(token)


ATTACKS = {
    "alg none": lambda claims, token: f"{part({'alg': 'none'})}.{part(claims)}.",
    "alg None": lambda claims, token: f"{part({'alg': 'None'})}.{part(claims)}.",
    "alg none, old signature": lambda claims, token: (
        f"{part({'alg': 'none'})}.{'.'.join(token.split('.')[1:])}"
    ),
    "alg missing": lambda claims, token: signed({"typ": "JWT"}, claims),
    "alg empty": headed(alg=""),
    "alg HS384": lambda claims, token: signed({"alg": "HS384"}, claims, digest=hashlib.sha384),
    "alg HS512": lambda claims, token: signed({"alg": "HS512"}, claims, digest=hashlib.sha512),
    "alg RS256, signed as HS256": headed(alg="RS256"),
    "no signature": raw(lambda token: token.rpartition(".")[0] + "."),
    "half a signature": raw(lambda token: token[:-20]),
    "changed signature": raw(
        lambda token: token[:-5] + ("AAAAA" if not token.endswith("AAAAA") else "BBBBB")
    ),
    "another key": headed(key="x" * 64),
    "the SECRET_KEY": lambda claims, token: signed(HS256, claims, django_settings.SECRET_KEY),
    "kid path to an empty file": headed(key="\x00", kid="../../../../../../dev/null"),
    "kid with SQL": headed(key="x" * 64, kid="x' UNION SELECT 'x"),
    "kid that is no text": headed(kid=1),
    "jku": headed(key="x" * 64, jku="https://evil.example/jwks.json"),
    "embedded jwk": headed(key="x" * 64, jwk={"kty": "oct", "k": part(b"x" * 64)}),
    "unknown crit": headed(crit=["exp"], exp=1),
    "crit that is no list": headed(crit="exp"),
    "b64 false": headed(crit=["b64"], b64=False),
    "expired": at("exp", -60),
    "no exp": without("exp"),
    "exp as text": having(exp="tomorrow"),
    "exp beyond all dates": having(exp=1e300),
    "exp null": having(exp=None),
    "nbf in the future": at("nbf", 300),
    "nbf as text": having(nbf="later"),
    "iat in the future": at("iat", 300),
    "no iat": without("iat"),
    "aud of another service": having(aud="billing"),
    "aud of several services": having(aud=["saas_kit", "billing"]),
    "no aud": without("aud"),
    "iss of another service": having(iss="billing"),
    "no iss": without("iss"),
    "no jti": without("jti"),
    "jti of a wrong type": having(jti={"a": 1}),
    "no sub": without("sub"),
    "sub of a wrong type": having(sub=1),
    "sub that is no key": having(sub="admin'--"),
    "sub beyond all keys": having(sub="9" * 400),
    "sub with a lone surrogate": having(sub="\ud800"),
    "sub of somebody else": having(sub=str(uuid4())),
    "no sid": without("sid"),
    "sid of a wrong type": having(sid=["x"]),
    "sid that is no id": having(sid="1 OR 1=1"),
    "sid of no session": having(sid=str(uuid4())),
    "no kind": without("token_type"),
    "kind of a wrong type": having(token_type=["access"]),
    "refresh": having(token_type="refresh"),
    "claims that are a list": lambda claims, token: signed(HS256, [claims]),
    "claims that are no JSON": lambda claims, token: signed(HS256, b"{"),
    "claims too deep": lambda claims, token: signed(HS256, b'{"sub":' * 900),
    "header that is a list": lambda claims, token: signed([HS256], claims),
    "too many dots": raw(lambda token: token + ".x"),
    "too few dots": raw(lambda token: token.replace(".", "", 1)),
    "only dots": raw(lambda token: ".."),
    "huge": raw(lambda token: token + "A" * 200_000),
    "not ASCII": raw(lambda token: token + "é"),
    "in quotes": raw(lambda token: f'"{token}"'),
}


@pytest.fixture
def victim(make_signed_in):
    return make_signed_in()


@pytest.mark.parametrize("attack", ATTACKS)
def test_m15_i70_forged_and_broken_tokens_are_401(api, victim, attack):
    claims = jwt.decode(victim.access, options={"verify_signature": False})
    token = ATTACKS[attack](claims, victim.access)

    for method, path in ENDPOINTS:
        response = api(method, path, token=token)

        assert response.status_code == 401, (method, path, response.content)
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["code"] in ("invalid_token", "session_ended")
    assert Session.objects.live().get() == victim.session


def test_m15_the_right_token_passes_whatever_the_case_of_the_scheme(api, victim):
    claims = jwt.decode(victim.access, options={"verify_signature": False})

    for token in (victim.access, signed(HS256, claims), signed({**HS256, "kid": "1"}, claims)):
        for scheme in ("Bearer", "bearer", "BEARER"):
            assert api("get", "me/", Authorization=f"{scheme} {token}").status_code == 200


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("Bearer", "invalid_token"),
        ("Bearer ", "invalid_token"),
        ("Bearer {token} {token}", "invalid_token"),
        ("Bearer {token},Bearer {token}", "invalid_token"),
        ("Bearer {token}, Basic eDp5", "invalid_token"),
        ("{token}", "not_authenticated"),
        ("Basic eDp5", "not_authenticated"),
        ("", "not_authenticated"),
        (" ", "not_authenticated"),
    ],
)
def test_malformed_headers_are_401(api, victim, header, code):
    response = api("get", "me/", Authorization=header.format(token=victim.access))

    assert response.status_code == 401
    assert response.json()["code"] == code
    assert response.headers["WWW-Authenticate"] == "Bearer"


def test_i70_kinds_are_not_interchangeable(api, victim):
    assert api("get", "me/", token=victim.refresh).status_code == 401
    assert api("post", "refresh/", {"refresh": victim.access}).status_code == 401
    assert api("post", "logout/", {"refresh": victim.access}, token=victim.access).status_code == 400

    assert api("get", "me/", token=victim.access).status_code == 200
    assert api("post", "refresh/", {"refresh": victim.refresh}).status_code == 200


def test_m15_a_token_is_of_its_own_person_only(api, victim, make_signed_in):
    other = make_signed_in()
    mine = jwt.decode(victim.access, options={"verify_signature": False})

    for token in (
        signed(HS256, {**mine, "sub": str(other.user.pk)}),
        signed(HS256, {**mine, "sid": str(other.session.pk)}),
    ):
        assert api("get", "me/", token=token).status_code == 401


@pytest.mark.parametrize("seconds", [-9, 9])
def test_i76_clocks_may_differ_by_ten_seconds(api, victim, seconds):
    with time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=False):
        assert api("get", "me/", token=victim.access).status_code == 200


@pytest.mark.parametrize("seconds", [-300, 300 + 11])
def test_i76_and_not_by_minutes(api, victim, seconds):
    with time_machine.travel(timezone.now() + timedelta(seconds=seconds), tick=False):
        assert api("get", "me/", token=victim.access).status_code == 401


def test_i76_an_expired_token_is_good_within_the_leeway(api, victim):
    with time_machine.travel(timezone.now() + timedelta(seconds=305), tick=False):
        assert api("get", "me/", token=victim.access).status_code == 200


def test_i78_the_key_is_not_the_secret_key_and_can_be_set(api, victim):
    assert signing_key() != django_settings.SECRET_KEY
    assert len(signing_key()) >= 32

    with override_settings(SAAS_KIT_AUTH_SIGNING_KEY="k" * 48):
        assert api("get", "me/", token=victim.access).status_code == 401
        fresh = services.open_session(victim.user)
        assert api("get", "me/", token=fresh.access).status_code == 200

    assert api("get", "me/", token=victim.access).status_code == 200
    assert api("get", "me/", token=fresh.access).status_code == 401


@pytest.mark.parametrize("name", ["AUDIENCE", "ISSUER"])
def test_m15_services_that_share_a_key_do_not_share_tokens(api, victim, name):
    with override_settings(**{f"SAAS_KIT_AUTH_{name}": "billing"}):
        assert api("get", "me/", token=victim.access).status_code == 401
        assert api("get", "me/", token=services.open_session(victim.user).access).status_code == 200
