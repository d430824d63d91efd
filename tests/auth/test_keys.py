"""The keys of tokens: which sign, which verify, what is refused, what others may see of them."""

from __future__ import annotations

import hashlib
import hmac
import json

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from django.core.exceptions import ImproperlyConfigured
from jwt.api_jwk import PyJWK
from jwt.utils import base64url_encode
from rest_framework_simplejwt.exceptions import TokenError

from saas_kit.auth.keys import key_ring
from saas_kit.auth.tokens import AccessToken
from tests.auth.keys import PRIVATE, PUBLIC, private_pem, public_pem

OLD = "an old secret of more than 64 bytes, so that any HMAC is satisfied."
NEW = "a new secret of more than 32 bytes"


@pytest.fixture
def use(settings):
    """Return a function that sets the key that signs and those before it."""

    def use(key, *fallbacks, algorithm="HS256"):
        settings.SAAS_KIT_AUTH_ALGORITHM = algorithm
        settings.SAAS_KIT_AUTH_SIGNING_KEY = key
        settings.SAAS_KIT_AUTH_SIGNING_KEY_FALLBACKS = fallbacks

    return use


@pytest.fixture
def make_token(make_signed_in):
    """Return a function that makes an access token with the present key."""
    session = make_signed_in().session
    return lambda: str(AccessToken.for_session(session))


def is_good(token):
    try:
        AccessToken(token)
    except TokenError:
        return False
    return True


class TestRotation:
    pytestmark = pytest.mark.django_db

    def test_i78_a_previous_secret_verifies_and_does_not_sign(self, use, make_token):
        """I78: tokens of the old key are good as long as it is a fallback, and new ones are of the new key."""
        use(OLD)
        old = make_token()

        use(NEW, OLD)
        new = make_token()
        assert is_good(old)
        assert is_good(new)

        use(NEW)
        assert not is_good(old)
        assert is_good(new)
        use(OLD)
        assert not is_good(new)

    def test_i78_the_secret_key_is_replaced_as_django_does_it(self, settings, make_token):
        """I78: keys that are derived follow SECRET_KEY and SECRET_KEY_FALLBACKS."""
        old, settings.SECRET_KEY_FALLBACKS = make_token(), [settings.SECRET_KEY]
        settings.SECRET_KEY = "another" * 8

        assert is_good(old)
        assert is_good(make_token())

        settings.SECRET_KEY_FALLBACKS = []
        assert not is_good(old)

    def test_i78_from_the_derived_key_to_one_of_its_own(self, use, make_token):
        """I78: an empty fallback is the derived key, so that nobody is signed out by setting a key."""
        derived = make_token()

        use(NEW)
        assert not is_good(derived)
        use(NEW, "")
        assert is_good(derived)
        assert is_good(make_token())

    @pytest.mark.parametrize("algorithm", PRIVATE)
    def test_i78_from_a_secret_to_an_asymmetric_key(self, use, make_token, algorithm):
        """I78, T11: each key keeps its own algorithm, so both kinds live side by side."""
        use(OLD)
        old = make_token()

        use(PRIVATE[algorithm], OLD, algorithm=algorithm)
        new = make_token()

        assert jwt.get_unverified_header(new)["alg"] == algorithm
        assert jwt.get_unverified_header(old)["alg"] == "HS256"
        assert is_good(old)
        assert is_good(new)

    @pytest.mark.parametrize("algorithm", PRIVATE)
    @pytest.mark.parametrize("pems", [PRIVATE, PUBLIC], ids=["private", "public"])
    def test_i78_a_previous_asymmetric_key_may_be_public(self, use, make_token, algorithm, pems):
        use(PRIVATE[algorithm], algorithm=algorithm)
        old = make_token()

        use(NEW, pems[algorithm])

        assert is_good(old)
        assert jwt.get_unverified_header(make_token())["alg"] == "HS256"

    def test_a_key_that_is_named_twice_still_signs(self, use, make_token):
        """A public fallback that is the present key must not take its place."""
        use(PRIVATE["ES256"], PUBLIC["ES256"], algorithm="ES256")

        assert is_good(make_token())

    def test_keys_are_parsed_once(self, use):
        use(PRIVATE["RS256"], OLD, algorithm="RS256")
        first = key_ring()

        assert key_ring() is first
        use(PRIVATE["ES256"], algorithm="ES256")
        assert key_ring() is not first
        use(PRIVATE["RS256"], OLD, algorithm="RS256")
        assert key_ring() is first


class TestConfusion:
    """T11: what a token says of its algorithm and its key decides nothing."""

    pytestmark = pytest.mark.django_db

    def forge(self, header, claims, secret):
        """PyJWT refuses to sign with a public key, which an attacker does not."""
        parts = [json.dumps(each).encode() for each in (header, claims)]
        text = b".".join(base64url_encode(each) for each in parts)
        return b".".join([text, base64url_encode(hmac.digest(secret, text, "sha256"))]).decode()

    @pytest.mark.parametrize("algorithm", PRIVATE)
    def test_t11_m15_the_public_key_is_no_secret(self, use, make_token, algorithm):
        """CVE-2022-29217: HS256 with the public key as the secret, which everybody has."""
        use(PRIVATE[algorithm], OLD, algorithm=algorithm)
        good = make_token()
        claims = jwt.decode(good, options={"verify_signature": False})
        header, public = jwt.get_unverified_header(good), PUBLIC[algorithm]

        for secret in (public, public.strip(), public.replace("\n", "")):
            for changes in ({"alg": "HS256"}, {"alg": algorithm}):
                assert not is_good(self.forge({**header, **changes}, claims, secret.encode()))
        assert is_good(good)

    def test_t11_a_key_is_good_for_its_own_algorithm_only(self, use, make_token):
        """A token of a known key that names another known key, or another algorithm of its own, is refused."""
        use(PRIVATE["RS256"], OLD, PRIVATE["ES256"], algorithm="RS256")
        good = make_token()
        claims = jwt.decode(good, options={"verify_signature": False})
        ids = {key.algorithm: key.id for key in key_ring().known.values()}

        assert is_good(jwt.encode(claims, OLD, "HS256", headers={"kid": ids["HS256"]}))
        assert not is_good(jwt.encode(claims, OLD, "HS256", headers={"kid": ids["RS256"]}))
        assert not is_good(jwt.encode(claims, OLD, "HS512", headers={"kid": ids["HS256"]}))
        assert not is_good(jwt.encode(claims, PRIVATE["RS256"], "PS256", headers={"kid": ids["RS256"]}))
        assert not is_good(jwt.encode(claims, PRIVATE["RS256"], "RS512", headers={"kid": ids["RS256"]}))
        assert not is_good(jwt.encode(claims, PRIVATE["ES256"], "ES256", headers={"kid": ids["RS256"]}))

    @pytest.mark.parametrize("algorithm", PRIVATE)
    def test_t11_another_key_of_the_same_kind(self, use, make_token, algorithm):
        use(PRIVATE[algorithm], algorithm=algorithm)
        good = make_token()
        claims = jwt.decode(good, options={"verify_signature": False})
        headers = {"kid": key_ring().signing.id}
        foreign = {
            "RS256": rsa.generate_private_key(65537, 2048),
            "ES256": ec.generate_private_key(ec.SECP256R1()),
            "EdDSA": ed25519.Ed25519PrivateKey.generate(),
        }[algorithm]

        assert not is_good(jwt.encode(claims, foreign, algorithm, headers=headers))
        assert is_good(jwt.encode(claims, PRIVATE[algorithm], algorithm, headers=headers))


class TestIds:
    def test_of_an_asymmetric_key_is_the_thumbprint_of_rfc_7638(self, use):
        """The example of RFC 8037, appendix A.3."""
        private = ed25519.Ed25519PrivateKey.from_private_bytes(
            bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
        )
        use(private_pem(private), algorithm="EdDSA")

        assert key_ring().signing.id == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"

    @pytest.mark.parametrize("algorithm", PRIVATE)
    def test_a_public_key_has_the_id_of_its_private_one(self, use, algorithm):
        use(PRIVATE[algorithm], algorithm=algorithm)
        key_id = key_ring().signing.id

        use(NEW, PUBLIC[algorithm])

        assert key_id in key_ring().known

    def test_of_a_secret_tells_nothing_of_it(self, use):
        use(OLD)
        first = key_ring().signing.id
        use(NEW)

        assert first != key_ring().signing.id
        assert len(first) == 16
        digests = {
            hashlib.new(name, OLD.encode()).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")
        }
        assert not any(first in digest for digest in digests)

    @pytest.mark.parametrize(
        ("key", "algorithm"), [(OLD, "HS256"), (PRIVATE["ES256"], "ES256")], ids=["HS256", "ES256"]
    )
    def test_the_repr_tells_no_secret(self, use, key, algorithm):
        use(key, algorithm=algorithm)

        for text in (repr(key_ring()), repr(key_ring().signing)):
            assert OLD not in text
            assert "PRIVATE" not in text
            assert "object at" not in text


SMALL = private_pem(rsa.generate_private_key(65537, 1024))
LOCKED = (
    rsa.generate_private_key(65537, 2048)
    .private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password"))
    .decode()
)

REFUSED = {
    "no PEM for RS256": (OLD, "RS256", "is a key for HS256, and SAAS_KIT_AUTH_ALGORITHM is RS256"),
    "nothing for ES256": ("", "ES256", "is a key for HS256"),
    "a PEM for HS256": (PRIVATE["RS256"], "HS256", "is a key for RS256"),
    "RSA for ES256": (PRIVATE["RS256"], "ES256", "is a key for RS256"),
    "a public key": (PUBLIC["RS256"], "RS256", "is a public key, which cannot sign"),
    "a small RSA key": (SMALL, "RS256", "fewer than 2048 bits"),
    "a key with a password": (LOCKED, "RS256", "no PEM key that can be read"),
    "half a PEM": (PRIVATE["RS256"][:200], "RS256", "no PEM key that can be read"),
    "half a public PEM": (PUBLIC["RS256"][:100], "RS256", "no PEM key that can be read"),
    "another curve": (private_pem(ec.generate_private_key(ec.SECP384R1())), "ES256", "another kind"),
    "Ed448": (private_pem(ed448.Ed448PrivateKey.generate()), "EdDSA", "another kind"),
    "a short secret": ("too-little", "HS256", "shorter than 32 bytes"),
}


class TestRefused:
    @pytest.mark.parametrize("name", REFUSED)
    def test_a_key_that_cannot_sign_is_an_error_that_does_not_quote_it(self, use, name):
        key, algorithm, message = REFUSED[name]
        use(key, algorithm=algorithm)

        with pytest.raises(ImproperlyConfigured, match=message) as caught:
            key_ring()

        assert not key or key not in str(caught.value)
        assert caught.value.__cause__ is None

    @pytest.mark.parametrize(
        "fallback",
        [SMALL, public_pem(SMALL), LOCKED, PUBLIC["RS256"][:100], "short"],
        ids=["small", "small public", "locked", "half", "short"],
    )
    def test_a_bad_fallback_is_named(self, use, fallback):
        use(NEW, OLD, fallback)

        with pytest.raises(ImproperlyConfigured, match=r"SIGNING_KEY_FALLBACKS\[1\]"):
            key_ring()

    def test_a_text_where_a_tuple_is_meant_is_not_taken_for_keys_of_one_letter(self, settings):
        settings.SAAS_KIT_AUTH_SIGNING_KEY_FALLBACKS = OLD

        with pytest.raises(ImproperlyConfigured, match="shorter than 32 bytes"):
            key_ring()


class TestJwks:
    pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]

    def get(self, client):
        response = client.get("/api/v1/auth/jwks/")
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "public, max-age=300"
        return response.json()["keys"]

    def test_is_empty_where_tokens_are_signed_with_a_secret(self, client, use):
        assert self.get(client) == []
        use(NEW, OLD)
        assert self.get(client) == []

    @pytest.mark.parametrize("algorithm", PRIVATE)
    def test_lets_anybody_verify_the_tokens(self, client, use, make_token, algorithm):
        """With nothing but the document, as another service does it."""
        use(PRIVATE[algorithm], OLD, algorithm=algorithm)
        token = make_token()

        (document,) = self.get(client)

        assert document["kid"] == jwt.get_unverified_header(token)["kid"]
        assert (document["alg"], document["use"]) == (algorithm, "sig")
        assert jwt.decode(token, PyJWK(document), audience="saas_kit", issuer="saas_kit")["sub"]

    def test_publishes_previous_keys_and_nothing_private(self, client, use):
        use(PRIVATE["RS256"], OLD, PUBLIC["ES256"], PRIVATE["EdDSA"], algorithm="RS256")

        documents = self.get(client)

        assert {each["alg"] for each in documents} == {"RS256", "ES256", "EdDSA"}
        public = {"kty", "kid", "alg", "use", "n", "e", "crv", "x", "y"}
        assert all(set(each) <= public for each in documents)

    def test_costs_no_statement_and_needs_nobody(self, client, use, django_assert_num_queries):
        use(PRIVATE["ES256"], algorithm="ES256")

        with django_assert_num_queries(0):
            response = client.get("/api/v1/auth/jwks/", headers={"Authorization": "Bearer over"})

        assert response.status_code == 200
