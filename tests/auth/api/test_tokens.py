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
from saas_kit.auth.keys import key_ring
from saas_kit.auth.models import Purpose, Session
from tests.auth.keys import PRIVATE, PUBLIC

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]

ENDPOINTS = [("get", "me/"), ("post", "logout/"), ("post", "logout/all/")]


def part(value):
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def headers(**changes):
    """The header of a token of ours, or one that differs from it; what is None is left out."""
    header = {"alg": "HS256", "typ": "JWT", "kid": key_ring().signing.id, **changes}
    return {name: value for name, value in header.items() if value is not None}


def signed(payload, key=None, digest=hashlib.sha256, header=None, **changes):
    """A token as an attacker puts it together, with the right key and header where none is given."""
    text = f"{part(headers(**changes) if header is None else header)}.{part(payload)}"
    secret = key_ring().signing.signing if key is None else key
    return f"{text}.{part(hmac.new(secret, text.encode(), digest).digest())}"


def without(name):
    return lambda claims, token: signed({key: value for key, value in claims.items() if key != name})


def having(**changes):
    return lambda claims, token: signed({**claims, **changes})


def at(name, seconds):
    return lambda claims, token: signed({**claims, name: int(timezone.now().timestamp()) + seconds})


def headed(key=None, **header):
    return lambda claims, token: signed(claims, key, **header)


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


def raw(function):
    return lambda claims, token: function(token)


ATTACKS = {
    "alg none": lambda claims, token: f"{part(headers(alg='none'))}.{part(claims)}.",
    "alg None": lambda claims, token: f"{part(headers(alg='None'))}.{part(claims)}.",
    "alg none, old signature": lambda claims, token: (
        f"{part(headers(alg='none'))}.{'.'.join(token.split('.')[1:])}"
    ),
    "alg missing": headed(alg=None),
    "alg empty": headed(alg=""),
    "alg of a wrong type": headed(alg=["HS256"]),
    "alg HS384": lambda claims, token: signed(claims, digest=hashlib.sha384, alg="HS384"),
    "alg HS512": lambda claims, token: signed(claims, digest=hashlib.sha512, alg="HS512"),
    "alg RS256, signed as HS256": headed(alg="RS256"),
    "no signature": raw(lambda token: token.rpartition(".")[0] + "."),
    "half a signature": raw(lambda token: token[:-20]),
    "changed signature": raw(
        lambda token: token[:-5] + ("AAAAA" if not token.endswith("AAAAA") else "BBBBB")
    ),
    "another key": headed(key=b"x" * 64),
    "another key and its id": headed(key=b"x" * 64, kid="0123456789abcdef"),
    "the SECRET_KEY": lambda claims, token: signed(claims, django_settings.SECRET_KEY.encode()),
    "no kid": headed(kid=None),
    "kid empty": headed(kid=""),
    "kid unknown": headed(kid="0123456789abcdef"),
    "kid path to an empty file": headed(key=b"\x00", kid="../../../../../../dev/null"),
    "kid path to a file that is known": headed(key=b"x" * 64, kid="/proc/self/environ"),
    "kid with SQL": headed(key=b"x" * 64, kid="x' UNION SELECT 'x"),
    "kid that is a number": headed(kid=1),
    "kid that is a list": lambda claims, token: signed(claims, kid=[key_ring().signing.id]),
    "kid that is an object": headed(kid={"a": 1}),
    "jku": headed(key=b"x" * 64, jku="https://evil.example/jwks.json"),
    "x5u": headed(key=b"x" * 64, x5u="https://evil.example/chain.pem"),
    "embedded jwk": headed(key=b"x" * 64, jwk={"kty": "oct", "k": part(b"x" * 64)}),
    "unknown crit": headed(crit=["exp"], exp=1),
    "crit that is no list": headed(crit="exp"),
    "crit empty": headed(crit=[]),
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
    "claims that are a list": lambda claims, token: signed([claims]),
    "claims that are no JSON": lambda claims, token: signed(b"{"),
    "claims too deep": lambda claims, token: signed(b"[" * 2500),
    "header that is a list": lambda claims, token: signed(claims, header=[headers()]),
    "header that is no JSON": lambda claims, token: signed(claims, header=b"{"),
    "header too deep": lambda claims, token: signed(claims, header=b"[" * 1500),
    "header that is no UTF-8": lambda claims, token: signed(claims, header=b'{"kid":"\xff"}'),
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
def test_m15_t11_i70_forged_and_broken_tokens_are_401(api, victim, attack):
    """M15, T11: no token but ours is taken, on a read as on a write, and none is a failure of the server."""
    token = ATTACKS[attack](claims_of(victim.access), victim.access)

    for method, path in ENDPOINTS:
        response = api(method, path, token=token)

        assert response.status_code == 401, (method, path, response.content)
        assert response.headers["WWW-Authenticate"] == "Bearer"
        assert response.headers["Content-Type"] == "application/problem+json"
        assert response.json()["code"] in ("invalid_token", "session_ended")
    assert Session.objects.live().get() == victim.session


@pytest.mark.parametrize("attack", ATTACKS)
def test_m15_t11_forged_and_broken_refresh_tokens_get_nothing(api, victim, attack):
    """M15, T11: the same attacks on refresh/; what cannot be a token for its length is 400 there."""
    token = ATTACKS[attack](claims_of(victim.refresh), victim.refresh)

    response = api("post", "refresh/", {"refresh": token})

    assert (response.status_code, response.json()["code"]) in [
        (401, "invalid_token"),
        (401, "session_ended"),
        (400, "invalid"),
    ]
    assert (response.status_code == 400) == (attack == "huge")
    assert api("post", "refresh/", {"refresh": victim.refresh}).status_code == 200


def test_m15_the_right_token_passes_whatever_the_case_of_the_scheme(api, victim):
    claims = claims_of(victim.access)

    for token in (victim.access, signed(claims), signed(claims, cty="x")):
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
    """I70: access, refresh and every one-time kind, each where another belongs."""
    lifetime = timedelta(hours=1)
    one_time = [services.issue_token(each, victim.user, lifetime=lifetime) for each in Purpose]

    for token in (victim.refresh, *one_time):
        assert api("get", "me/", token=token).status_code == 401
    for token in (victim.access, *one_time):
        assert api("post", "refresh/", {"refresh": token}).status_code == 401
        assert api("post", "logout/", {"refresh": token}, token=victim.access).status_code == 400

    assert api("get", "me/", token=victim.access).status_code == 200
    assert api("post", "refresh/", {"refresh": victim.refresh}).status_code == 200


ONE_TIME_ENDPOINTS = {
    Purpose.VERIFY_EMAIL: ("email/verify/", {}),
    Purpose.CHANGE_EMAIL: ("email/change/confirm/", {}),
    Purpose.RESET_PASSWORD: ("password/reset/confirm/", {"new_password": "another good one"}),
}


@pytest.mark.parametrize("endpoint", ONE_TIME_ENDPOINTS)
def test_i70_a_one_time_token_is_good_for_one_purpose(api, victim, endpoint):
    """I70: nor do the endpoints that take a one-time token take one of another kind, or a session's."""
    path, more = ONE_TIME_ENDPOINTS[endpoint]
    lifetime = timedelta(hours=1)
    others = [
        services.issue_token(each, victim.user, lifetime=lifetime) for each in Purpose if each != endpoint
    ]

    for token in (victim.access, victim.refresh, *others):
        response = api("post", path, {"token": token, **more})
        assert response.status_code == 400, token
        assert response.json()["errors"][0]["field"] == "token"


def test_m15_a_token_is_of_its_own_person_only(api, victim, make_signed_in):
    other = make_signed_in()
    mine = claims_of(victim.access)

    for token in (
        signed({**mine, "sub": str(other.user.pk)}),
        signed({**mine, "sid": str(other.session.pk)}),
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
    secret = key_ring().signing.signing
    assert secret != django_settings.SECRET_KEY.encode()
    assert len(secret) >= 32

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


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_t11_m15_a_public_key_is_no_secret(api, make_person, settings, algorithm):
    """T11: HS256 with the published key as the secret, and none at all, where the host signs with a private key."""
    settings.SAAS_KIT_AUTH_ALGORITHM = algorithm
    settings.SAAS_KIT_AUTH_SIGNING_KEY = PRIVATE[algorithm]
    pem = PUBLIC[algorithm].encode()
    victim = services.open_session(make_person())

    for claims, call in (
        (claims_of(victim.access), lambda token: api("get", "me/", token=token)),
        (claims_of(victim.refresh), lambda token: api("post", "refresh/", {"refresh": token})),
    ):
        forged = [
            signed(claims, secret, alg=alg) for secret in (pem, pem.strip()) for alg in ("HS256", algorithm)
        ]
        for token in (*forged, f"{part(headers(alg='none'))}.{part(claims)}."):
            response = call(token)
            assert (response.status_code, response.json()["code"]) == (401, "invalid_token")

    assert api("get", "me/", token=victim.access).status_code == 200
    assert api("post", "refresh/", {"refresh": victim.refresh}).status_code == 200


def test_i78_a_previous_key_verifies_until_the_end(api, victim, settings):
    """I78: with it as the one fallback old tokens stay good, and the next pair is of the new key."""
    old = key_ring().signing
    settings.SAAS_KIT_AUTH_ALGORITHM = "ES256"
    settings.SAAS_KIT_AUTH_SIGNING_KEY = PRIVATE["ES256"]
    assert api("get", "me/", token=victim.access).status_code == 401

    settings.SAAS_KIT_AUTH_SIGNING_KEY_FALLBACKS = [old.signing.decode()]
    assert api("get", "me/", token=victim.access).status_code == 200
    fresh = api("post", "refresh/", {"refresh": victim.refresh}).json()

    assert jwt.get_unverified_header(fresh["access"])["kid"] == key_ring().signing.id
    settings.SAAS_KIT_AUTH_SIGNING_KEY_FALLBACKS = []
    assert api("get", "me/", token=fresh["access"]).status_code == 200
    assert api("get", "me/", token=victim.access).status_code == 401
    with time_machine.travel(timezone.now() + timedelta(days=15), tick=False):
        assert api("post", "refresh/", {"refresh": fresh["refresh"]}).status_code == 401


def test_m4_i73_revoked_tokens_are_401_on_every_endpoint(api, victim, make_signed_in):
    """M4: at once, though they have not expired; the other device's stay good."""
    other = make_signed_in(victim.user)
    services.revoke_session(victim.session, actor=victim.user)

    for method, path in (("get", "me/"), ("get", "sessions/"), ("post", "logout/all/")):
        response = api(method, path, token=victim.access)
        assert (response.status_code, response.json()["code"]) == (401, "session_ended")
    response = api("post", "refresh/", {"refresh": victim.refresh})
    assert (response.status_code, response.json()["code"]) == (401, "session_ended")
    assert api("get", "me/", token=other.access).status_code == 200


class TestRefreshLimit:
    """Refresh tokens that are no good are counted by network; those that are good are not."""

    def refresh(self, api, token, address="127.0.0.1"):
        return api.client.post(
            "/api/v1/auth/refresh/", {"refresh": token}, "application/json", REMOTE_ADDR=address
        )

    def test_t12_too_many_bad_ones_are_429(self, api, victim, settings):
        settings.SAAS_KIT_AUTH_RATE_LIMITS = {"refresh": "3/h"}

        answers = [self.refresh(api, "a.b.c") for _ in range(5)]

        assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
        assert answers[-1].json()["code"] == "rate_limited"
        assert int(answers[-1].headers["Retry-After"]) > 0
        assert self.refresh(api, "a.b.c", "198.51.100.7").status_code == 401
        assert self.refresh(api, victim.refresh).status_code == 200

    def test_t12_good_ones_are_not_counted(self, api, victim, settings):
        """Nor is one that a client sent twice within the leeway."""
        settings.SAAS_KIT_AUTH_RATE_LIMITS = {"refresh": "1/h"}
        token = victim.refresh
        for _ in range(4):
            answer = self.refresh(api, token)
            assert answer.status_code == 200
            assert self.refresh(api, token).status_code == 401
            token = answer.json()["refresh"]

        assert self.refresh(api, "a.b.c").status_code == 401
        assert self.refresh(api, "a.b.c").status_code == 429
