"""Second factors over HTTP."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.db import connection
from django.utils import timezone

from saas_kit.audit.models import Event
from saas_kit.auth import services
from saas_kit.auth.identity import email_field
from saas_kit.auth.models import OneTimeToken, Purpose, Session
from tests.auth.authenticator_app import STEP, AuthenticatorApp
from tests.auth.conftest import PASSWORD

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]

JUNK = [
    "[]",
    '"x"',
    "null",
    "1",
    "true",
    "{",
    "",
    "[" * 10_000,
    '{"code":1,"code":2}',
    '{"code": NaN}',
    "\x00",
]
BAD_CODES = [
    (None, "null"),
    ("", "blank"),
    ("   ", "blank"),
    ("1" * 33, "max_length"),
    (123456, "invalid"),
    (1.5, "invalid"),
    (True, "invalid"),
    (["123456"], "invalid"),
    ({"code": "123456"}, "invalid"),
    ("12345\x00", "invalid_characters"),
    ("12345\ud800", "invalid_characters"),
]
WRONG_CODES = ["abcdef", "1", "0" * 32, "١٢٣٤٥٦", "é" * 6, "-", "123456 OR 1=1", "\N{GRINNING FACE}"]


@pytest.fixture(autouse=True)
def clock():
    """A clock that stands still, so that no step ends between two lines."""
    with time_machine.travel(timezone.now(), tick=False) as traveller:
        yield traveller


def errors_of(response):
    assert response.headers["Content-Type"] == "application/problem+json"
    return [(error["field"], error["code"]) for error in response.json()["errors"]]


def log_in(api, user, password=PASSWORD):
    return api("post", "login/", {"email": getattr(user, email_field()), "password": password})


def ask(api, user):
    """Prove the first factor, and return what stands for it."""
    answer = log_in(api, user)
    assert answer.status_code == 200
    return answer.json()["mfa_token"]


def verify(api, token, code):
    return api("post", "mfa/verify/", {"mfa_token": token, "code": code})


class TestLogin:
    def test_without_a_second_factor_answers_tokens(self, api, make_person):
        """The permitted twin: nothing is asked for that the person has not."""
        body = log_in(api, make_person()).json()

        assert set(body) == {"mfa_required", "access", "refresh", "user"}
        assert body["mfa_required"] is False
        assert not OneTimeToken.objects.filter(purpose=Purpose.SECOND_FACTOR).exists()

    def test_with_a_second_factor_answers_no_token(self, api, make_protected):
        """M5: the password alone opens no session."""
        protected = make_protected()
        before = get_user_model().objects.get(pk=protected.user.pk).last_login

        answer = log_in(api, protected.user)

        assert answer.status_code == 200
        body = answer.json()
        assert set(body) == {"mfa_required", "mfa_token", "methods"}
        assert (body["mfa_required"], body["methods"]) == (True, ["recovery_codes", "totp"])
        assert not Session.objects.exists()
        assert not answer.cookies
        assert get_user_model().objects.get(pk=protected.user.pk).last_login == before

    def test_with_recovery_codes_alone_answers_tokens(self, api, make_person):
        """They are left over, and no second factor."""
        from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes

        person = make_person()
        RecoveryCodes.activate(person)

        assert log_in(api, person).json()["mfa_required"] is False

    def test_a_wrong_password_says_nothing_of_a_second_factor(self, api, make_protected, make_person):
        """I59."""
        answers = [log_in(api, user, "wrong") for user in (make_protected().user, make_person())]

        bodies = [{**answer.json(), "request_id": None} for answer in answers]
        assert bodies[0] == bodies[1]
        assert {answer.status_code for answer in answers} == {401}

    def test_whether_there_is_one_takes_no_statement(self, api, make_person, django_assert_num_queries):
        """The statement that finds the person knows it, as many as before second factors were asked for."""
        from django.contrib.auth import authenticate

        from saas_kit.auth.identity import has_mfa

        person = make_person()
        with django_assert_num_queries(1):
            found = authenticate(None, email=getattr(person, email_field()), password=PASSWORD)
            assert not has_mfa(found)

    def test_the_token_is_no_access_token(self, api, make_protected):
        """I70, T19."""
        protected = make_protected()
        token = ask(api, protected.user)

        assert api("get", "me/", token=token).status_code == 401
        assert api("post", "refresh/", {"refresh": token}).status_code == 401
        assert verify(api, token, protected.app.code()).status_code == 200

    def test_a_reset_password_does_not_pass_it(self, api, make_protected):
        """I64: whoever gets into the mailbox still needs the second factor."""
        protected, new = make_protected(), "difference engine 1822"
        token = services.issue_token(
            Purpose.RESET_PASSWORD,
            protected.user,
            lifetime=timedelta(hours=1),
            email=getattr(protected.user, email_field()),
            dies_with_password=True,
        )

        reset = api("post", "password/reset/confirm/", {"token": token, "new_password": new})

        assert reset.status_code == 204
        answer = log_in(api, protected.user, new)
        assert answer.json()["mfa_required"] is True
        assert not Session.objects.live().exists()
        assert verify(api, answer.json()["mfa_token"], protected.app.code()).status_code == 200


class TestVerify:
    def test_answers_what_a_login_answers(self, api, make_protected, make_person):
        """The same fields, and tokens that work; the session knows the device."""
        protected = make_protected()
        plain = log_in(api, make_person()).json()
        body = {"mfa_token": ask(api, protected.user), "code": protected.app.code()}

        answer = api("post", "mfa/verify/", body, **{"User-Agent": "Safari"})

        assert answer.status_code == 200
        got = answer.json()
        assert set(got) == set(plain)
        assert set(got["user"]) == set(plain["user"])
        assert (got["mfa_required"], got["user"]["mfa_enabled"]) == (False, True)
        assert api("get", "me/", token=got["access"]).json() == got["user"]
        assert api("post", "refresh/", {"refresh": got["refresh"]}).status_code == 200
        session = Session.objects.get(user=protected.user)
        assert (session.ip_address, session.user_agent) == ("127.0.0.1", "Safari")
        assert get_user_model().objects.get(pk=protected.user.pk).last_login is not None

    def test_takes_a_recovery_code(self, api, make_protected):
        """I68: once."""
        protected = make_protected()
        code = protected.recovery_codes[0]

        assert verify(api, ask(api, protected.user), code).status_code == 200
        again = verify(api, ask(api, protected.user), code)
        assert (again.status_code, errors_of(again)) == (400, [("code", "invalid_code")])

    def test_a_code_is_good_once(self, api, make_protected, clock):
        """I68: the next one is good again."""
        protected = make_protected()
        code = protected.app.code()
        assert verify(api, ask(api, protected.user), code).status_code == 200

        replay = verify(api, ask(api, protected.user), code)

        assert (replay.status_code, errors_of(replay)) == (400, [("code", "invalid_code")])
        clock.shift(STEP)
        assert verify(api, ask(api, protected.user), protected.app.code()).status_code == 200

    def test_a_wrong_code_leaves_the_token_good(self, api, make_protected):
        protected = make_protected()
        token = ask(api, protected.user)

        wrong = verify(api, token, protected.app.wrong_code())

        assert (wrong.status_code, errors_of(wrong)) == (400, [("code", "invalid_code")])
        assert not Session.objects.exists()
        assert verify(api, token, protected.app.code()).status_code == 200

    @pytest.mark.django_db(transaction=True)
    def test_a_wrong_code_is_counted_under_atomic_requests(self, api, make_protected, monkeypatch):
        """I68: the error's answer must not roll it back."""
        monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)  # noqa: FBT003
        protected = make_protected()

        assert verify(api, ask(api, protected.user), protected.app.wrong_code()).status_code == 400

        assert OneTimeToken.objects.get(purpose=Purpose.SECOND_FACTOR).attempts == 1
        assert Event.objects.filter(action="mfa.failed").count() == 1

    def test_a_token_is_good_once(self, api, make_protected, clock):
        """I68."""
        protected = make_protected()
        token = ask(api, protected.user)
        assert verify(api, token, protected.app.code()).status_code == 200
        clock.shift(STEP)

        again = verify(api, token, protected.app.code())

        assert (again.status_code, again.json()["code"]) == (401, "invalid_token")
        assert again.headers["WWW-Authenticate"] == "Bearer"
        assert Session.objects.count() == 1

    def test_a_token_that_is_over_is_401(self, api, make_protected, clock):
        """I76: after five minutes; a new sign-in gets another."""
        protected = make_protected()
        token = ask(api, protected.user)
        clock.shift(timedelta(minutes=5, seconds=1))

        answer = verify(api, token, protected.app.code())

        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
        assert verify(api, ask(api, protected.user), protected.app.code()).status_code == 200

    def test_the_newest_token_counts(self, api, make_protected):
        protected = make_protected()
        first, second = ask(api, protected.user), ask(api, protected.user)

        assert verify(api, first, protected.app.code()).status_code == 401
        assert verify(api, second, protected.app.code()).status_code == 200

    @pytest.mark.parametrize("token", ["x", "a.b.c", "é" * 43, "A" * 43, 1, "../../", "' OR 1=1 --"])
    def test_garbage_is_401(self, api, make_protected, token):
        """T11, T19: with a good code, too."""
        answer = verify(api, token, make_protected().app.code())

        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")

    def test_a_token_of_another_kind_is_401(self, api, make_protected, make_signed_in):
        """I70: neither those of a session nor any other that is sent or shown."""
        protected = make_protected()
        signed_in = make_signed_in(protected.user)
        others = [
            services.issue_token(purpose, protected.user, lifetime=timedelta(hours=1))
            for purpose in set(Purpose) - {Purpose.SECOND_FACTOR}
        ]

        for token in others:
            assert verify(api, token, protected.app.code()).status_code == 401
        for token in (signed_in.access, signed_in.refresh):  # longer than a one-time token can be
            assert errors_of(verify(api, token, protected.app.code())) == [("mfa_token", "max_length")]
        assert verify(api, ask(api, protected.user), protected.app.code()).status_code == 200

    @pytest.mark.parametrize("value", [None, "", "x" * 201, [], {}, True, "a\x00b", "\ud800"])
    def test_a_value_that_is_no_token_is_400(self, api, make_protected, value):
        response = verify(api, value, make_protected().app.code())

        assert response.status_code == 400
        assert [field for field, _ in errors_of(response)] == ["mfa_token"]

    @pytest.mark.parametrize(("code", "error"), BAD_CODES)
    def test_a_value_that_is_no_code_is_400(self, api, make_protected, code, error):
        """I68: it is no try, and the token stays good."""
        protected = make_protected()
        token = ask(api, protected.user)

        response = verify(api, token, code)

        assert (response.status_code, errors_of(response)) == (400, [("code", error)])
        assert OneTimeToken.objects.get(purpose=Purpose.SECOND_FACTOR).attempts == 0
        assert verify(api, token, protected.app.code()).status_code == 200

    @pytest.mark.parametrize("code", WRONG_CODES)
    def test_a_text_that_is_not_the_code_is_400(self, api, make_protected, code):
        response = verify(api, ask(api, make_protected().user), code)

        assert (response.status_code, errors_of(response)) == (400, [("code", "invalid_code")])

    def test_fields_are_named(self, api):
        assert errors_of(api("post", "mfa/verify/", {"code": "1"})) == [("mfa_token", "required")]
        assert errors_of(api("post", "mfa/verify/", {"mfa_token": "x"})) == [("code", "required")]
        body = {"mfa_token": "x", "code": "1", "user": 1}
        assert errors_of(api("post", "mfa/verify/", body)) == [("user", "unknown")]

    @pytest.mark.parametrize("body", JUNK)
    def test_junk_is_400(self, api, body):
        """I120."""
        assert api("post", "mfa/verify/", body).status_code == 400

    def test_guessing_ends_after_five_tries(self, api, make_protected, clock):
        """I68: 429 with Retry-After, for new tokens too; the sessions that are open go on."""
        protected = make_protected()
        open_one = services.open_session(protected.user)
        clock.move_to(timezone.now().replace(minute=0, second=0) + timedelta(hours=1))
        for _ in range(5):
            assert verify(api, ask(api, protected.user), protected.app.wrong_code()).status_code == 400

        token = ask(api, protected.user)
        limited = verify(api, token, protected.app.code())

        assert (limited.status_code, limited.json()["code"]) == (429, "rate_limited")
        assert 0 < int(limited.headers["Retry-After"]) <= 300
        assert api("post", "refresh/", {"refresh": open_one.refresh}).status_code == 200
        clock.shift(timedelta(minutes=5))
        assert verify(api, ask(api, protected.user), protected.app.code()).status_code == 200

    def test_of_somebody_deactivated_meanwhile_is_401(self, api, make_protected):
        """I74, I75."""
        deactivated, deleted = make_protected(), make_protected()
        tokens = ask(api, deactivated.user), ask(api, deleted.user)
        services.deactivate_user(deactivated.user, actor=None)
        deleted.user.delete()

        assert verify(api, tokens[0], deactivated.app.code()).status_code == 401
        assert verify(api, tokens[1], deleted.app.code()).status_code == 401

    @pytest.mark.postgresql
    @pytest.mark.django_db(transaction=True)
    def test_ten_at_once_are_one_session(self, api, make_protected):
        """I68: a token is good once, whichever of ten good codes come with it."""
        protected = make_protected()
        token = ask(api, protected.user)
        barrier, statuses = threading.Barrier(10), []

        def run(code):
            try:
                barrier.wait(10)
                statuses.append(verify(api, token, code).status_code)
            finally:
                connection.close()

        threads = [threading.Thread(target=run, args=(code,)) for code in protected.recovery_codes]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert sorted(statuses) == [200] + [401] * 9
        assert Session.objects.count() == 1
        assert services.count_recovery_codes(protected.user) == 9


class TestTOTP:
    @pytest.fixture
    def ann(self, make_person, make_signed_in):
        """Somebody with a proved address."""
        return make_signed_in(make_person("ann@example.com", email_verified=True))

    def test_from_off_to_on_and_off_again(self, api, ann, clock):
        """The state, the secret, the confirmation and the removal, in the order of the contract."""
        assert api("get", "mfa/totp/", token=ann.access).json() == {
            "enabled": False,
            "enabled_at": None,
            "last_used_at": None,
        }

        begun = api("post", "mfa/totp/", token=ann.access)
        assert (begun.status_code, set(begun.json())) == (200, {"secret", "otpauth_uri", "qr_svg"})
        app = AuthenticatorApp(begun.json()["secret"])
        assert api("get", "mfa/totp/", token=ann.access).json()["enabled"] is False
        confirmed = api("post", "mfa/totp/confirm/", {"code": app.code(-1)}, token=ann.access)
        assert (confirmed.status_code, set(confirmed.json())) == (200, {"recovery_codes"})
        assert len(confirmed.json()["recovery_codes"]) == 10
        assert api("get", "me/", token=ann.access).json()["mfa_enabled"] is True

        assert verify(api, ask(api, ann.user), app.code()).status_code == 200
        state = api("get", "mfa/totp/", token=ann.access).json()
        assert state["enabled"] is True
        assert state["enabled_at"].endswith("Z")
        assert state["last_used_at"].endswith("Z")

        removed = api("delete", "mfa/totp/", {"current_password": PASSWORD}, token=ann.access)
        assert (removed.status_code, removed.content) == (204, b"")
        assert api("get", "me/", token=ann.access).json()["mfa_enabled"] is False
        assert log_in(api, ann.user).json()["mfa_required"] is False

    def test_leaves_other_sessions_alone(self, api, ann, make_signed_in):
        """A device that is signed in stays so, when it is turned on and off."""
        other = make_signed_in(ann.user)
        app = AuthenticatorApp(api("post", "mfa/totp/", token=ann.access).json()["secret"])
        assert api("post", "mfa/totp/confirm/", {"code": app.code()}, token=ann.access).status_code == 200
        assert api("get", "me/", token=other.access).status_code == 200

        api("delete", "mfa/totp/", {"current_password": PASSWORD}, token=ann.access)
        assert api("post", "refresh/", {"refresh": other.refresh}).status_code == 200

    def test_t15_no_host_header_gets_into_the_link(self, api, ann, settings):
        """I66: the name of the service is that of the settings."""
        settings.ALLOWED_HOSTS = ["*"]
        settings.SAAS_KIT_EMAIL_PRODUCT_NAME = "Example"

        body = api("post", "mfa/totp/", token=ann.access, Host="evil.example").json()

        assert "evil" not in str(body)
        assert "issuer=Example" in body["otpauth_uri"]

    def test_without_a_proved_address_is_409(self, api, make_signed_in):
        """T17."""
        answer = api("post", "mfa/totp/", token=make_signed_in().access)

        assert (answer.status_code, answer.json()["code"]) == (409, "email_unverified")

    def test_a_second_app_is_409(self, api, make_protected, make_signed_in):
        protected = make_protected()
        token = make_signed_in(protected.user).access

        begun = api("post", "mfa/totp/", token=token)
        confirmed = api("post", "mfa/totp/confirm/", {"code": protected.app.code()}, token=token)

        for answer in (begun, confirmed):
            assert (answer.status_code, answer.json()["code"]) == (409, "mfa_already_enabled")

    def test_confirming_what_was_not_begun_is_409(self, api, ann):
        answer = api("post", "mfa/totp/confirm/", {"code": "123456"}, token=ann.access)

        assert (answer.status_code, answer.json()["code"]) == (409, "mfa_enrollment_not_started")

    @pytest.mark.parametrize(("code", "error"), BAD_CODES)
    def test_a_bad_code_is_400(self, api, ann, code, error):
        app = AuthenticatorApp(api("post", "mfa/totp/", token=ann.access).json()["secret"])

        response = api("post", "mfa/totp/confirm/", {"code": code}, token=ann.access)

        assert (response.status_code, errors_of(response)) == (400, [("code", error)])
        assert api("post", "mfa/totp/confirm/", {"code": app.code()}, token=ann.access).status_code == 200

    @pytest.mark.parametrize("code", WRONG_CODES)
    def test_a_wrong_code_is_400(self, api, ann, code):
        api("post", "mfa/totp/", token=ann.access)

        response = api("post", "mfa/totp/confirm/", {"code": code}, token=ann.access)

        assert (response.status_code, errors_of(response)) == (400, [("code", "invalid_code")])

    @pytest.mark.parametrize(
        ("body", "error"),
        [
            ({}, "required"),
            ({"current_password": None}, "null"),
            ({"current_password": ""}, "blank"),
            ({"current_password": "x" * 5000}, "max_length"),
            ({"current_password": ["x"]}, "invalid"),
            ({"current_password": "a\x00b"}, "invalid_characters"),
            ({"current_password": "wrong"}, "wrong_password"),
        ],
    )
    def test_removing_it_needs_the_password(self, api, make_protected, make_signed_in, body, error):
        """I61: a stolen session cannot take the protection away."""
        protected = make_protected()
        token = make_signed_in(protected.user).access

        response = api("delete", "mfa/totp/", body, token=token)

        assert (response.status_code, errors_of(response)) == (400, [("current_password", error)])
        assert log_in(api, protected.user).json()["mfa_required"] is True

    def test_the_password_cannot_be_guessed_there(self, api, make_protected, make_signed_in, clock):
        """I61: five wrong ones in a minute, then not even the right one."""
        protected = make_protected()
        token = make_signed_in(protected.user).access
        clock.move_to(timezone.now().replace(second=0) + timedelta(minutes=1))
        for _ in range(5):
            assert api("delete", "mfa/totp/", {"current_password": "no"}, token=token).status_code == 400

        assert api("delete", "mfa/totp/", {"current_password": PASSWORD}, token=token).status_code == 429
        clock.shift(timedelta(minutes=1))
        assert api("delete", "mfa/totp/", {"current_password": PASSWORD}, token=token).status_code == 204

    def test_without_a_password_a_new_sign_in_does(
        self, api, make_person, make_protected, make_signed_in, clock
    ):
        """Somebody who signs in at a provider can remove it for ten minutes."""
        protected = make_protected(make_person(password=None, email_verified=True))
        old = make_signed_in(protected.user)
        clock.shift(timedelta(minutes=10, seconds=1))
        new = make_signed_in(protected.user)

        refreshed = api("post", "refresh/", {"refresh": old.refresh}).json()["access"]
        refused = api("delete", "mfa/totp/", {}, token=refreshed)

        assert (refused.status_code, refused.json()["code"]) == (403, "sign_in_too_old")
        assert api("delete", "mfa/totp/", {}, token=new.access).status_code == 204

    def test_removing_what_there_is_not_is_409(self, api, ann):
        answer = api("delete", "mfa/totp/", {"current_password": PASSWORD}, token=ann.access)

        assert (answer.status_code, answer.json()["code"]) == (409, "mfa_not_enabled")

    @pytest.mark.parametrize("body", JUNK)
    def test_junk_is_400(self, api, make_protected, make_signed_in, body):
        """I120."""
        token = make_signed_in(make_protected().user).access

        assert api("post", "mfa/totp/confirm/", body, token=token).status_code == 400
        assert api("delete", "mfa/totp/", body, token=token).status_code == 400
        assert api("get", "mfa/totp/", token=token).json()["enabled"] is True


class TestRecoveryCodes:
    def test_are_counted_and_renewed(self, api, make_protected, make_signed_in):
        protected = make_protected()
        token = make_signed_in(protected.user).access
        assert verify(api, ask(api, protected.user), protected.recovery_codes[0]).status_code == 200
        assert api("get", "mfa/recovery-codes/", token=token).json() == {"remaining": 9}

        renewed = api("post", "mfa/recovery-codes/", token=token)

        assert (renewed.status_code, set(renewed.json())) == (200, {"recovery_codes"})
        assert api("get", "mfa/recovery-codes/", token=token).json() == {"remaining": 10}
        old = verify(api, ask(api, protected.user), protected.recovery_codes[1])
        assert errors_of(old) == [("code", "invalid_code")]
        new = verify(api, ask(api, protected.user), renewed.json()["recovery_codes"][0])
        assert new.status_code == 200

    def test_without_a_second_factor_are_409(self, api, make_signed_in):
        token = make_signed_in().access

        answer = api("post", "mfa/recovery-codes/", token=token)

        assert (answer.status_code, answer.json()["code"]) == (409, "mfa_not_enabled")
        assert api("get", "mfa/recovery-codes/", token=token).json() == {"remaining": 0}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("get", "mfa/totp/"),
        ("post", "mfa/totp/"),
        ("delete", "mfa/totp/"),
        ("post", "mfa/totp/confirm/"),
        ("get", "mfa/recovery-codes/"),
        ("post", "mfa/recovery-codes/"),
    ],
)
def test_anonymous_is_401(api, make_protected, method, path):
    """I25: nor does an unfinished sign-in open anything."""
    protected = make_protected()
    for token in (None, ask(api, protected.user)):
        answer = api(method, path, {} if method != "get" else None, token=token)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_the_schema_tells_of_it():
    """A login has two shapes of answers, its end has one, and the removal has a body."""
    from drf_spectacular.generators import SchemaGenerator

    schema = SchemaGenerator().get_schema(request=None, public=True)

    def operation(method, path):
        return schema["paths"][f"/api/v1/auth/{path}"][method]

    def shape(described):
        return described["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]

    login = shape(operation("post", "login/")["responses"]["200"])
    answers = {each["$ref"].rpartition("/")[2] for each in schema["components"]["schemas"][login]["oneOf"]}
    assert answers == {"LoginAnswer", "SecondFactor"}
    assert shape(operation("post", "mfa/verify/")["responses"]["200"]) == "LoginAnswer"
    removal = operation("delete", "mfa/totp/")
    assert shape(removal["requestBody"]) == "DisableTOTPRequest"
    for method, path in (("post", "mfa/verify/"), ("post", "mfa/totp/confirm/"), ("delete", "mfa/totp/")):
        assert {"400", "401", "429", "503"} <= set(operation(method, path)["responses"])
