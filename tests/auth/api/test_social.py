"""Signing in at a provider over HTTP, against a provider that runs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from functools import partial
from typing import Any

import jwt
import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.contrib.auth import get_user_model
from django.core import mail
from django.urls import resolve

from saas_kit.audit.models import Event
from saas_kit.auth import services
from saas_kit.auth.identity import has_verified_email, users_with_email
from saas_kit.auth.models import OneTimeToken, Session
from tests.auth.conftest import PASSWORD
from tests.auth.openid_provider import CLIENT_ID, CLIENT_SECRET, private_key, public_pem
from tests.auth.social import ADA, REDIRECT_URI, VERIFIER, provider, running_provider, verify_address

if apps.is_installed("allauth.socialaccount"):
    from allauth.mfa.models import Authenticator
    from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
    from allauth.socialaccount.providers.github.views import GitHubOAuth2Adapter
    from allauth.socialaccount.providers.google import views as google

__all__ = ["provider", "running_provider"]

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]

IN_2100 = 4102444800  # seconds since 1970


def code_of(provider, **kwargs):
    return provider.authorize(REDIRECT_URI, verifier=VERIFIER, **kwargs)["code"]


@pytest.fixture
def sign_in(api, provider):
    """Walk the whole way: to the provider, back with a code, and here."""

    def walk(path="social/corp/", **more: Any) -> Any:
        body = {"code": code_of(provider), "code_verifier": VERIFIER, "redirect_uri": REDIRECT_URI}
        return api("post", path, body, **more)

    return walk


@pytest.fixture
def sign_in_by_token(api, provider):
    """Sign in with an id_token that says what is given beside the usual."""

    def sign(sent_nonce: str | None = None, **overrides: Any) -> Any:
        body = {"id_token": provider.id_token_of(provider.person, **overrides)}
        return api("post", "social/corp/", body if sent_nonce is None else {**body, "nonce": sent_nonce})

    return sign


def assert_refused(response, status=401, code="invalid_credentials"):
    assert (response.status_code, response.json()["code"]) == (status, code)
    assert not Session.objects.exists()


def field_errors(response):
    assert response.status_code == 400
    return [(error["field"], error["code"]) for error in response.json()["errors"]]


class TestProviders:
    def test_lists_what_a_front_end_needs(self, api, provider):
        response = api("get", "social/providers/")

        assert response.status_code == 200
        assert response.json() == {
            "results": [
                {
                    "id": "corp",
                    "name": "Corp",
                    "kind": "openid_connect",
                    "client_id": CLIENT_ID,
                    "authorize_url": f"{provider.url}/authorize",
                    "scopes": ["openid", "profile", "email"],
                    "takes": ["code", "id_token"],
                }
            ]
        }
        assert CLIENT_SECRET not in response.content.decode()

    def test_asks_the_provider_once(self, api, provider):
        """Anybody may list the providers; that must not make the kit ask them each time."""
        for _ in range(3):
            api("get", "social/providers/")

        assert provider.asked == ["/.well-known/openid-configuration"]

    def test_a_provider_that_is_down_has_no_url(self, api, provider):
        provider.faults["/.well-known/openid-configuration"] = "gone"

        [listed] = api("get", "social/providers/").json()["results"]

        assert listed["authorize_url"] is None
        assert api("get", "social/providers/").status_code == 200
        assert len(provider.asked) == 1

    def test_rows_count_too_and_hidden_ones_do_not(self, api, provider):
        SocialApp.objects.create(provider="github", name="GitHub", client_id="row")
        SocialApp.objects.create(
            provider="google", name="Google", client_id="hidden", settings={"hidden": True}
        )

        listed = api("get", "social/providers/").json()["results"]

        assert {each["id"]: each["takes"] for each in listed} == {
            "corp": ["code", "id_token"],
            "github": ["code"],
        }

    @pytest.mark.parametrize("name", ["github", "openid_connect", "nothing", "CORP", "corp%00"])
    def test_others_are_404(self, api, provider, name):
        """What the host did not configure is not there, nor is a kind in the place of an id."""
        assert api("post", f"social/{name}/", {"code": "x"}).status_code == 404
        assert api("post", "social/corp/", {}).status_code == 400

    def test_none_are_there_without_settings(self, api):
        assert api("get", "social/providers/").json() == {"results": []}
        assert api("post", "social/corp/", {"code": "x"}).status_code == 404

    def test_two_of_one_id_are_404(self, api, provider):
        SocialApp.objects.create(provider="openid_connect", provider_id="corp", name="2", client_id="other")

        assert api("post", "social/corp/", {"code": "x"}).status_code == 404


class TestCode:
    def test_a_new_person_walks_the_whole_way(self, sign_in, api, provider, events):
        response = sign_in()

        assert response.status_code == 200
        body = response.json()
        assert body["mfa_required"] is False
        assert body["user"]["email"] == "ada@example.com"
        assert body["user"]["email_verified"] is True
        assert api("get", "me/", token=body["access"]).status_code == 200
        assert api("post", "refresh/", {"refresh": body["refresh"]}).status_code == 200
        assert not response.cookies
        person = get_user_model().objects.get()
        assert not person.has_usable_password()
        link = SocialAccount.objects.get()
        assert (link.user, link.provider, link.uid) == (person, "corp", "ada-1815")
        assert [event.changes for event in events("social_account.linked")] == [{"provider": [None, "corp"]}]

    def test_keeps_no_token_of_the_provider(self, sign_in, provider):
        sign_in()

        assert not SocialToken.objects.exists()
        assert SocialAccount.objects.get().extra_data == {"email": "ada@example.com"}

    @pytest.mark.hosts("full", "default_user")
    def test_takes_the_names(self, sign_in):
        user = sign_in().json()["user"]

        assert (user["first_name"], user["last_name"]) == ("Ada", "Lovelace")

    def test_a_new_person_has_an_account_and_an_organization(self, sign_in):
        me = sign_in().json()["user"]

        assert [each["role"] for each in me["memberships"]] == ["owner"]
        assert [each["role"] for each in me["accounts"]] == ["owner"]

    def test_i67_the_second_time_it_is_the_same_person(self, sign_in, provider):
        """I67: who is linked is found by (provider, uid), whatever their address has become."""
        first = sign_in().json()["user"]["id"]
        provider.person |= {"email": "countess@example.com"}

        second = sign_in().json()["user"]

        assert (second["id"], second["email"]) == (first, "ada@example.com")
        assert get_user_model().objects.count() == SocialAccount.objects.count() == 1
        assert SocialAccount.objects.get().extra_data == {"email": "countess@example.com"}

    def test_i67_another_uid_with_the_address_of_a_link_is_somebody_else(self, sign_in, provider):
        """I67: the address that a link remembers leads to nobody."""
        sign_in()
        get_user_model().objects.update(**{get_user_model().get_email_field_name(): "new@example.com"})
        EmailAddress.objects.update(email="new@example.com")
        provider.person |= {"sub": "mallory"}

        assert sign_in().json()["user"]["email"] == "ada@example.com"
        assert get_user_model().objects.count() == 2

    def test_takes_a_client_that_proves_itself_in_a_header(self, sign_in, provider):
        provider.basic_auth = True

        assert sign_in().status_code == 200

    def test_a_code_is_good_once(self, api, provider):
        body = {"code": code_of(provider), "code_verifier": VERIFIER}
        assert api("post", "social/corp/", body).status_code == 200
        Session.objects.all().delete()

        assert_refused(api("post", "social/corp/", body))

    @pytest.mark.parametrize("verifier", ["w" * 43, None])
    def test_a_stolen_code_is_of_no_use_without_the_verifier(self, api, provider, verifier):
        body = {"code": code_of(provider)}
        assert_refused(
            api("post", "social/corp/", body if verifier is None else {**body, "code_verifier": verifier})
        )

        body = {"code": code_of(provider), "code_verifier": VERIFIER}
        assert api("post", "social/corp/", body).status_code == 200

    def test_a_nonce_has_to_be_the_tokens(self, api, provider):
        for nonce, status in (("mine", 200), ("other", 401)):
            body = {"code": code_of(provider, nonce="mine"), "code_verifier": VERIFIER, "nonce": nonce}
            assert api("post", "social/corp/", body).status_code == status

    def test_a_nonce_without_an_id_token_is_refused(self, api, provider):
        """The token has none where the front end sent none to the provider."""
        body = {"code": code_of(provider), "code_verifier": VERIFIER, "nonce": "mine"}

        assert_refused(api("post", "social/corp/", body))

    @pytest.mark.parametrize(
        "overrides", [{"key": "other"}, {"aud": "another-client"}, {"iss": "https://evil"}]
    )
    def test_a_forged_id_token_beside_the_access_token_is_refused(self, sign_in, provider, overrides):
        """It came from the provider itself, and is verified as if it had not."""
        if "key" in overrides:
            overrides = {"key": private_key("other")}
        provider.token_overrides = overrides
        assert_refused(sign_in())

        provider.token_overrides = {}
        assert sign_in().status_code == 200

    def test_userinfo_of_somebody_else_is_refused(self, sign_in, provider):
        """OpenID Connect Core 1.0, 5.3.2: allauth takes whom userinfo names and does not compare."""
        provider.userinfo_overrides = {"sub": "victim", "email": "victim@example.com"}

        assert_refused(sign_in())
        assert not get_user_model().objects.exists()


class TestRedirectURI:
    @pytest.mark.parametrize(
        "uri",
        [
            "https://evil.example/social/corp",
            "https://app.example.com/social/google",
            "https://app.example.com/social/corp/../../evil",
            "https://app.example.com.evil.example/social/corp",
        ],
    )
    def test_i66_only_those_of_the_settings_are_taken(self, api, provider, uri):
        body = {"code": "x", "redirect_uri": uri}
        headers = {"Host": "localhost", "X-Forwarded-Host": "evil.example", "Origin": "https://evil.example"}

        response = api("post", "social/corp/", body, **headers)

        assert field_errors(response) == [("redirect_uri", "unknown_redirect_uri")]
        assert provider.asked == []

    def test_can_be_left_out(self, api, provider):
        body = {"code": code_of(provider), "code_verifier": VERIFIER}

        assert api("post", "social/corp/", body).status_code == 200

    def test_several_can_be_set(self, api, provider, settings):
        settings.SAAS_KIT_AUTH_SOCIAL_REDIRECT_URIS = ("https://a.example/{provider}", "app:back")

        for uri, status in (("https://a.example/corp", 200), ("app:back", 200), (REDIRECT_URI, 400)):
            code = provider.authorize(uri, verifier=VERIFIER)["code"]
            body = {"code": code, "code_verifier": VERIFIER, "redirect_uri": uri}
            assert api("post", "social/corp/", body).status_code == status

    def test_without_any_there_is_no_code(self, api, provider, settings):
        settings.SAAS_KIT_EMAIL_FRONTEND_URL = ""

        response = api("post", "social/corp/", {"code": code_of(provider), "code_verifier": VERIFIER})

        assert field_errors(response) == [("redirect_uri", "unknown_redirect_uri")]


class TestIdToken:
    def test_signs_in(self, sign_in_by_token):
        response = sign_in_by_token()

        assert response.status_code == 200
        assert response.json()["user"]["email_verified"] is True

    def test_a_nonce_has_to_be_the_tokens(self, sign_in_by_token):
        assert_refused(sign_in_by_token("mine"))
        assert_refused(sign_in_by_token("mine", nonce="another"))
        assert sign_in_by_token("mine", nonce="mine").status_code == 200

    @pytest.mark.parametrize(
        "overrides",
        [
            {"aud": "another-client"},
            {"aud": None},
            {"aud": ["another-client", CLIENT_ID]},
            {"aud": ["another-client", CLIENT_ID], "azp": "another-client"},
            {"iss": "https://evil.example"},
            {"iss": None},
            {"exp": 1},
            {"exp": None},
            {"iat": IN_2100},
            {"nbf": IN_2100},
            {"sub": None},
            {"sub": 7},
            {"sub": ""},
            {"sub": "\x00"},
            {"sub": "x" * 500},
            {"kid": "unknown"},
            {"kid": None},
            {"key": "foreign"},
            {"algorithm": "none"},
            {"algorithm": "HS256", "key": CLIENT_ID},
            {"algorithm": "HS256", "key": CLIENT_SECRET},
        ],
        ids=repr,
    )
    @pytest.mark.filterwarnings("ignore:The HMAC key:jwt.warnings.InsecureKeyLengthWarning")
    def test_t11_forged_and_stale_ones_are_refused(self, sign_in_by_token, overrides):
        if overrides.get("key") == "foreign":
            overrides = {"key": private_key("foreign")}

        response = sign_in_by_token(**overrides)

        assert_refused(response)
        assert not get_user_model().objects.exists()
        assert sign_in_by_token().status_code == 200

    def test_t11_the_public_key_is_no_secret(self, api, provider):
        """HS256 with the provider's public key, which PyJWT itself refuses to sign with."""

        def part(value: Any) -> str:
            return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

        claims = jwt.decode(provider.id_token_of(ADA), options={"verify_signature": False})
        signed = f"{part({'alg': 'HS256', 'kid': 'now'})}.{part(claims)}"
        signature = hmac.new(public_pem("now"), signed.encode(), hashlib.sha256).digest()
        token = f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"

        assert_refused(api("post", "social/corp/", {"id_token": token}))
        assert provider.asked == []  # no key is looked for that such a token could be verified with

    @pytest.mark.parametrize("token", ["x", "a.b.c", "..", "é.é.é", "e30.e30.e30", "." * 8000])
    def test_junk_is_refused(self, api, provider, token):
        assert_refused(api("post", "social/corp/", {"id_token": token}))
        assert provider.asked == []

    def test_azp_lets_one_of_several_audiences_in(self, sign_in_by_token):
        assert sign_in_by_token(aud=["another-client", CLIENT_ID], azp=CLIENT_ID).status_code == 200

    def test_one_with_an_id_is_good_once(self, sign_in_by_token):
        """allauth remembers the `jti` of what it took."""
        assert sign_in_by_token(jti="once").status_code == 200
        Session.objects.all().delete()

        assert_refused(sign_in_by_token(jti="once"))

    def test_the_providers_words_are_cleaned(self, sign_in_by_token):
        response = sign_in_by_token(given_name="A\x00da\u202e" + "x" * 500, family_name=None)

        assert response.status_code == 200

    @pytest.mark.parametrize("claim", ["given_name", "email"])
    @pytest.mark.parametrize("value", [7, ["a"], {"@": 1}, True])
    def test_strange_claims_are_no_server_error(self, sign_in_by_token, claim, value):
        assert sign_in_by_token(**{claim: value}).status_code in (200, 400, 401)


class TestInput:
    @pytest.mark.parametrize(
        ("body", "field"),
        [
            ({}, "code"),
            ({"code": ""}, "code"),
            ({"code": 1.5e300, "id_token": "x"}, "id_token"),
            ({"code": ["x"]}, "code"),
            ({"code": "x" * 10_000}, "code"),
            ({"code": "\x00"}, "code"),
            ({"code": "x", "id_token": "x"}, "code"),
            ({"code": "x", "code_verifier": "short"}, "code_verifier"),
            ({"code": "x", "code_verifier": "ß" * 43}, "code_verifier"),
            ({"code": "x", "provider": "corp"}, "provider"),
            ({"id_token": {"a": 1}}, "id_token"),
            ({"access_token": "x"}, "access_token"),
        ],
    )
    def test_bad_input_is_400_with_its_field(self, api, provider, body, field):
        assert field in dict(field_errors(api("post", "social/corp/", body)))
        assert provider.asked == []

    def test_an_access_token_alone_proves_nothing(self, api, provider):
        """With the access token of another client that client could sign in as its users (confused deputy)."""
        provider.access_tokens["stolen"] = dict(ADA)

        response = api("post", "social/corp/", {"access_token": "stolen"})

        assert field_errors(response) == [("access_token", "not_supported")]

    def test_attempts_are_limited_by_network_and_successes_free(self, api, sign_in, settings):
        settings.SAAS_KIT_AUTH_RATE_LIMITS = {"social": "3/h"}
        for _ in range(4):
            assert sign_in().status_code == 200

        statuses = [api("post", "social/corp/", {"code": "wrong"}).status_code for _ in range(4)]

        assert statuses == [401, 401, 401, 429]
        assert sign_in().status_code == 429

    def test_i51_whose_address_is_taken_cannot_be_tried_out(self, sign_in, provider, make_person, settings):
        """I51: a provider that lets people claim any address is no way to learn who has an account."""
        settings.SAAS_KIT_AUTH_RATE_LIMITS = {"social": "3/h"}
        make_person("ada@example.com")
        provider.person |= {"email_verified": False}

        assert [sign_in().status_code for _ in range(4)] == [409, 409, 409, 429]


class TestOutage:
    @pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/token", "/userinfo", "/jwks"])
    @pytest.mark.parametrize(
        "fault", ["gone", "500", "503", "redirect", "huge", "<html>", "[]", "{}", "null", "[" * 100_000]
    )
    def test_is_never_a_server_error(self, sign_in, provider, path, fault):
        provider.faults[path] = fault

        response = sign_in()

        if path == "/userinfo" and fault in ("[]", "{}", "null"):
            assert response.status_code == 200  # the id_token says enough
            return
        assert response.status_code in (401, 503)
        if fault in ("gone", "500", "503", "redirect", "huge"):
            assert (response.status_code, response.json()["code"]) == (503, "unavailable")
            assert response.headers["Retry-After"]
        assert not get_user_model().objects.exists()
        provider.faults.clear()
        assert sign_in().status_code == 200

    @pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks"])
    def test_is_said_for_tokens_too(self, sign_in_by_token, provider, path):
        provider.faults[path] = "500"

        assert_refused(sign_in_by_token(), 503, "unavailable")

    @pytest.mark.parametrize("fault", ["slow", "dripping"])
    def test_is_not_waited_for(self, sign_in, provider, settings, fault):
        settings.SOCIALACCOUNT_REQUESTS_TIMEOUT = 0.5
        provider.faults["/token"] = fault
        started = time.monotonic()

        assert_refused(sign_in(), 503, "unavailable")
        assert time.monotonic() - started < 2.5

    @pytest.mark.parametrize("path", ["social/corp/", "social/corp/connect/"])
    def test_does_not_hold_the_database(self, path):
        """Where ATOMIC_REQUESTS is on, a slow provider must not keep a transaction open."""
        assert resolve(f"/api/v1/auth/{path}").func._non_atomic_requests == {"default"}

    def test_a_secret_follows_no_redirect(self, sign_in, provider):
        provider.faults["/token"] = "redirect"

        sign_in()

        assert "/elsewhere" not in provider.asked

    def test_what_the_provider_said_is_not_logged(self, sign_in, provider, caplog):
        provider.faults["/token"] = '{"refresh_token": "a secret of somebody"}'

        assert_refused(sign_in())
        assert "OAuth2Error" in caplog.text
        assert "a secret of somebody" not in caplog.text


class TestAddress:
    def test_i67_a_verified_one_leads_to_who_verified_it_here(
        self, sign_in, make_person, events, django_capture_on_commit_callbacks
    ):
        """I67: and they are told. Their password stays, as they proved the address themselves."""
        ada = verify_address(make_person("ada@example.com"))
        mail.outbox.clear()

        with django_capture_on_commit_callbacks(execute=True):
            response = sign_in()

        assert response.json()["user"]["id"] in (ada.pk, str(ada.pk))
        ada.refresh_from_db()
        assert ada.has_usable_password()
        assert [each.to for each in mail.outbox] == [["ada@example.com"]]
        assert "Corp" in mail.outbox[0].body
        assert len(events("social_account.linked")) == 1

    @pytest.mark.parametrize("claim", [False, None, "false", "no", 0])
    def test_i67_t17_one_that_the_provider_did_not_verify_leads_nowhere(
        self, sign_in, provider, make_person, claim
    ):
        """Whoever can write any address into their profile at a provider could be anybody."""
        make_person("ada@example.com")
        provider.person |= {"email_verified": claim}
        for verified in (False, True):
            EmailAddress.objects.update(verified=verified)

            assert_refused(sign_in(), 409, "email_taken")
            assert not SocialAccount.objects.exists()

        provider.person |= {"email_verified": True}
        assert sign_in().status_code == 200

    @pytest.mark.parametrize("address", ["ADA@Example.COM", "ada@EXAMPLE.com"])
    def test_case_makes_no_other_person(self, sign_in, provider, make_person, address):
        ada = verify_address(make_person("ada@example.com"))
        provider.person |= {"email": address}

        assert sign_in().json()["user"]["id"] in (ada.pk, str(ada.pk))

    def test_t17_nothing_survives_that_somebody_prepared(self, sign_in, api, provider, make_person):
        """T17: Mallory registers with Ada's address, signs in, connects a provider and sets up a second factor."""
        mallory = make_person("ada@example.com")
        tokens = api("post", "login/", {"email": "ada@example.com", "password": PASSWORD}).json()
        SocialAccount.objects.create(user=mallory, provider="corp", uid="mallory")
        Authenticator.objects.create(user=mallory, type=Authenticator.Type.TOTP, data={"secret": "x"})
        services.request_password_reset("ada@example.com")
        assert OneTimeToken.objects.filter(ended_at__isnull=True).exists()

        response = sign_in()

        assert response.status_code == 200
        body = response.json()
        assert (body["mfa_required"], body["user"]["email_verified"]) == (False, True)
        assert api("get", "me/", token=tokens["access"]).status_code == 401
        assert api("post", "refresh/", {"refresh": tokens["refresh"]}).status_code == 401
        assert api("post", "login/", {"email": "ada@example.com", "password": PASSWORD}).status_code == 401
        assert not OneTimeToken.objects.filter(ended_at__isnull=True).exists()
        assert not Authenticator.objects.exists()
        assert [each.uid for each in SocialAccount.objects.all()] == ["ada-1815"]
        assert Event.objects.filter(action="user.claimed").count() == 1
        assert api("get", "me/", token=body["access"]).status_code == 200
        provider.person = {**ADA, "sub": "mallory", "email": "mallory@example.com"}
        assert sign_in().json()["user"]["email"] == "mallory@example.com"

    def test_no_address_is_400(self, sign_in, provider):
        for email in (None, "", "no address", "ada@exämple.com\u0000"):
            provider.person |= {"email": email}

            response = sign_in()

            assert [code for _, code in field_errors(response)] == ["email_required"]
        assert not get_user_model().objects.exists()

    def test_who_is_linked_needs_none(self, sign_in, provider):
        sign_in()
        provider.person.pop("email")

        assert sign_in().status_code == 200

    def test_a_deactivated_person_is_401(self, sign_in, provider, make_person):
        ada = verify_address(make_person("ada@example.com"))
        services.deactivate_user(ada, actor=None)
        assert_refused(sign_in())
        assert not SocialAccount.objects.exists()

        SocialAccount.objects.create(user=ada, provider="corp", uid="ada-1815")
        assert_refused(sign_in())

    def test_a_deactivated_person_with_an_unproved_address_is_not_claimed(self, sign_in, make_person):
        ada = make_person("ada@example.com")
        services.deactivate_user(ada, actor=None)

        assert_refused(sign_in())
        ada.refresh_from_db()
        assert ada.has_usable_password()

    @pytest.mark.hosts("default_user")
    def test_an_address_of_two_people_leads_to_the_one_who_proved_it(self, sign_in):
        """Django's own user model lets two people have one address."""
        people = [get_user_model().objects.create(username=name, email="ada@example.com") for name in "ab"]
        assert_refused(sign_in(), 409, "email_taken")

        EmailAddress.objects.create(user=people[1], email="ada@example.com", verified=True)
        assert sign_in().json()["user"]["id"] == people[1].pk

    def test_another_proved_address_of_somebody_leads_to_them(self, sign_in, make_person):
        ada = verify_address(make_person("countess@example.com"))
        EmailAddress.objects.create(user=ada, email="ada@example.com", verified=True)

        assert sign_in().json()["user"]["email"] == "countess@example.com"


class TestProofDue:
    @pytest.fixture(autouse=True)
    def _mandatory(self, settings):
        settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = "mandatory"

    def test_who_the_provider_vouches_for_is_signed_in(self, sign_in):
        assert sign_in().json()["user"]["email_verified"] is True
        assert mail.outbox == []

    def test_i55_somebody_else_gets_a_mail_and_no_tokens(
        self, sign_in, provider, django_capture_on_commit_callbacks
    ):
        provider.person |= {"email_verified": False}
        for count in (1, 2):
            with django_capture_on_commit_callbacks(execute=True):
                response = sign_in()

            assert response.status_code == 200
            assert set(response.json()) == {"detail"}
            assert not Session.objects.exists()
            assert [each.to for each in mail.outbox] == [["ada@example.com"]] * count
        person = users_with_email("ada@example.com").get()
        assert not has_verified_email(person)

        verify_address(person)
        assert "access" in sign_in().json()


class TestSecondFactor:
    def test_i64_is_asked_for(self, sign_in, make_person):
        """I64: a provider is one factor."""
        ada = verify_address(make_person("ada@example.com"))
        Authenticator.objects.create(user=ada, type=Authenticator.Type.TOTP, data={"secret": "x"})

        body = sign_in().json()

        assert body["mfa_required"] is True
        assert "access" not in body
        assert not Session.objects.exists()


class TestConnect:
    @pytest.fixture
    def make_person(self, make_person):
        """Make people who proved their address, as whoever connects a provider has to."""
        return partial(make_person, email_verified=True)

    def test_lets_the_caller_sign_in_there(
        self, sign_in, make_signed_in, api, django_capture_on_commit_callbacks
    ):
        """Whatever the address there is: the caller has proved that both are theirs."""
        caller = make_signed_in()
        mail.outbox.clear()

        with django_capture_on_commit_callbacks(execute=True):
            response = sign_in("social/corp/connect/", token=caller.access)

        assert response.status_code == 200
        assert (response.json()["provider"], response.json()["email"]) == ("corp", "ada@example.com")
        assert [each.to for each in mail.outbox] == [["person1@example.com"]]
        assert sign_in().json()["user"]["id"] in (caller.user.pk, str(caller.user.pk))
        assert api("get", "me/", token=caller.access).status_code == 200

    def test_twice_is_no_error(self, sign_in, make_signed_in):
        caller = make_signed_in()

        answers = [sign_in("social/corp/connect/", token=caller.access).json() for _ in range(2)]

        assert answers[0] == answers[1]

    def test_what_is_somebody_elses_is_409(self, sign_in, make_signed_in):
        sign_in()
        caller = make_signed_in()

        response = sign_in("social/corp/connect/", token=caller.access)

        assert (response.status_code, response.json()["code"]) == (409, "linked_elsewhere")
        assert not SocialAccount.objects.filter(user=caller.user).exists()

    def test_needs_somebody_who_is_signed_in(self, sign_in, provider):
        assert sign_in("social/corp/connect/").status_code == 401
        assert not SocialAccount.objects.exists()

    def test_an_unknown_provider_is_404(self, sign_in, make_signed_in):
        caller = make_signed_in()

        assert sign_in("social/github/connect/", token=caller.access).status_code == 404


class TestAccounts:
    @pytest.fixture
    def make_person(self, make_person):
        """Make people who proved their address, as whoever connects a provider has to."""
        return partial(make_person, email_verified=True)

    def test_lists_ones_own(self, sign_in, make_signed_in, api):
        access = sign_in().json()["access"]
        stranger = make_signed_in()

        [mine] = api("get", "social/accounts/", token=access).json()["results"]

        assert set(mine) == {"id", "provider", "email", "created_at", "last_used_at"}
        assert (mine["provider"], mine["email"]) == ("corp", "ada@example.com")
        assert api("get", "social/accounts/", token=stranger.access).json() == {"results": []}
        assert api("get", "social/accounts/").status_code == 401

    def test_the_last_way_in_stays(self, sign_in, api):
        access = sign_in().json()["access"]
        link = SocialAccount.objects.get()

        response = api("delete", f"social/accounts/{link.pk}/", token=access)

        assert (response.status_code, response.json()["code"]) == (409, "last_way_in")
        assert SocialAccount.objects.exists()

    def test_one_of_two_can_go(self, sign_in, api, events):
        access = sign_in().json()["access"]
        link = SocialAccount.objects.get()
        SocialAccount.objects.create(user=link.user, provider="github", uid="1")

        assert api("delete", f"social/accounts/{link.pk}/", token=access).status_code == 204

        assert [each.provider for each in SocialAccount.objects.all()] == ["github"]
        assert [each.changes for each in events("social_account.unlinked")] == [{"provider": ["corp", None]}]

    def test_the_only_one_of_who_has_a_password_can_go(self, sign_in, api, make_signed_in):
        caller = make_signed_in()
        link = sign_in("social/corp/connect/", token=caller.access).json()

        assert api("delete", f"social/accounts/{link['id']}/", token=caller.access).status_code == 204
        assert api("delete", f"social/accounts/{link['id']}/", token=caller.access).status_code == 404

    @pytest.mark.parametrize("number", ["0", str(10**30)])
    def test_what_is_not_ones_own_is_404(self, sign_in, api, make_signed_in, number):
        sign_in()
        caller = make_signed_in()
        theirs = SocialAccount.objects.get()

        assert api("delete", f"social/accounts/{number}/", token=caller.access).status_code == 404
        assert api("delete", f"social/accounts/{theirs.pk}/", token=caller.access).status_code == 404
        assert SocialAccount.objects.exists()


class TestGitHubAndGoogle:
    @pytest.fixture
    def github(self, provider, settings, monkeypatch):
        """GitHub's paths at the local provider, as GITHUB_URL sets them when allauth is loaded."""
        settings.SOCIALACCOUNT_PROVIDERS = {
            "github": {"APPS": [{"client_id": CLIENT_ID, "secret": CLIENT_SECRET}]}
        }
        for name, path in {
            "access_token_url": "/login/oauth/access_token",
            "authorize_url": "/login/oauth/authorize",
            "profile_url": "/api/v3/user",
            "emails_url": "/api/v3/user/emails",
        }.items():
            monkeypatch.setattr(GitHubOAuth2Adapter, name, provider.url + path)
        provider.person = {"id": 1815, "login": "ada", "name": "Ada Lovelace", "email": "public@example.com"}
        provider.emails = [
            {"email": "old@example.com", "primary": False, "verified": True},
            {"email": "ada@example.com", "primary": True, "verified": True},
        ]
        return provider

    @pytest.fixture
    def google(self, provider, settings, monkeypatch):
        """Google's paths at the local provider, as CERTS_URL and others set them when allauth is loaded."""
        settings.SOCIALACCOUNT_PROVIDERS = {
            "google": {"APPS": [{"client_id": CLIENT_ID, "secret": CLIENT_SECRET}]}
        }
        monkeypatch.setattr(google, "CERTS_URL", f"{provider.url}/certs")
        monkeypatch.setattr(google, "ID_TOKEN_ISSUER", provider.url)
        monkeypatch.setattr(google.GoogleOAuth2Adapter, "access_token_url", f"{provider.url}/token")
        return provider

    def walk(self, api, provider, name, path):
        uri = f"https://app.example.com/social/{name}"
        code = provider.authorize(uri, verifier=VERIFIER, path=path)["code"]
        return api("post", f"social/{name}/", {"code": code, "code_verifier": VERIFIER, "redirect_uri": uri})

    def test_github_tells_the_primary_address(self, api, github):
        response = self.walk(api, github, "github", "/login/oauth/authorize")

        assert response.status_code == 200
        assert response.json()["user"]["email"] == "ada@example.com"
        assert SocialAccount.objects.get().uid == "1815"

    def test_github_without_a_verified_address_leads_nowhere(self, api, github, make_person):
        verify_address(make_person("ada@example.com"))
        github.person.pop("email")
        github.emails = [{"email": "ada@example.com", "primary": True, "verified": False}]

        assert_refused(self.walk(api, github, "github", "/login/oauth/authorize"), 409, "email_taken")

    @pytest.mark.parametrize("emails", [{}, [1], [{}], "x"])
    def test_githubs_list_of_addresses_may_be_strange(self, api, github, emails):
        github.emails = emails

        assert self.walk(api, github, "github", "/login/oauth/authorize").status_code in (200, 401)

    def test_github_takes_no_token(self, api, github):
        for kind in ("id_token", "access_token"):
            response = api("post", "social/github/", {kind: "x"})
            assert field_errors(response) == [(kind, "not_supported")]

    def test_google_by_code_and_by_token(self, api, google):
        first = self.walk(api, google, "google", "/authorize").json()
        second = api("post", "social/google/", {"id_token": google.id_token_of(ADA)}).json()

        assert first["user"]["id"] == second["user"]["id"]
        assert first["user"]["email_verified"] is True

    @pytest.mark.parametrize(
        "overrides", [{"aud": "other"}, {"iss": "x"}, {"exp": 1}, {"kid": "x"}, {"key": 1}]
    )
    def test_googles_forged_tokens_are_refused(self, api, google, overrides):
        if "key" in overrides:
            overrides = {"key": private_key("other")}

        assert_refused(api("post", "social/google/", {"id_token": google.id_token_of(ADA, **overrides)}))


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
class TestRaces:
    @pytest.mark.parametrize("known", [None, "unproved", "proved"])
    def test_i67_parallel_first_sign_ins_make_one_person(self, api, provider, make_person, race, known):
        """I67: of one (provider, uid) there is one link, whichever request was first."""
        for number in range(5):
            person = {**ADA, "sub": f"ada-{number}", "email": f"ada{number}@example.com"}
            if known is not None:
                made = make_person(person["email"])
                if known == "proved":
                    verify_address(made)
            body = {"id_token": provider.id_token_of(person)}

            answers = race(*[partial(api, "post", "social/corp/", body)] * 5)

            assert [each.status_code for each in answers] == [200] * 5
            assert users_with_email(person["email"]).count() == 1
            assert SocialAccount.objects.filter(uid=person["sub"]).count() == 1

    def test_of_those_who_connect_the_same_one_succeeds(
        self, api, provider, make_person, make_signed_in, race
    ):
        for number in range(5):
            body = {"id_token": provider.id_token_of({**ADA, "sub": f"shared-{number}"})}
            tokens = [make_signed_in(make_person(email_verified=True)).access for _ in range(4)]

            def connect(token, body=body):
                return api("post", "social/corp/connect/", body, token=token)

            answers = race(*(partial(connect, each) for each in tokens))

            assert sorted(each.status_code for each in answers) == [200, 409, 409, 409]

    def test_one_of_two_last_ways_in_stays(self, api, make_person, make_signed_in, race):
        for _ in range(5):
            caller = make_signed_in(make_person(password=None))
            links = [
                SocialAccount.objects.create(user=caller.user, provider=name, uid=str(caller.user.pk))
                for name in ("corp", "github")
            ]

            def disconnect(link, token=caller.access):
                return api("delete", f"social/accounts/{link.pk}/", token=token)

            answers = race(*(partial(disconnect, each) for each in links))

            assert sorted(each.status_code for each in answers) == [204, 409]
