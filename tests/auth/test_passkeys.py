"""Passkeys are added, used and removed."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
import time_machine
from django.core import mail
from django.db import connection
from django.utils import timezone

from saas_kit.audit.models import Event
from saas_kit.auth import services, signals
from saas_kit.auth.exceptions import (
    EmailUnverified,
    InvalidCredentials,
    TokenGone,
    TooManyPasskeys,
    UnknownToken,
)
from saas_kit.auth.identity import email_field, has_mfa
from saas_kit.auth.models import OneTimeToken
from saas_kit.auth.services.passkeys import MAX_PASSKEYS
from saas_kit.core.exceptions import InvalidInput
from tests.auth.authenticator import Authenticator, encode, enroll

pytestmark = [pytest.mark.django_db, pytest.mark.hosts("full", "default_user", "custom_organization")]


STATEMENTS = 10  # of a use, the savepoint too


@pytest.fixture
def heard():
    """The names of what was told, in order, with what it was about."""
    told, receivers = [], []
    for name in ("passkey_added", "passkey_removed", "mfa_enabled", "mfa_disabled"):

        def receiver(sender, signal, user, actor, name=name, **more):
            told.append((name, user, actor))

        receivers.append((getattr(signals, name), receiver))
        getattr(signals, name).connect(receiver)
    yield told
    for signal, receiver in receivers:
        signal.disconnect(receiver)


def sign_in(authenticator):
    token, options = services.begin_passkey_sign_in()
    return services.check_passkey(token, authenticator.get(options))


def events_of(*actions):
    return list(Event.objects.filter(action__in=actions).order_by("id").values_list("action", "changes"))


class TestAdd:
    def test_is_a_second_factor_and_a_way_in(self, make_person):
        person = make_person()
        assert not has_mfa(person)

        authenticator = enroll(person)

        assert has_mfa(person)
        assert sign_in(authenticator) == person

    def test_gives_recovery_codes_once(self, make_person):
        """Who loses the only passkey is not locked out."""
        person = make_person()
        services.mark_verified(person)
        given = []
        for _ in range(2):
            token, options = services.begin_passkey(person)
            credential = Authenticator().create(options)
            _, codes = services.add_passkey(person, token, name="Key", credential=credential, actor=person)
            given.append(len(codes))

        assert given == [10, 0]
        assert services.count_recovery_codes(person) == 10

    def test_is_recorded_told_and_mailed(self, make_person, heard, django_capture_on_commit_callbacks):
        person = make_person()
        services.mark_verified(person)
        mail.outbox.clear()

        for name in ("Phone", "O'Brien's key"):
            with django_capture_on_commit_callbacks(execute=True):
                enroll(person, name=name)

        assert events_of("passkey.added") == [
            ("passkey.added", {"passkey": [None, "Phone"]}),
            ("passkey.added", {"passkey": [None, "O'Brien's key"]}),
        ]
        told = [name for name, user, actor in heard if user == actor == person]
        assert told == ["passkey_added", "mfa_enabled", "passkey_added"]
        added = [message for message in mail.outbox if "passkey" in message.subject]
        assert [message.to for message in added] == [[getattr(person, email_field())]] * 2
        assert "O'Brien's key" in added[1].body

    def test_keeps_nothing_that_was_not_asked_for(self, make_person):
        person = make_person()
        services.mark_verified(person)
        token, options = services.begin_passkey(person)
        credential = Authenticator().create(options) | {"more": "x" * 1000}

        passkey, _ = services.add_passkey(person, token, name="Key", credential=credential, actor=person)

        kept = passkey.data["credential"]
        assert set(kept) == {"id", "rawId", "type", "response", "clientExtensionResults"}
        assert set(kept["response"]) == {"clientDataJSON", "attestationObject"}

    @pytest.mark.parametrize(
        ("setting", "is_refused"), [("mandatory", True), ("optional", True), ("off", False)]
    )
    def test_needs_a_proved_address(self, make_person, settings, setting, is_refused):
        """T17: whoever registers with somebody's address cannot prepare a way in for later."""
        settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = setting
        person = make_person()

        if is_refused:
            with pytest.raises(EmailUnverified):
                services.begin_passkey(person)
            assert not OneTimeToken.objects.exists()
            services.mark_verified(person)
        assert services.begin_passkey(person)

    def test_is_refused_of_a_passkey_that_there_is(self, make_person):
        person = make_person()
        authenticator = enroll(person)
        (present,) = authenticator.passkeys

        token, options = services.begin_passkey(person)
        assert [each["id"] for each in options["excludeCredentials"]] == [encode(present.id)]
        with pytest.raises(InvalidInput):
            add(person, token, authenticator.create(options, present))

        assert add(person, token, authenticator.create(options))

    def test_there_are_so_many_at_most(self, make_person):
        """Every use of one reads them all, so that nobody can make sign-in expensive."""
        person = make_person()
        for _ in range(MAX_PASSKEYS):
            enroll(person)

        with pytest.raises(TooManyPasskeys):
            services.begin_passkey(person)

        services.remove_passkey(services.passkeys_of(person).first(), actor=person)
        assert services.begin_passkey(person)

    def test_i68_a_token_is_good_once_for_one_person_and_purpose(self, make_person):
        person, other = make_person(), make_person()
        for each in (person, other):
            services.mark_verified(each)
        token, options = services.begin_passkey(person)
        sign_in_token, _ = services.begin_passkey_sign_in()
        credential = Authenticator().create(options)

        for who, secret in ((other, token), (person, sign_in_token), (person, "x" * 43)):
            with pytest.raises(UnknownToken):
                add(who, secret, credential)
        assert add(person, token, credential)
        with pytest.raises(TokenGone):
            add(person, token, Authenticator().create(options))

    @pytest.mark.parametrize("end", ["time", "newer", "password"])
    def test_i68_a_token_ends(self, make_person, end):
        """By itself after five minutes, with the next one, and with the password that was asked for."""
        person = make_person()
        services.mark_verified(person)
        token, options = services.begin_passkey(person)
        later = timedelta(minutes=5, seconds=1) if end == "time" else timedelta(minutes=4, seconds=59)
        if end == "newer":
            services.begin_passkey(person)
        elif end == "password":
            services.change_password(person, "another good one", actor=person)

        with time_machine.travel(timezone.now() + later, tick=False), pytest.raises(TokenGone):
            add(person, token, Authenticator().create(options))

        token, options = services.begin_passkey(person)
        with time_machine.travel(timezone.now() + timedelta(minutes=4, seconds=59), tick=False):
            assert add(person, token, Authenticator().create(options))


class TestRemove:
    def test_is_of_no_use_any_more(self, make_person):
        person = make_person()
        lost, kept = enroll(person), enroll(person)

        services.remove_passkey(services.passkeys_of(person).earliest("pk"), actor=person)

        with pytest.raises(InvalidCredentials):
            sign_in(lost)
        assert sign_in(kept) == person

    def test_recovery_codes_go_with_the_last_second_factor(self, make_person):
        person = make_person()
        enroll(person)
        enroll(person)

        left = []
        for passkey in services.passkeys_of(person):
            services.remove_passkey(passkey, actor=person)
            left.append((has_mfa(type(person).objects.get()), services.count_recovery_codes(person)))

        assert left == [(True, 10), (False, 0)]

    def test_is_recorded_told_and_mailed(self, make_person, heard, django_capture_on_commit_callbacks):
        person, staff = make_person(), make_person()
        enroll(person, name="Phone")
        enroll(person, name="Key")
        mail.outbox.clear()
        heard.clear()

        for passkey in services.passkeys_of(person).order_by("pk"):
            with django_capture_on_commit_callbacks(execute=True):
                services.remove_passkey(passkey, actor=staff)
                services.remove_passkey(passkey, actor=staff)  # it is gone, and nothing is told of it

        assert events_of("passkey.removed") == [
            ("passkey.removed", {"passkey": ["Phone", None]}),
            ("passkey.removed", {"passkey": ["Key", None]}),
        ]
        assert heard == [
            ("passkey_removed", person, staff),
            ("passkey_removed", person, staff),
            ("mfa_disabled", person, staff),
        ]
        assert [message.to for message in mail.outbox] == [[getattr(person, email_field())]] * 2
        assert "Phone" in mail.outbox[0].body


class TestSignIn:
    def test_remembers_the_use(self, make_person):
        person = make_person()
        authenticator = enroll(person)
        assert services.passkeys_of(person).get().last_used_at is None

        sign_in(authenticator)

        used_at = services.passkeys_of(person).get().last_used_at
        assert timezone.now() - used_at < timedelta(minutes=1)

    def test_i59_somebody_deactivated_uses_none(self, make_person):
        person = make_person()
        authenticator = enroll(person)
        services.deactivate_user(person, actor=None)

        with pytest.raises(InvalidCredentials):
            sign_in(authenticator)
        assert services.passkeys_of(person).get().last_used_at is None

        type(person).objects.update(is_active=True)
        assert sign_in(authenticator) == person

    def test_an_authenticator_may_not_count(self, make_person):
        """Those of phones answer zero for ever, as a passkey that is synchronized has no one count."""
        authenticator = enroll(make_person(), Authenticator(step=0))

        assert sign_in(authenticator) == sign_in(authenticator)

    @pytest.mark.parametrize("step", [0, -1, -5])
    @pytest.mark.parametrize("uses", [0, 1])
    def test_a_copy_is_refused_and_recorded(self, make_person, step, uses):
        """WebAuthn 6.1.1: of a passkey and its copy one counts less than was counted already."""
        authenticator = enroll(make_person(), Authenticator(count=7))
        for _ in range(uses):
            sign_in(authenticator)
        authenticator.step = step

        with pytest.raises(InvalidCredentials):
            sign_in(authenticator)

        assert events_of("passkey.copied") == [("passkey.copied", {"passkey": "Phone"})]
        authenticator.passkeys[0].count, authenticator.step = 8, 1
        assert sign_in(authenticator)

    @pytest.mark.django_db(transaction=True)
    def test_what_a_failed_attempt_leaves_is_committed(self, make_person):
        """The token is used and the copy recorded, although an error is raised."""
        authenticator = enroll(make_person(), Authenticator(count=7, step=0))
        token, options = services.begin_passkey_sign_in()

        with pytest.raises(InvalidCredentials):
            services.check_passkey(token, authenticator.get(options))

        assert events_of("passkey.copied")
        authenticator.step = 1
        with pytest.raises(TokenGone):
            services.check_passkey(token, authenticator.get(options))
        assert sign_in(authenticator)

    def test_i68_a_token_is_good_for_five_minutes_and_one_purpose(self, make_person):
        person = make_person()
        authenticator = enroll(person)
        token, options = services.begin_passkey_sign_in()
        other, _ = services.begin_passkey(person)

        with pytest.raises(UnknownToken):
            services.check_passkey(other, authenticator.get(options))
        late = timezone.now() + timedelta(minutes=5, seconds=1)
        with time_machine.travel(late, tick=False), pytest.raises(TokenGone):
            services.check_passkey(token, authenticator.get(options))

        token, options = services.begin_passkey_sign_in()
        with time_machine.travel(timezone.now() + timedelta(minutes=4, seconds=59), tick=False):
            assert services.check_passkey(token, authenticator.get(options)) == person

    @pytest.mark.postgresql
    @pytest.mark.django_db(transaction=True)
    def test_i68_of_parallel_uses_of_an_answer_one_counts(self, make_person):
        """The token is locked, so that a replay at the same moment finds it used."""
        authenticator = enroll(make_person(), Authenticator(step=0))
        for _ in range(5):
            token, options = services.begin_passkey_sign_in()
            outcomes = in_parallel([(token, authenticator.get(options))] * 4)
            assert sorted(outcomes) == ["TokenGone"] * 3 + ["in"]

    @pytest.mark.postgresql
    @pytest.mark.django_db(transaction=True)
    def test_of_parallel_answers_with_one_count_one_counts(self, make_person):
        """The count is compared under the lock of the row: a copy cannot slip in at the same moment."""
        authenticator = enroll(make_person(), Authenticator(count=1, step=0))
        for count in range(2, 7):
            authenticator.passkeys[0].count = count
            attempts = []
            for _ in range(4):
                token, options = services.begin_passkey_sign_in()
                attempts.append((token, authenticator.get(options)))
            assert sorted(in_parallel(attempts)) == ["InvalidCredentials"] * 3 + ["in"]

    def test_costs_the_same_with_many_passkeys(self, make_person, django_assert_num_queries):
        few, many = make_person(), make_person()
        authenticators = [enroll(few)] + [enroll(many) for _ in range(5)]

        for authenticator in (authenticators[0], authenticators[3]):
            token, options = services.begin_passkey_sign_in()
            credential = authenticator.get(options)
            with django_assert_num_queries(STATEMENTS):
                services.check_passkey(token, credential)


def add(person, token, credential):
    return services.add_passkey(person, token, name="Key", credential=credential, actor=person)


def in_parallel(attempts):
    barrier, outcomes = threading.Barrier(len(attempts)), []

    def run(token, credential):
        try:
            barrier.wait(10)
            services.check_passkey(token, credential)
            outcomes.append("in")
        except Exception as error:  # noqa: BLE001 - its name is what is compared
            outcomes.append(type(error).__name__)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=attempt) for attempt in attempts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes
