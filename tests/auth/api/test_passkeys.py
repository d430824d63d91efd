"""Passkeys over HTTP."""

from __future__ import annotations

import copy
import json
import time
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.test import Client
from django.utils import timezone
from fido2 import cbor

from saas_kit.auth import services
from saas_kit.auth.identity import email_field
from saas_kit.auth.models import OneTimeToken, Session
from tests.auth.authenticator import (
    ATTESTED,
    USER_PRESENT,
    USER_VERIFIED,
    Authenticator,
    Passkey,
    decode,
    encode,
    enroll,
)
from tests.auth.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]

# What a browser does not answer on pages of ours; each is set on an authenticator that is otherwise as it should be.
NOT_OURS = {
    "other site": {"origin": "https://evil.example.org"},
    "site above": {"origin": "https://example.com"},
    "look-alike": {"origin": "https://evil-app.example.com.example.org"},
    "without encryption": {"origin": "http://app.example.com"},
    "localhost": {"origin": "http://localhost"},
    "no origin": {"origin": "null"},
    "origin that is none": {"origin": "https://["},
    "frame": {"client_data": {"crossOrigin": True}},
    "other challenge": {"client_data": {"challenge": encode(b"x" * 32)}},
    "other ceremony": {"client_data": {"type": "payment.get"}},
    "other relying party": {"rp_id": "example.org"},
    "nobody there": {"flags": USER_VERIFIED},
    "owner not verified": {"flags": USER_PRESENT},
}


@pytest.fixture(autouse=True)
def _nothing_counted():
    cache.clear()


@pytest.fixture
def owner(make_signed_in):
    """Somebody with a proved address, signed in."""
    signed_in = make_signed_in()
    services.mark_verified(signed_in.user)
    return signed_in


def errors_of(response):
    assert response.headers["Content-Type"] == "application/problem+json"
    return [(error["field"], error["code"]) for error in response.json()["errors"]]


def email_of(user):
    return getattr(user, email_field())


def begin(api, signed_in):
    response = api("post", "mfa/passkeys/", {"current_password": PASSWORD}, token=signed_in.access)
    assert response.status_code == 200, response.content
    return response.json()["token"], response.json()["options"]


def confirm(api, signed_in, token, credential, name="Phone"):
    body = {"token": token, "name": name, "credential": credential}
    return api("post", "mfa/passkeys/confirm/", body, token=signed_in.access)


def ask(api):
    answer = api("post", "passkeys/options/").json()
    return answer["token"], answer["options"]


def login(api, token, credential):
    return api("post", "passkeys/login/", {"token": token, "credential": credential})


def changed(credential, *path, value):
    """A copy of an answer, with one member replaced, or left out where the value is ``...``."""
    result = copy.deepcopy(credential)
    inner = result
    for name in path[:-1]:
        inner = inner[name]
    if value is ...:
        del inner[path[-1]]
    else:
        inner[path[-1]] = value
    return result


def client_data_of(**members):
    data = {"type": "webauthn.get", "challenge": "x" * 43, "origin": "https://app.example.com"}
    kept = {name: value for name, value in (data | members).items() if value is not ...}
    return encode(json.dumps(kept).encode())


# Members of an answer that are of another form than browsers give them, of either ceremony.
MALFORMED = [
    (("id",), "AAAA"),
    (("id",), ...),
    (("rawId",), ...),
    (("type",), "password"),
    (("type",), ...),
    (("response",), ...),
    (("response",), []),
    (("response",), "x"),
    *(
        (("response", "clientDataJSON"), value)
        for value in (
            *(..., None, 1, 10**12, True, [], {}, "", "é", "a+b/", "A", encode(b"\xff"), encode(b"[]")),
            *(encode(b"1"), encode(b"[" * 9000), encode(b'{"a":'), client_data_of(challenge=...)),
            *(client_data_of(challenge=32), client_data_of(challenge=None), client_data_of(challenge="")),
            *(client_data_of(challenge="é"), client_data_of(challenge=[1]), client_data_of(challenge="A")),
            *(client_data_of(origin=...), client_data_of(origin=1), client_data_of(origin={})),
            *(client_data_of(type=...), client_data_of(type=1), client_data_of(type=[])),
        )
    ),
]
MALFORMED_BYTES = [..., None, 1, 37, 10**12, True, [], {}, "", "é", "A", encode(b"x"), encode(b"x" * 36)]


class TestAdd:
    def test_answers_the_passkey_and_recovery_codes(self, api, owner):
        token, options = begin(api, owner)

        response = confirm(api, owner, token, Authenticator().create(options))

        assert response.status_code == 201
        body = response.json()
        assert set(body) == {"id", "name", "created_at", "last_used_at", "recovery_codes"}
        assert (body["name"], body["last_used_at"], len(body["recovery_codes"])) == ("Phone", None, 10)
        assert api("get", "me/", token=owner.access).json()["mfa_enabled"] is True
        (listed,) = api("get", "mfa/passkeys/", token=owner.access).json()["results"]
        assert listed == {name: body[name] for name in listed}

    def test_options_are_those_of_webauthn_level_3(self, api, owner):
        _, options = begin(api, owner)

        assert options["rp"] == {"id": "app.example.com", "name": "saas_kit"}
        assert set(options["user"]) == {"id", "name", "displayName"}
        assert len(decode(options["challenge"])) == 32
        assert {"type": "public-key", "alg": -7} in options["pubKeyCredParams"]
        selection = options["authenticatorSelection"]
        assert (selection["residentKey"], selection["userVerification"]) == ("required", "required")

    def test_t15_the_relying_party_is_not_taken_from_the_request(self, api, owner, settings):
        settings.ALLOWED_HOSTS = ["*"]
        forged = {
            "Host": "evil.example",
            "X-Forwarded-Host": "evil.example",
            "Origin": "https://evil.example",
        }
        body = {"current_password": PASSWORD}

        response = api("post", "mfa/passkeys/", body, token=owner.access, **forged)
        public = api("post", "passkeys/options/", **forged)

        assert response.json()["options"]["rp"]["id"] == "app.example.com"
        assert public.json()["options"]["rpId"] == "app.example.com"
        settings.SAAS_KIT_AUTH_PASSKEY_RP_ID = "example.com"
        assert begin(api, owner)[1]["rp"]["id"] == "example.com"

    def test_needs_somebody_signed_in(self, api, owner):
        token, options = begin(api, owner)
        body = {"token": token, "name": "Key", "credential": Authenticator().create(options)}

        for method, path, sent in (
            ("get", "mfa/passkeys/", None),
            ("post", "mfa/passkeys/", {"current_password": PASSWORD}),
            ("post", "mfa/passkeys/confirm/", body),
            ("delete", "mfa/passkeys/AAAA/", {"current_password": PASSWORD}),
        ):
            assert api(method, path, sent).status_code == 401
        assert api("post", "mfa/passkeys/confirm/", body, token=owner.access).status_code == 201

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ({"current_password": "wrong"}, ("current_password", "wrong_password")),
            ({}, ("current_password", "required")),
            ({"current_password": ["a"]}, ("current_password", "invalid")),
            ({"current_password": PASSWORD, "name": "Key"}, ("name", "unknown")),
        ],
    )
    def test_needs_the_password_again(self, api, owner, body, error):
        """Whoever finds an open session cannot stay for good."""
        response = api("post", "mfa/passkeys/", body, token=owner.access)

        assert (response.status_code, errors_of(response)) == (400, [error])
        assert not OneTimeToken.objects.exists()
        assert begin(api, owner)

    def test_who_has_no_password_must_have_signed_in_just_now(self, api, make_signed_in, make_person):
        owner = make_signed_in(make_person(password=None))
        services.mark_verified(owner.user)
        assert api("post", "mfa/passkeys/", {}, token=owner.access).status_code == 200

        Session.objects.update(created_at=timezone.now() - timedelta(minutes=11))

        response = api("post", "mfa/passkeys/", {}, token=owner.access)
        assert (response.status_code, response.json()["code"]) == (403, "sign_in_too_old")

    def test_needs_a_proved_address(self, api, make_signed_in):
        owner = make_signed_in()

        response = api("post", "mfa/passkeys/", {"current_password": PASSWORD}, token=owner.access)

        assert (response.status_code, response.json()["code"]) == (409, "email_unverified")
        services.mark_verified(owner.user)
        assert begin(api, owner)

    @pytest.mark.parametrize("wrong", NOT_OURS)
    def test_what_was_not_made_on_our_pages_is_400(self, api, owner, wrong):
        token, options = begin(api, owner)

        response = confirm(api, owner, token, Authenticator(**NOT_OURS[wrong]).create(options))

        assert (response.status_code, errors_of(response)) == (400, [("credential", "invalid")])
        assert confirm(api, owner, token, Authenticator().create(options)).status_code == 201

    def test_localhost_without_encryption_is_for_development(self, api, owner, settings):
        settings.SAAS_KIT_AUTH_PASSKEY_RP_ID = "localhost"
        authenticator = Authenticator(origin="http://localhost:3000")
        token, options = begin(api, owner)
        credential = authenticator.create(options)

        assert confirm(api, owner, token, credential).status_code == 400
        settings.DEBUG = True
        assert confirm(api, owner, token, credential).status_code == 201

        token, options = ask(api)
        assert login(api, token, authenticator.get(options)).status_code == 200
        settings.DEBUG = False
        token, options = ask(api)
        assert login(api, token, authenticator.get(options)).status_code == 401

    @pytest.mark.parametrize(
        "change",
        [
            {3: -9},  # could be verified, and was not asked for
            {3: -999},
            {3: 0},
            {3: "ES256"},
            {-1: 2},
            {-2: b"x" * 32},
            {-2: 10**6},
            {-3: b""},
            {-2: ...},
            {3: ...},
            {3: -257},
            {3: -8},
        ],
        ids=str,
    )
    def test_a_key_that_cannot_verify_is_400(self, api, owner, change):
        """It would be found out at the first sign-in only, by an error of ours."""
        token, options = begin(api, owner)
        cose = Passkey("app.example.com", b"").cose | change
        authenticator = Authenticator(cose={name: value for name, value in cose.items() if value is not ...})

        response = confirm(api, owner, token, authenticator.create(options))

        assert (response.status_code, errors_of(response)) == (400, [("credential", "invalid")])
        assert confirm(api, owner, token, Authenticator().create(options)).status_code == 201

    def test_m3_malformed_answers_are_400(self, api, owner):
        """Also what fido2 takes for a length: of the number 10**12 it would make as many bytes."""
        token, options = begin(api, owner)
        good = Authenticator().create(options)
        attestation = cbor.decode(decode(good["response"]["attestationObject"]))
        data = attestation["authData"]
        broken = [
            *MALFORMED_BYTES,
            *(encode(cbor.encode(value)) for value in ({}, [], 1, "x", attestation | {"authData": "x"})),
            *(encode(cbor.encode(attestation | {"authData": part})) for part in (b"", data[:36], data[:60])),
            encode(cbor.encode(attestation | {"authData": data[:32] + bytes([USER_PRESENT]) + data[33:37]})),
            encode(cbor.encode(attestation | {"authData": data + b"more"})),
            encode(b"\x81" * 5000),
            encode(b"\x9b" + b"\xff" * 8),
            encode(b"\xbf" + b"\xff" * 8),
        ]
        other = encode(b"another id")
        answers = [
            *(changed(good, *path, value=value) for path, value in MALFORMED),
            *(changed(good, "response", "attestationObject", value=value) for value in broken),
            good | {"id": other, "rawId": other},
            good | {"id": encode(b"x" * 1024), "rawId": encode(b"x" * 1024)},
            *("x", 1, None, [], [good], {}, {"response": {}}, good | {"more": "x" * 20_000}),
        ]

        began = time.monotonic()
        for answer in answers:
            response = confirm(api, owner, token, answer)
            assert response.status_code == 400, (answer, response.content)
            assert [field for field, _ in errors_of(response)] == ["credential"]

        assert time.monotonic() - began < 60
        assert confirm(api, owner, token, good).status_code == 201

    @pytest.mark.parametrize(("length", "is_taken"), [(1, True), (1023, True), (1024, False)])
    def test_an_id_is_no_longer_than_webauthn_has_it(self, api, owner, length, is_taken):
        token, options = begin(api, owner)
        passkey = Passkey("app.example.com", decode(options["user"]["id"]), b"i" * length)

        response = confirm(api, owner, token, Authenticator().create(options, passkey))

        assert response.status_code == (201 if is_taken else 400)

    def test_an_id_has_one_way_to_be_written(self, api, owner):
        """Base64 has bits to spare at its end, by which a passkey could be added twice."""
        token, options = begin(api, owner)
        passkey = Passkey("app.example.com", decode(options["user"]["id"]), b"\x00" * 16)
        good = Authenticator().create(options, passkey)
        assert (good["id"], decode("A" * 21 + "B")) == ("A" * 22, passkey.id)

        response = confirm(api, owner, token, good | {"id": "A" * 21 + "B", "rawId": "A" * 21 + "B"})

        assert (response.status_code, errors_of(response)) == (400, [("credential", "invalid")])
        assert confirm(api, owner, token, good).status_code == 201

    @pytest.mark.parametrize(
        "extensions", [None, [], "x", {"credProps": 1}, {"credProps": {"rk": "x"}}, {"a": []}]
    )
    def test_extensions_are_of_no_matter(self, api, owner, extensions):
        token, options = begin(api, owner)
        credential = Authenticator().create(options) | {"clientExtensionResults": extensions}

        assert confirm(api, owner, token, credential).status_code == 201

    @pytest.mark.parametrize(
        ("name", "is_taken"), [("a" * 64, True), ("a" * 65, False), ("", False), ("a\x00", False)]
    )
    def test_the_name_is_short_and_of_one_line(self, api, owner, name, is_taken):
        token, options = begin(api, owner)

        response = confirm(api, owner, token, Authenticator().create(options), name=name)

        assert response.status_code == (201 if is_taken else 400)
        if not is_taken:
            assert [field for field, _ in errors_of(response)] == ["name"]
            response = confirm(api, owner, token, Authenticator().create(options), name="Two\n\nlines")
            assert response.json()["name"] == "Two lines"

    def test_i68_a_token_is_good_once_and_for_its_person(self, api, owner, make_signed_in):
        other = make_signed_in()
        token, options = begin(api, owner)
        credential = Authenticator().create(options)

        response = confirm(api, other, token, credential)
        assert (response.status_code, errors_of(response)) == (400, [("token", "invalid_token")])
        assert confirm(api, owner, token, credential).status_code == 201
        response = confirm(api, owner, token, Authenticator().create(options))
        assert (response.status_code, response.json()["code"]) == (410, "token_gone")


class TestList:
    def test_shows_ones_own_newest_first(self, api, owner, make_person):
        enroll(owner.user, name="First")
        enroll(owner.user, name="Second")
        enroll(make_person(), name="Somebody else's")

        response = api("get", "mfa/passkeys/", token=owner.access)

        assert [each["name"] for each in response.json()["results"]] == ["Second", "First"]
        assert api("get", "mfa/passkeys/?name=x", token=owner.access).status_code == 400
        response = api("get", "mfa/passkeys/?search=seco&ordering=created_at&count=true", token=owner.access)
        assert ([each["name"] for each in response.json()["results"]], response.json()["count"]) == (
            ["Second"],
            1,
        )


class TestRemove:
    def remove(self, api, signed_in, passkey, password=PASSWORD):
        path = f"mfa/passkeys/{encode(passkey.id)}/"
        return api("delete", path, {"current_password": password}, token=signed_in.access)

    def test_removes_it_and_leaves_sessions(self, api, owner):
        (passkey,) = enroll(owner.user).passkeys

        assert self.remove(api, owner, passkey).status_code == 204

        assert api("get", "me/", token=owner.access).json()["mfa_enabled"] is False
        assert api("get", "mfa/passkeys/", token=owner.access).json()["results"] == []
        assert self.remove(api, owner, passkey).status_code == 404

    def test_a_version_that_is_no_longer_present_is_412(self, api, owner):
        (passkey,) = enroll(owner.user).passkeys
        path, body = f"mfa/passkeys/{encode(passkey.id)}/", {"current_password": PASSWORD}

        for version, status in (('"other"', 412), ("*", 204)):
            response = api("delete", path, body, token=owner.access, **{"If-Match": version})
            assert response.status_code == status

    def test_somebody_elses_is_404(self, api, owner, make_signed_in):
        other = make_signed_in()
        (passkey,) = enroll(owner.user).passkeys

        assert self.remove(api, other, passkey).status_code == 404
        assert self.remove(api, other, passkey, password="wrong").status_code == 404
        assert services.passkeys_of(owner.user).exists()
        assert self.remove(api, owner, passkey).status_code == 204

    @pytest.mark.parametrize("body", [None, [], {}, {"current_password": "wrong"}, {"current_password": 1}])
    def test_needs_the_password_again(self, api, owner, body):
        (passkey,) = enroll(owner.user).passkeys

        response = api("delete", f"mfa/passkeys/{encode(passkey.id)}/", body, token=owner.access)

        assert response.status_code == 400
        assert services.passkeys_of(owner.user).exists()
        assert self.remove(api, owner, passkey).status_code == 204

    @pytest.mark.parametrize("passkey_id", ["1", "%00", "x" * 2000, "é", "a'b"])
    def test_an_unknown_one_is_404(self, api, owner, passkey_id):
        enroll(owner.user)

        body = {"current_password": PASSWORD}
        assert api("delete", f"mfa/passkeys/{passkey_id}/", body, token=owner.access).status_code == 404
        assert services.passkeys_of(owner.user).exists()


class TestSignIn:
    def test_answers_tokens_and_asks_for_no_second_factor(self, api, owner):
        """The device made sure that it is its owner: a passkey is two factors, where a password is one."""
        authenticator = enroll(owner.user)
        token, options = ask(api)

        response = login(api, token, authenticator.get(options))

        assert response.status_code == 200
        body = response.json()
        assert set(body) == {"mfa_required", "access", "refresh", "user"}
        assert body["mfa_required"] is False
        assert body["user"]["id"] == api("get", "me/", token=body["access"]).json()["id"]
        assert not response.cookies
        assert api("post", "refresh/", {"refresh": body["refresh"]}).status_code == 200
        answer = api("post", "login/", {"email": email_of(owner.user), "password": PASSWORD}).json()
        assert (answer["mfa_required"], "access" in answer) == (True, False)

    def test_options_tell_nothing_of_anybody(self, api, owner):
        enroll(owner.user)

        token, options = ask(api)

        assert set(options) == {"challenge", "rpId", "allowCredentials", "userVerification"}
        assert (options["allowCredentials"], options["userVerification"]) == ([], "required")
        assert (token, options["challenge"]) != ask(api)

    @pytest.mark.parametrize("wrong", NOT_OURS)
    def test_what_was_not_signed_on_our_pages_is_401(self, api, owner, wrong):
        authenticator = enroll(owner.user)
        token, options = ask(api)
        attacked = Authenticator(**NOT_OURS[wrong], passkeys=authenticator.passkeys)

        response = login(api, token, attacked.get(options))

        assert (response.status_code, response.json()["code"]) == (401, "invalid_credentials")
        token, options = ask(api)
        assert login(api, token, authenticator.get(options)).status_code == 200

    @pytest.mark.parametrize(
        "wrong", ["user", "nobody", "no user", "no key", "bytes", "id", "signature", "key"]
    )
    def test_an_unknown_passkey_is_401(self, api, owner, make_person, wrong):
        authenticator = enroll(owner.user)
        (passkey,) = authenticator.passkeys
        other = enroll(make_person())
        token, options = ask(api)
        good = authenticator.get(options)
        attempts = {
            "user": changed(good, "response", "userHandle", value=encode(other.passkeys[0].user_handle)),
            "nobody": changed(good, "response", "userHandle", value=encode(b"0" * 32)),
            "no user": changed(good, "response", "userHandle", value=None),
            "no key": changed(good, "response", "userHandle", value=encode(b"-" * 64)),
            "bytes": changed(good, "response", "userHandle", value=encode(b"\xff\xfe")),
            "id": good | {"id": encode(b"x" * 16), "rawId": encode(b"x" * 16)},
            "signature": changed(good, "response", "signature", value=encode(b"x" * 70)),
            "key": authenticator.get(options, Passkey(passkey.rp_id, passkey.user_handle, passkey.id)),
        }

        response = login(api, token, attempts[wrong])

        assert (response.status_code, response.json()["code"]) == (401, "invalid_credentials")
        token, options = ask(api)
        assert login(api, token, authenticator.get(options)).status_code == 200

    def test_i68_an_answer_is_good_once(self, api, owner):
        """A replay is refused, and so is the answer to one challenge with the token of another."""
        authenticator = enroll(owner.user)
        token, options = ask(api)
        credential = authenticator.get(options)
        other, _ = ask(api)

        assert login(api, other, credential).status_code == 401
        assert login(api, token, credential).status_code == 200
        for secret in (token, other, ask(api)[0], "x" * 43, ""):
            response = login(api, secret, credential)
            assert response.status_code == (401 if secret else 400)

    @pytest.mark.django_db(transaction=True)
    def test_a_failed_attempt_uses_the_token(self, api, owner):
        """That is committed, although the answer is an error."""
        authenticator = enroll(owner.user)
        token, options = ask(api)

        attacked = Authenticator(origin="https://evil.example.org", passkeys=authenticator.passkeys)
        assert login(api, token, attacked.get(options)).status_code == 401
        assert login(api, token, authenticator.get(options)).status_code == 401

        token, options = ask(api)
        assert login(api, token, authenticator.get(options)).status_code == 200

    def test_an_old_token_is_401(self, api, owner):
        authenticator = enroll(owner.user)
        for age, status in ((timedelta(minutes=4, seconds=50), 200), (timedelta(minutes=5, seconds=1), 401)):
            token, options = ask(api)
            with time_machine.travel(timezone.now() + age, tick=False):
                assert login(api, token, authenticator.get(options)).status_code == status

    def test_a_copy_is_401(self, api, owner):
        authenticator = enroll(owner.user)
        token, options = ask(api)
        assert login(api, token, authenticator.get(options)).status_code == 200

        authenticator.passkeys[0].count = 0
        token, options = ask(api)
        assert login(api, token, authenticator.get(options)).status_code == 401

        token, options = ask(api)
        assert login(api, token, authenticator.get(options)).status_code == 200

    def test_i59_somebody_deactivated_is_401(self, api, owner):
        authenticator = enroll(owner.user)
        services.deactivate_user(owner.user, actor=None)

        token, options = ask(api)
        assert login(api, token, authenticator.get(options)).status_code == 401

        get_user_model().objects.update(is_active=True)
        token, options = ask(api)
        assert login(api, token, authenticator.get(options)).status_code == 200

    def test_i55_an_address_that_is_to_be_proved_is_401(self, api, owner, settings):
        """Such as after a change of the address where nobody confirmed the new one."""
        authenticator = enroll(owner.user)
        services.change_email(owner.user, "new@example.com", actor=None)
        settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = "mandatory"

        token, options = ask(api)
        assert login(api, token, authenticator.get(options)).status_code == 401

        services.mark_verified(owner.user)
        token, options = ask(api)
        assert login(api, token, authenticator.get(options)).status_code == 200

    def test_m3_malformed_answers_are_400(self, api, owner):
        """They leave the token good."""
        authenticator = enroll(owner.user)
        token, options = ask(api)
        good = authenticator.get(options)
        attested = encode(decode(good["response"]["authenticatorData"])[:32] + bytes([ATTESTED]) + bytes(4))
        answers = [
            *(changed(good, *path, value=value) for path, value in MALFORMED),
            *(
                changed(good, "response", "authenticatorData", value=each)
                for each in (*MALFORMED_BYTES, attested)
            ),
            *(changed(good, "response", "signature", value=each) for each in MALFORMED_BYTES[:-2]),
            *(
                changed(good, "response", "userHandle", value=each)
                for each in (1, 10**12, [], "é", "A", encode(b"\0"))
            ),
            *("x", 1, None, [], [good], {}, {"response": {}}, good | {"more": "x" * 20_000}),
        ]

        began = time.monotonic()
        for answer in answers:
            response = login(api, token, answer)
            assert response.status_code == 400, (answer, response.content)
            assert [field for field, _ in errors_of(response)] == ["credential"]

        assert time.monotonic() - began < 60
        assert login(api, token, good).status_code == 200

    @pytest.mark.parametrize("body", ["[]", '"x"', "null", "{", "", '{"token": 1, "credential": 1}'])
    def test_m3_other_bodies_are_400(self, body):
        response = Client().post("/api/v1/auth/passkeys/login/", body, content_type="application/json")

        assert response.status_code == 400

    def test_one_network_can_ask_so_often(self, api, owner, settings):
        """Each question is a row. Whoever then signs in is not counted, so that an office is not locked out."""
        settings.SAAS_KIT_AUTH_RATE_LIMITS = {"passkey_options": "3/h"}
        authenticator = enroll(owner.user)
        for _ in range(5):
            token, options = ask(api)
            assert login(api, token, authenticator.get(options)).status_code == 200

        statuses = [api("post", "passkeys/options/").status_code for _ in range(5)]

        assert statuses == [200, 200, 200, 429, 429]

    def test_questions_do_not_use_up_the_password(self, api, owner, settings):
        """Whoever fetches options in a loop locks nobody of their network out of signing in by a password."""
        settings.SAAS_KIT_AUTH_RATE_LIMITS = {"login_network": "3/h"}

        statuses = [api("post", "passkeys/options/").status_code for _ in range(5)]

        assert statuses == [200] * 5
        body = {"email": email_of(owner.user), "password": PASSWORD}
        assert api("post", "login/", body).status_code == 200

    def test_one_network_can_try_so_many_tokens(self, api, owner, settings):
        settings.SAAS_KIT_AUTH_RATE_LIMITS = {"token": "2/h"}
        authenticator = enroll(owner.user)
        _, options = ask(api)
        credential = authenticator.get(options)

        statuses = [login(api, "x" * 43, credential).status_code for _ in range(3)]

        assert statuses == [401, 401, 429]


class TestSecondFactor:
    """After the password."""

    def prove_password(self, api, user):
        answer = api("post", "login/", {"email": email_of(user), "password": PASSWORD}).json()
        assert answer["mfa_required"] is True
        return answer["mfa_token"]

    def ask(self, api, mfa_token):
        response = api("post", "mfa/options/", {"mfa_token": mfa_token})
        assert response.status_code == 200, response.content
        return response.json()["options"]

    def verify(self, api, mfa_token, credential):
        return api("post", "mfa/verify/", {"mfa_token": mfa_token, "credential": credential})

    def test_finishes_the_sign_in(self, api, owner):
        authenticator = enroll(owner.user)
        answer = api("post", "login/", {"email": email_of(owner.user), "password": PASSWORD}).json()
        assert answer["methods"] == ["recovery_codes", "webauthn"]

        options = self.ask(api, answer["mfa_token"])
        response = self.verify(api, answer["mfa_token"], authenticator.get(options))

        assert [each["id"] for each in options["allowCredentials"]] == [encode(authenticator.passkeys[0].id)]
        assert response.status_code == 200
        assert api("get", "me/", token=response.json()["access"]).json()["email"] == email_of(owner.user)
        assert services.passkeys_of(owner.user).get().last_used_at is not None

    def test_a_key_that_does_not_verify_its_owner_is_enough(self, api, owner):
        """Somebody knows the password and has the key: two factors."""
        authenticator = enroll(owner.user)
        authenticator.flags = USER_PRESENT

        token = self.prove_password(api, owner.user)
        response = self.verify(api, token, authenticator.get(self.ask(api, token)))

        assert response.status_code == 200
        token, options = ask(api)
        assert login(api, token, authenticator.get(options)).status_code == 401

    @pytest.mark.parametrize("wrong", sorted(NOT_OURS.keys() - {"owner not verified"}))
    def test_what_was_not_signed_on_our_pages_is_400(self, api, owner, wrong):
        authenticator = enroll(owner.user)
        token = self.prove_password(api, owner.user)
        attacked = Authenticator(**NOT_OURS[wrong], passkeys=authenticator.passkeys)

        response = self.verify(api, token, attacked.get(self.ask(api, token)))

        assert (response.status_code, errors_of(response)) == (400, [("credential", "invalid")])
        response = self.verify(api, token, authenticator.get(self.ask(api, token)))
        assert response.status_code == 200

    def test_somebody_elses_passkey_is_400(self, api, owner, make_person):
        authenticator, other = enroll(owner.user), enroll(make_person())
        token = self.prove_password(api, owner.user)

        response = self.verify(api, token, other.get(self.ask(api, token)))

        assert (response.status_code, errors_of(response)) == (400, [("credential", "invalid")])
        assert self.verify(api, token, authenticator.get(self.ask(api, token))).status_code == 200

    @pytest.mark.django_db(transaction=True)
    def test_i68_a_challenge_is_good_for_one_attempt(self, api, owner):
        """Also a failed one, which is committed, and none was asked before `options/` is."""
        authenticator = enroll(owner.user, Authenticator(step=0))
        token = self.prove_password(api, owner.user)
        nothing_asked = authenticator.get({"challenge": encode(b"x" * 32)})
        assert self.verify(api, token, nothing_asked).status_code == 400

        options = self.ask(api, token)
        attacked = Authenticator(origin="https://evil.example.org", step=0, passkeys=authenticator.passkeys)
        assert self.verify(api, token, attacked.get(options)).status_code == 400
        assert self.verify(api, token, authenticator.get(options)).status_code == 400

        options = self.ask(api, token)
        credential = authenticator.get(options)
        assert self.verify(api, token, credential).status_code == 200
        response = self.verify(api, token, credential)
        assert (response.status_code, response.json()["code"]) == (401, "invalid_token")
        assert self.verify(api, self.prove_password(api, owner.user), credential).status_code == 400

    def test_i68_there_are_five_attempts(self, api, owner):
        authenticator = enroll(owner.user)
        token = self.prove_password(api, owner.user)
        attacked = Authenticator(origin="https://evil.example.org", passkeys=authenticator.passkeys)
        for _ in range(5):
            assert self.verify(api, token, attacked.get(self.ask(api, token))).status_code == 400

        assert api("post", "mfa/options/", {"mfa_token": token}).status_code == 401
        token = self.prove_password(api, owner.user)
        response = self.verify(api, token, authenticator.get(self.ask(api, token)))
        assert response.status_code == 429
        cache.clear()
        assert self.verify(api, token, authenticator.get(self.ask(api, token))).status_code == 200

    def test_a_copy_is_400(self, api, owner):
        authenticator = enroll(owner.user, Authenticator(count=7, step=0))
        token = self.prove_password(api, owner.user)

        assert self.verify(api, token, authenticator.get(self.ask(api, token))).status_code == 400

        authenticator.step = 1
        assert self.verify(api, token, authenticator.get(self.ask(api, token))).status_code == 200

    def test_a_challenge_for_a_sign_in_without_password_is_another(self, api, owner):
        """Neither token is good at the other's door."""
        authenticator = enroll(owner.user)
        mfa_token = self.prove_password(api, owner.user)
        mfa_options = self.ask(api, mfa_token)
        token, options = ask(api)

        assert login(api, mfa_token, authenticator.get(mfa_options)).status_code == 401
        assert self.verify(api, token, authenticator.get(options)).status_code == 401
        assert login(api, token, authenticator.get(mfa_options)).status_code == 401
        assert self.verify(api, mfa_token, authenticator.get(mfa_options)).status_code == 200

    def test_who_has_no_passkey_cannot_ask_for_one(self, api, owner):
        enroll(owner.user)
        token = self.prove_password(api, owner.user)
        assert self.ask(api, token)
        services.passkeys_of(owner.user).delete()

        response = api("post", "mfa/options/", {"mfa_token": token})

        assert (response.status_code, response.json()["code"]) == (409, "mfa_not_enabled")

    def test_a_recovery_code_stands_in(self, api, owner):
        """Who lost the device signs in all the same."""
        token, options = begin(api, owner)
        codes = confirm(api, owner, token, Authenticator().create(options)).json()["recovery_codes"]
        token = self.prove_password(api, owner.user)

        response = api("post", "mfa/verify/", {"mfa_token": token, "code": codes[0]})

        assert response.status_code == 200

    @pytest.mark.parametrize(
        ("proof", "error"),
        [
            ({}, ("code", "required")),
            ({"code": "123456", "credential": {}}, ("credential", "invalid")),
            ({"credential": {}}, ("credential", "invalid")),
            ({"credential": None}, ("credential", "null")),
            ({"credential": "x"}, ("credential", "not_an_object")),
        ],
    )
    def test_m3_malformed_proofs_are_400(self, api, owner, proof, error):
        authenticator = enroll(owner.user)
        token = self.prove_password(api, owner.user)
        options = self.ask(api, token)

        response = api("post", "mfa/verify/", {"mfa_token": token, **proof})

        assert (response.status_code, errors_of(response)) == (400, [error])
        assert self.verify(api, token, authenticator.get(options)).status_code == 200

    @pytest.mark.parametrize("token", ["x" * 43, "x", "used"])
    def test_a_token_that_is_no_good_is_401(self, api, owner, token):
        authenticator = enroll(owner.user)
        good = self.prove_password(api, owner.user)
        assert self.verify(api, good, authenticator.get(self.ask(api, good))).status_code == 200

        response = api("post", "mfa/options/", {"mfa_token": good if token == "used" else token})

        assert (response.status_code, response.json()["code"]) == (401, "invalid_token")
