"""Second factors: what is stored of them, which codes are right, and how often."""

from __future__ import annotations

import base64
import logging
import threading
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import override_settings
from django.utils import timezone

from saas_kit.audit.models import Event
from saas_kit.auth import services, signals
from saas_kit.auth.exceptions import (
    EmailUnverified,
    EnrollmentNotStarted,
    InvalidCode,
    MFAAlreadyEnabled,
    MFANotEnabled,
    TokenGone,
    UnknownToken,
)
from saas_kit.auth.identity import email_field, has_mfa
from saas_kit.auth.models import OneTimeToken, Purpose
from saas_kit.core.exceptions import RateLimited
from tests.auth.authenticator_app import STEP, AuthenticatorApp

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]


@pytest.fixture(autouse=True)
def clock():
    """A clock that stands still, so that no step ends between two lines."""
    with time_machine.travel(timezone.now(), tick=False) as traveller:
        yield traveller


@pytest.fixture
def authenticators():
    """The rows of second factors, by kind, of one person."""
    from allauth.mfa.models import Authenticator

    def find(user):
        return {row.type: row for row in Authenticator.objects.filter(user=user)}

    return find


@pytest.fixture
def heard():
    """The names of what was told of second factors, with the arguments."""
    told, receivers = [], []
    for name in ("mfa_enabled", "mfa_disabled", "recovery_codes_renewed", "recovery_code_used"):

        def receiver(sender, signal, name=name, **arguments):
            told.append((name, arguments))

        receivers.append((getattr(signals, name), receiver))
        getattr(signals, name).connect(receiver)
    yield told
    for signal, receiver in receivers:
        signal.disconnect(receiver)


def begin(user):
    return services.begin_second_factor(user).token


def anew(user):
    """Read somebody anew, without what is remembered of them."""
    return get_user_model().objects.get(pk=user.pk)


def run_at_once(count, function):
    """Call a function in so many threads at the same moment, and return what each of them returned or raised."""
    barrier, results = threading.Barrier(count), []

    def run(number):
        try:
            barrier.wait(10)
            results.append(function(number))
        except Exception as error:  # noqa: BLE001 - the result of this thread
            results.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


class TestEnrollment:
    def test_an_app_gets_what_it_has_to_know(self, make_person, settings):
        """Its name is the product's, its account the address, and the picture says the same as the link."""
        settings.SAAS_KIT_EMAIL_PRODUCT_NAME = "Example & Co"
        person = make_person("ann@example.com", email_verified=True)

        enrollment = services.begin_totp(person)

        uri = urlsplit(enrollment.otpauth_uri)
        assert (uri.scheme, uri.netloc, uri.path) == ("otpauth", "totp", "/ann%40example.com")
        assert parse_qs(uri.query) == {"secret": [enrollment.secret], "issuer": ["Example & Co"]}
        assert len(base64.b32decode(enrollment.secret)) >= 16
        assert "<svg" in enrollment.qr_svg
        assert not has_mfa(person)

    def test_the_host_may_name_another_issuer(self, make_person, settings):
        settings.MFA_TOTP_ISSUER = "Example"
        uri = services.begin_totp(make_person(email_verified=True)).otpauth_uri

        assert parse_qs(urlsplit(uri).query)["issuer"] == ["Example"]

    def test_begins_once_it_is_confirmed(
        self, make_person, authenticators, heard, mailoutbox, django_capture_on_commit_callbacks
    ):
        """It is recorded, told and mailed, and there are ten different recovery codes."""
        person = make_person(email_verified=True)
        with django_capture_on_commit_callbacks(execute=True):
            app = AuthenticatorApp(services.begin_totp(person).secret)
            codes = services.confirm_totp(person, app.code())

        assert has_mfa(person)
        assert has_mfa(anew(person))
        assert set(authenticators(person)) == {"totp", "recovery_codes"}
        assert len(set(codes)) == 10
        assert services.count_recovery_codes(person) == 10
        assert heard == [("mfa_enabled", {"user": person, "method": "totp", "actor": person})]
        event = Event.objects.get(action="mfa.enabled")
        assert (event.target_id, event.actor_id) == (str(person.pk), person.pk)
        (mail,) = mailoutbox
        assert mail.to == [getattr(person, email_field())]
        assert "turned on" in mail.subject
        assert not any(secret in mail.body for secret in (app.secret, *codes))

    def test_needs_a_code_of_the_secret(self, make_person, authenticators):
        """I68: a wrong code leaves everything as it was, and the right one is still good."""
        person = make_person(email_verified=True)
        app = AuthenticatorApp(services.begin_totp(person).secret)

        with pytest.raises(InvalidCode):
            services.confirm_totp(person, app.wrong_code())

        assert authenticators(person) == {}
        assert services.confirm_totp(person, app.code())

    def test_only_the_latest_secret_counts(self, make_person):
        person = make_person(email_verified=True)
        first = AuthenticatorApp(services.begin_totp(person).secret)
        second = AuthenticatorApp(services.begin_totp(person).secret)

        with pytest.raises(InvalidCode):
            services.confirm_totp(person, first.code())
        assert services.confirm_totp(person, second.code())

    def test_is_over_after_a_while(self, make_person, clock):
        person = make_person(email_verified=True)
        app = AuthenticatorApp(services.begin_totp(person).secret)
        clock.shift(timedelta(minutes=15, seconds=1))

        with pytest.raises(EnrollmentNotStarted):
            services.confirm_totp(person, app.code())

    def test_dies_with_the_password(self, make_person):
        """I65: what whoever knew the old password began is over."""
        person = make_person(email_verified=True)
        app = AuthenticatorApp(services.begin_totp(person).secret)
        person.set_password("another good one")
        person.save()

        with pytest.raises(EnrollmentNotStarted):
            services.confirm_totp(person, app.code())

    def test_of_somebody_else_is_of_no_use(self, make_person):
        ann, bob = make_person(email_verified=True), make_person(email_verified=True)
        own = AuthenticatorApp(services.begin_totp(bob).secret)
        app = AuthenticatorApp(services.begin_totp(ann).secret)

        with pytest.raises(InvalidCode):
            services.confirm_totp(bob, app.code())
        assert not has_mfa(bob)
        assert services.confirm_totp(bob, own.code())

    def test_there_is_one_app(self, make_protected):
        protected = make_protected()

        with pytest.raises(MFAAlreadyEnabled):
            services.begin_totp(protected.user)
        with pytest.raises(MFAAlreadyEnabled):
            services.confirm_totp(protected.user, protected.app.code())

    @pytest.mark.parametrize("verification", ["mandatory", "optional", "off"])
    def test_needs_a_proved_address(self, make_person, settings, verification):
        """T17: whoever registers with the address of somebody else cannot lock them out."""
        settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = verification
        stranger = make_person()

        if verification == "off":
            assert services.begin_totp(stranger).secret
        else:
            with pytest.raises(EmailUnverified):
                services.begin_totp(stranger)
        assert services.begin_totp(make_person(email_verified=True)).secret

    @pytest.mark.postgresql
    @pytest.mark.django_db(transaction=True)
    def test_confirmed_five_times_at_once_is_confirmed_once(self, make_person):
        """I68: a race for one enrollment has one winner, and one set of codes."""
        person = make_person(email_verified=True)
        app = AuthenticatorApp(services.begin_totp(person).secret)

        results = run_at_once(5, lambda number: services.confirm_totp(anew(person), app.code()))

        assert sum(isinstance(result, list) for result in results) == 1
        assert sum(isinstance(result, MFAAlreadyEnabled) for result in results) == 4


class TestCodes:
    def test_the_app_of_the_test_is_that_of_the_rfc(self):
        """RFC 6238, appendix B."""
        app = AuthenticatorApp(base64.b32encode(b"12345678901234567890").decode())

        for seconds, code in ((59, "94287082"), (1111111109, "07081804"), (20000000000, "65353130")):
            with time_machine.travel(seconds, tick=False):
                assert app.code(digits=8) == code

    @pytest.mark.parametrize(
        ("steps", "is_right"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)]
    )
    def test_neighbour_steps_are_accepted(self, make_protected, clock, steps, is_right):
        """Clocks differ and people type slowly, by one step."""
        protected = make_protected()
        clock.shift(5 * STEP)

        if is_right:
            assert (
                services.verify_second_factor(begin(protected.user), protected.app.code(steps))
                == protected.user
            )
        else:
            with pytest.raises(InvalidCode):
                services.verify_second_factor(begin(protected.user), protected.app.code(steps))

    def test_the_host_may_accept_none_of_them(self, make_protected, clock, settings):
        protected = make_protected()
        settings.MFA_TOTP_TOLERANCE = 0
        clock.shift(5 * STEP)

        with pytest.raises(InvalidCode):
            services.verify_second_factor(begin(protected.user), protected.app.code(-1))
        assert services.verify_second_factor(begin(protected.user), protected.app.code())

    @pytest.mark.parametrize("spelling", ["{0}{1} {2}", " {0}{1}{2} ", "{0}{1}-{2}"])
    def test_spaces_and_dashes_do_not_matter(self, make_protected, make_person, spelling):
        person = make_person(email_verified=True)
        first = AuthenticatorApp(services.begin_totp(person).secret).code()
        recovery = services.confirm_totp(person, spelling.format(first[:2], first[2], first[3:]))[0]
        spelled = spelling.format(recovery[:4], recovery[4], recovery[5:])
        assert services.verify_second_factor(begin(person), spelled) == person
        protected = make_protected()
        code = protected.app.code()

        assert services.verify_second_factor(
            begin(protected.user), spelling.format(code[:2], code[2], code[3:])
        )

    def test_a_code_is_accepted_once(self, make_protected, clock):
        """I68: neither again, nor in another sign-in, nor one of a step before it (RFC 6238, section 5.2)."""
        protected = make_protected()
        clock.shift(5 * STEP)
        code = protected.app.code()
        assert services.verify_second_factor(begin(protected.user), code) == protected.user

        for used in (code, protected.app.code(-1)):
            with pytest.raises(InvalidCode):
                services.verify_second_factor(begin(protected.user), used)

        clock.shift(STEP)
        assert services.verify_second_factor(begin(protected.user), protected.app.code()) == protected.user

    def test_the_code_of_the_enrollment_is_used(self, make_person):
        """I68."""
        person = make_person(email_verified=True)
        app = AuthenticatorApp(services.begin_totp(person).secret)
        services.confirm_totp(person, app.code())

        with pytest.raises(InvalidCode):
            services.verify_second_factor(begin(person), app.code())
        assert services.verify_second_factor(begin(person), app.code(1))

    def test_is_refused_again_although_the_cache_is_lost(self, make_protected):
        """I68: what was used is kept in the database, whatever becomes of the cache."""
        from django.core.cache import cache

        protected = make_protected()
        code = protected.app.code()
        services.verify_second_factor(begin(protected.user), code)
        cache.clear()

        with pytest.raises(InvalidCode):
            services.verify_second_factor(begin(protected.user), code)

    def test_of_somebody_else_is_wrong(self, make_protected):
        ann, bob = make_protected(), make_protected()

        for code in (bob.app.code(), bob.recovery_codes[0]):
            with pytest.raises(InvalidCode):
                services.verify_second_factor(begin(ann.user), code)
        assert services.verify_second_factor(begin(ann.user), ann.app.code()) == ann.user

    @pytest.mark.postgresql
    @pytest.mark.django_db(transaction=True)
    def test_one_code_in_five_sign_ins_at_once_is_accepted_once(self, make_protected, settings):
        """I68: the rows of two tokens are not one another's, so the lock is on the person's app."""
        settings.SAAS_KIT_AUTH_RATE_LIMITS = {"mfa": None}
        protected = make_protected()
        code = protected.app.code()
        tokens = [begin(protected.user) for _ in range(5)]
        OneTimeToken.objects.filter(purpose=Purpose.SECOND_FACTOR).update(ended_at=None)

        results = run_at_once(5, lambda number: services.verify_second_factor(tokens[number], code))

        assert results.count(protected.user) == 1
        assert sum(isinstance(result, InvalidCode) for result in results) == 4


class TestRecoveryCodes:
    def test_each_is_good_once(self, make_protected, heard, django_capture_on_commit_callbacks):
        """I68: it is recorded and told, without the code."""
        protected = make_protected()
        code = protected.recovery_codes[3]

        with django_capture_on_commit_callbacks(execute=True):
            assert services.verify_second_factor(begin(protected.user), code) == protected.user

        with pytest.raises(InvalidCode):
            services.verify_second_factor(begin(protected.user), code)
        assert services.verify_second_factor(begin(protected.user), protected.recovery_codes[4])
        assert services.count_recovery_codes(protected.user) == 8
        assert (
            "recovery_code_used",
            {"user": protected.user, "remaining": 9, "actor": protected.user},
        ) in heard
        event = Event.objects.filter(action="mfa.recovery_code_used").order_by("pk").first()
        assert event.changes == {"remaining": 9}

    @pytest.mark.postgresql
    @pytest.mark.django_db(transaction=True)
    def test_one_in_five_sign_ins_at_once_is_accepted_once(self, make_protected, settings):
        """I68."""
        settings.SAAS_KIT_AUTH_RATE_LIMITS = {"mfa": None}
        protected = make_protected()
        tokens = [begin(protected.user) for _ in range(5)]
        OneTimeToken.objects.filter(purpose=Purpose.SECOND_FACTOR).update(ended_at=None)
        code = protected.recovery_codes[0]

        results = run_at_once(5, lambda number: services.verify_second_factor(tokens[number], code))

        assert results.count(protected.user) == 1
        assert sum(isinstance(result, InvalidCode) for result in results) == 4
        assert services.count_recovery_codes(protected.user) == 9

    def test_new_ones_end_the_old_ones(
        self, make_protected, heard, mailoutbox, django_capture_on_commit_callbacks
    ):
        protected = make_protected()

        with django_capture_on_commit_callbacks(execute=True):
            codes = services.renew_recovery_codes(protected.user)

        assert not set(codes) & set(protected.recovery_codes)
        with pytest.raises(InvalidCode):
            services.verify_second_factor(begin(protected.user), protected.recovery_codes[0])
        assert services.verify_second_factor(begin(protected.user), codes[0]) == protected.user
        assert heard[0] == ("recovery_codes_renewed", {"user": protected.user, "actor": protected.user})
        assert Event.objects.filter(action="mfa.recovery_codes_renewed").count() == 1
        (mail,) = mailoutbox
        assert "recovery codes" in mail.subject
        assert not any(code in mail.body for code in codes)

    def test_are_nothing_without_a_second_factor(self, make_person, authenticators):
        """Codes for when a second factor is lost are none themselves."""
        from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes

        person = make_person()
        with pytest.raises(MFANotEnabled):
            services.renew_recovery_codes(person)
        RecoveryCodes.activate(person)

        assert not has_mfa(anew(person))
        with pytest.raises(MFANotEnabled):
            services.renew_recovery_codes(person)
        assert services.count_recovery_codes(person) == 10


class TestToken:
    def test_is_good_once(self, make_protected, clock):
        """I68, I70."""
        protected = make_protected()
        token = begin(protected.user)
        assert services.verify_second_factor(token, protected.app.code()) == protected.user
        clock.shift(STEP)

        with pytest.raises(TokenGone):
            services.verify_second_factor(token, protected.app.code())

    def test_is_over_after_a_while(self, make_protected, clock):
        protected = make_protected()
        token = begin(protected.user)
        clock.shift(timedelta(minutes=5, seconds=1))

        with pytest.raises(TokenGone):
            services.verify_second_factor(token, protected.app.code())

    def test_dies_with_the_password_and_the_person(self, make_protected):
        """I74, T13."""
        changed, gone = make_protected(), make_protected()
        tokens = begin(changed.user), begin(gone.user)
        changed.user.set_password("another good one")
        changed.user.save()
        services.deactivate_user(gone.user, actor=None)

        for token, protected in zip(tokens, (changed, gone), strict=True):
            with pytest.raises(TokenGone):
                services.verify_second_factor(token, protected.app.code())

    def test_of_another_kind_is_unknown(self, make_protected):
        """I70, T19: no other one-time token stands for a first factor, and it for nothing else."""
        protected = make_protected()
        for purpose in set(Purpose) - {Purpose.SECOND_FACTOR}:
            token = services.issue_token(purpose, protected.user, lifetime=timedelta(hours=1))
            with pytest.raises(UnknownToken):
                services.verify_second_factor(token, protected.app.code())

            with pytest.raises(UnknownToken):
                services.find_token(purpose, begin(protected.user))

    def test_is_over_after_five_wrong_codes(self, make_protected, settings):
        """I68: however the limits are set; each is recorded."""
        settings.SAAS_KIT_AUTH_RATE_LIMITS = {"mfa": None}
        protected = make_protected()
        token = begin(protected.user)
        for _ in range(5):
            with pytest.raises(InvalidCode):
                services.verify_second_factor(token, protected.app.wrong_code())

        with pytest.raises(TokenGone):
            services.verify_second_factor(token, protected.app.code())

        assert Event.objects.filter(action="mfa.failed", target_id=str(protected.user.pk)).count() == 5
        assert services.verify_second_factor(begin(protected.user), protected.app.code()) == protected.user

    def test_five_wrong_codes_in_five_minutes_are_all(self, make_protected, clock):
        """I68: new tokens give no more tries; somebody else is not hindered, and the person not for good."""
        ann, bob = make_protected(), make_protected()
        clock.move_to(timezone.now().replace(minute=0, second=0) + timedelta(hours=1))
        for _ in range(5):
            with pytest.raises(InvalidCode):
                services.verify_second_factor(begin(ann.user), ann.app.wrong_code())

        token = begin(ann.user)
        for _ in range(3):
            with pytest.raises(RateLimited) as caught:
                services.verify_second_factor(token, ann.app.code())
        assert 0 < caught.value.retry_after <= 300
        clock.shift(timedelta(minutes=4, seconds=59))
        with pytest.raises(RateLimited):
            services.verify_second_factor(token, ann.app.code())
        assert services.verify_second_factor(begin(bob.user), bob.app.code()) == bob.user
        clock.shift(timedelta(seconds=2))
        assert services.verify_second_factor(begin(ann.user), ann.app.code()) == ann.user

    def test_right_codes_are_not_counted(self, make_protected):
        """I68: somebody who signs in on many devices is not slowed down."""
        protected = make_protected()

        for code in protected.recovery_codes[:8]:
            assert services.verify_second_factor(begin(protected.user), code) == protected.user

    @pytest.mark.postgresql
    @pytest.mark.django_db(transaction=True)
    def test_used_five_times_at_once_is_good_once(self, make_protected):
        """I68: five right codes, one token, one success."""
        protected = make_protected()
        token = begin(protected.user)

        results = run_at_once(
            5, lambda number: services.verify_second_factor(token, protected.recovery_codes[number])
        )

        assert results.count(protected.user) == 1
        assert sum(isinstance(result, TokenGone) for result in results) == 4
        assert services.count_recovery_codes(protected.user) == 9

    @pytest.mark.postgresql
    @pytest.mark.django_db(transaction=True)
    def test_twenty_wrong_codes_at_once_are_five_tries(self, make_protected):
        """I68: the limit is kept by parallel requests too."""
        protected = make_protected()
        tokens = [begin(protected.user) for _ in range(20)]
        OneTimeToken.objects.filter(purpose=Purpose.SECOND_FACTOR).update(ended_at=None)
        wrong = protected.app.wrong_code()

        results = run_at_once(20, lambda number: services.verify_second_factor(tokens[number], wrong))

        assert sum(isinstance(result, InvalidCode) for result in results) == 5
        assert sum(isinstance(result, RateLimited) for result in results) == 15

    def test_tells_no_secret_in_its_repr(self, make_protected, make_person):
        challenge = services.begin_second_factor(make_protected().user)
        enrollment = services.begin_totp(make_person(email_verified=True))

        assert challenge.token not in repr(challenge)
        assert challenge.methods == ["recovery_codes", "totp"]
        assert enrollment.secret not in repr(enrollment)


class TestRemoval:
    def test_takes_the_recovery_codes_along(
        self, make_protected, authenticators, heard, mailoutbox, django_capture_on_commit_callbacks
    ):
        protected = make_protected()

        with django_capture_on_commit_callbacks(execute=True):
            services.disable_totp(protected.user, actor=protected.user)

        assert authenticators(protected.user) == {}
        assert not has_mfa(protected.user)
        assert not has_mfa(anew(protected.user))
        assert heard[-1] == (
            "mfa_disabled",
            {"user": protected.user, "method": "totp", "actor": protected.user},
        )
        assert Event.objects.filter(action="mfa.disabled", actor=protected.user).count() == 1
        assert "turned off" in mailoutbox[-1].subject

    def test_leaves_the_recovery_codes_of_another_second_factor(self, make_protected, authenticators):
        from allauth.mfa.models import Authenticator

        protected = make_protected()
        Authenticator.objects.create(user=protected.user, type="webauthn", data={})

        services.disable_totp(protected.user, actor=protected.user)

        assert set(authenticators(protected.user)) == {"webauthn", "recovery_codes"}
        assert has_mfa(protected.user)
        assert services.verify_second_factor(begin(protected.user), protected.recovery_codes[0])

    def test_by_somebody_else_is_recorded_as_theirs(self, make_protected, make_person):
        """For whoever lost everything: a host's support takes it away, and the person is told."""
        protected, support = make_protected(), make_person()

        services.disable_totp(protected.user, actor=support)

        assert Event.objects.get(action="mfa.disabled").actor_id == support.pk

    def test_of_what_there_is_not(self, make_person):
        with pytest.raises(MFANotEnabled):
            services.disable_totp(make_person(), actor=None)

    def test_an_app_can_be_set_up_again(self, make_protected):
        protected = make_protected()
        services.disable_totp(protected.user, actor=protected.user)

        again = make_protected(protected.user)

        assert again.app.secret != protected.app.secret
        with pytest.raises(InvalidCode):
            services.verify_second_factor(begin(protected.user), protected.app.code())
        assert services.verify_second_factor(begin(protected.user), again.app.code())


class TestSecrets:
    def stored(self):
        """Everything that the database holds of second factors, as text."""
        from allauth.mfa.models import Authenticator

        return " ".join(str(data) for data in (*self.rows(Authenticator), *self.rows(OneTimeToken)))

    def rows(self, model):
        return model.objects.values_list("data", flat=True)

    def test_are_encrypted(self, make_person):
        """M5: neither the secret, nor a code, nor the seed of the codes is in the database; twice is not alike."""
        from allauth.mfa.adapter import get_adapter

        person = make_person(email_verified=True)
        app = AuthenticatorApp(services.begin_totp(person).secret)
        assert app.secret not in self.stored()
        codes = services.confirm_totp(person, app.code())

        assert not any(secret in self.stored() for secret in (app.secret, *codes))
        adapter = get_adapter()
        assert adapter.decrypt(adapter.encrypt("x")) == "x"
        assert adapter.encrypt("x") != adapter.encrypt("x")

    def test_outlive_a_new_key(self, make_protected, settings):
        """I78: with the old key in the fallbacks they are read, and written anew they need it no longer."""
        protected, old = make_protected(), settings.SECRET_KEY
        assert services.verify_second_factor(begin(protected.user), protected.app.code())
        with override_settings(SECRET_KEY="k" * 50, SECRET_KEY_FALLBACKS=[old]):
            assert services.verify_second_factor(begin(protected.user), protected.app.code(1))
            assert services.verify_second_factor(begin(protected.user), protected.recovery_codes[0])
            assert services.reencrypt_mfa_secrets() == 2
        with override_settings(SECRET_KEY="k" * 50, SECRET_KEY_FALLBACKS=[]):
            assert services.count_recovery_codes(protected.user) == 9
            assert services.verify_second_factor(begin(protected.user), protected.recovery_codes[1])

    def test_without_their_key_are_a_mistake_of_the_host(self, make_protected):
        """I78: it is said, and nobody gets in without the second factor."""
        protected = make_protected()

        with (
            override_settings(SECRET_KEY="k" * 50),
            pytest.raises(ImproperlyConfigured, match="SECRET_KEY_FALLBACKS"),
        ):
            services.verify_second_factor(begin(protected.user), protected.app.code())

    def test_codes_that_were_moved_from_elsewhere_are_good_and_encrypted_anew(
        self, make_protected, settings, authenticators
    ):
        from allauth.mfa.utils import encrypt

        protected, old = make_protected(), settings.SECRET_KEY
        row = authenticators(protected.user)["recovery_codes"]
        row.data = {"migrated_codes": [encrypt("abc-1234"), encrypt("def-5678")]}
        row.save()
        with override_settings(SECRET_KEY="k" * 50, SECRET_KEY_FALLBACKS=[old]):
            services.reencrypt_mfa_secrets()
        with override_settings(SECRET_KEY="k" * 50):
            assert services.verify_second_factor(begin(protected.user), "abc-1234") == protected.user
            assert services.count_recovery_codes(protected.user) == 1

    def test_are_in_no_log_and_no_audit_row(self, make_person, caplog):
        """M5."""
        caplog.set_level(logging.DEBUG)
        person = make_person(email_verified=True)
        app = AuthenticatorApp(services.begin_totp(person).secret)
        codes = services.confirm_totp(person, app.code())
        token = begin(person)
        services.verify_second_factor(token, codes[0])

        audited = " ".join(str(event.__dict__) for event in Event.objects.all())
        for secret in (app.secret, token, *codes):
            assert secret not in caplog.text
            assert secret not in audited


class TestPasskeyDomain:
    """T15: the names of passkeys come from settings."""

    def entity(self):
        from allauth.mfa.adapter import get_adapter

        return get_adapter().get_public_key_credential_rp_entity()

    def test_is_the_front_ends(self, settings):
        settings.SAAS_KIT_EMAIL_FRONTEND_URL = "https://app.example.com:8443/start"
        settings.SAAS_KIT_EMAIL_PRODUCT_NAME = "Example"

        assert self.entity() == {"id": "app.example.com", "name": "Example"}

    def test_may_be_another(self, settings):
        settings.SAAS_KIT_AUTH_PASSKEY_RP_ID = "example.com"

        assert self.entity()["id"] == "example.com"

    def test_is_needed(self, settings):
        settings.SAAS_KIT_EMAIL_FRONTEND_URL = ""

        with pytest.raises(ImproperlyConfigured, match="SAAS_KIT_AUTH_PASSKEY_RP_ID"):
            self.entity()

    def test_people_are_named_by_their_address(self, make_person):
        from allauth.mfa.adapter import get_adapter

        entity = get_adapter().get_public_key_credential_user_entity(make_person("ann@example.com"))

        assert (entity["name"], entity["display_name"]) == ("ann@example.com", "ann@example.com")
