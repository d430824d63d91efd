"""People ask for their erasure, change their mind, and are made anonymous when it is due."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from io import StringIO
from typing import ClassVar

import pytest
import time_machine
from django.apps import apps
from django.contrib.auth import authenticate, get_user_model
from django.core import mail
from django.core.management import CommandError, call_command
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone

from saas_kit.audit.models import Event
from saas_kit.auth import messages, services, signals
from saas_kit.auth.exceptions import EmailTaken, InvalidCredentials, SignInTooOld
from saas_kit.auth.identity import email_field, has_field, username_field
from saas_kit.auth.models import Erasure, OneTimeToken, Purpose, Session
from saas_kit.auth.services import erasure, export, retention
from saas_kit.core.exceptions import Conflict
from saas_kit.email.messages import Message
from saas_kit.email.models import OutboxMessage, State
from saas_kit.email.services import send
from tests.auth.conftest import PASSWORD

pytestmark = [
    pytest.mark.django_db,
    pytest.mark.hosts("full", "default_user", "custom_organization", "models_only"),
]

CANARY = "canary-7f3a"
FIFTEEN_DAYS = timedelta(days=15)


class InTheWay(Conflict):
    code = "in_the_way"


@pytest.fixture
def steps(monkeypatch):
    """The registry of steps, empty, and as it was afterwards."""
    registered = {}
    monkeypatch.setattr(erasure, "_steps", registered)
    return registered


@pytest.fixture
def heard():
    """What was told: names of signals and their arguments."""
    told, receivers = [], []
    for name in ("erasure_requested", "erasure_cancelled", "user_erased"):

        def receiver(sender, signal, name=name, **arguments):
            told.append((name, arguments))

        receivers.append((getattr(signals, name), receiver))
        getattr(signals, name).connect(receiver)
    yield told
    for signal, receiver in receivers:
        signal.disconnect(receiver)


@dataclass(frozen=True, kw_only=True)
class Joined(Message):
    """Tells somebody of somebody else."""

    member: str
    email: str
    organization: str
    role: str

    kind: ClassVar = "tests.erasure_joined"
    subject: ClassVar = "{member} has joined"

    def render_text(self, **extra):
        return f"{self.member} ({self.email}) has joined.\n"


@pytest.fixture
def write_message():
    """Return a function that writes a message which was sent some time ago."""

    def write(message, *, to="owner@example.com", state=State.SENT):
        key = send(message, to=to)
        OutboxMessage.objects.filter(pk=key).update(state=state)
        return OutboxMessage.objects.get(pk=key)

    return write


@pytest.fixture
def make_due(make_person):
    """Return a function that makes somebody whose erasure is due."""

    def make(person=None):
        person = person or make_person()
        with time_machine.travel(timezone.now() - FIFTEEN_DAYS, tick=False):
            services.request_erasure(person, actor=person)
        return person

    return make


@pytest.fixture
def fill(make_person):
    """Return a function that makes somebody of whom every table of sign-in knows something."""

    def make(email=f"{CANARY}@example.com"):
        names = {name: CANARY for name in ("first_name", "last_name") if has_field(name)}
        person = make_person(email, **names)
        services.open_session(person, ip_address="192.0.2.1", user_agent=CANARY)
        services.issue_token(Purpose.RESET_PASSWORD, person, lifetime=timedelta(hours=1), email=email)
        if apps.is_installed("allauth.socialaccount"):
            model = apps.get_model("socialaccount.SocialAccount")
            account = model.objects.create(
                user=person, provider="github", uid=f"{CANARY}-{person.pk}", extra_data={"a": CANARY}
            )
            apps.get_model("socialaccount.SocialToken").objects.create(account=account, token=CANARY)
        if apps.is_installed("allauth.mfa"):
            model = apps.get_model("mfa.Authenticator")
            model.objects.create(user=person, type="totp", data={"secret": CANARY})
        return person

    return make


def stored(person):
    return get_user_model()._base_manager.get(pk=person.pk)


def purge(*arguments):
    """Run the command; returns what it printed, to its output and as errors."""
    out, err = StringIO(), StringIO()
    call_command("saas_kit_purge_people", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def tables_with(text):
    """The tables that have a text anywhere in a row."""
    found = set()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            if any(text in str(value) for row in cursor.fetchall() for value in row):
                found.add(table)
    return found


class TestRequest:
    def test_ends_all_sessions_and_says_when(self, make_signed_in, heard, django_capture_on_commit_callbacks):
        """I74: sessions are over at once; the message and the signal name the date, after the commit."""
        signed_in = make_signed_in()
        person = signed_in.user

        with time_machine.travel("2026-03-01 12:00:00Z", tick=False):
            Session.objects.update(expires_at=timezone.now() + timedelta(days=1))
            with django_capture_on_commit_callbacks(execute=True):
                requested = services.request_erasure(person, actor=person)
                assert (mail.outbox, heard) == ([], [])

        assert requested.due_at.isoformat() == "2026-03-15T12:00:00+00:00"
        assert not Session.objects.get(pk=signed_in.session.pk).is_live
        assert stored(person).is_active
        (message,) = mail.outbox
        assert message.to == [getattr(person, email_field())]
        assert "March 15, 2026 at 12:00 (UTC)" in message.body
        assert "sign in before then" in message.body
        (arguments,) = [each for name, each in heard if name == "erasure_requested"]
        assert (arguments["user"], arguments["due_at"], arguments["actor"]) == (
            person,
            requested.due_at,
            person,
        )
        event = Event.objects.get(action="erasure.requested")
        assert (event.target_id, event.actor_id) == (str(person.pk), person.pk)

    def test_asking_twice_does_not_move_the_date(self, make_person, django_capture_on_commit_callbacks):
        person = make_person()
        first = services.request_erasure(person, actor=person)

        with (
            time_machine.travel(timezone.now() + timedelta(days=3), tick=False),
            django_capture_on_commit_callbacks(execute=True),
        ):
            again = services.request_erasure(person, actor=person)

        assert (again.pk, again.due_at) == (first.pk, first.due_at)
        assert mail.outbox == []
        assert Event.objects.filter(action="erasure.requested").count() == 1

    def test_is_refused_where_a_step_refuses(self, make_signed_in, steps, django_capture_on_commit_callbacks):
        """What a step raises is raised; nothing was begun, and the session goes on. Its twin is carried out."""
        signed_in = make_signed_in()

        def refuse(user, email):
            raise InTheWay

        services.register_erasure_step("mine", refuse)
        with django_capture_on_commit_callbacks(execute=True), pytest.raises(InTheWay):
            services.request_erasure(signed_in.user, actor=signed_in.user)
        assert not Erasure.objects.exists()
        assert Session.objects.get(pk=signed_in.session.pk).is_live
        assert mail.outbox == []

        services.register_erasure_step("mine", lambda user, email: None)
        services.request_erasure(signed_in.user, actor=signed_in.user)
        assert Erasure.objects.exists()

    def test_what_steps_do_is_undone_until_it_is_due(
        self, make_person, steps, django_capture_on_commit_callbacks
    ):
        """The steps are tried: what they write is rolled back, and what waits for the commit never happens."""
        person, other, told = make_person(), make_person(), []

        def step(user, email):
            services.deactivate_user(other, actor=None)
            transaction.on_commit(partial(told.append, email))

        services.register_erasure_step("mine", step)
        with django_capture_on_commit_callbacks(execute=True):
            services.request_erasure(person, actor=person)
        assert stored(other).is_active
        assert told == []

        with django_capture_on_commit_callbacks(execute=True):
            services.erase_user(person, actor=None)
        assert not stored(other).is_active
        assert told == [getattr(person, email_field())]

    def test_without_a_password_the_sign_in_has_to_be_recent(self, make_signed_in):
        session = make_signed_in().session

        with time_machine.travel(session.created_at + timedelta(minutes=9), tick=False):
            services.require_recent_sign_in(session)
        with (
            time_machine.travel(session.created_at + timedelta(minutes=11), tick=False),
            pytest.raises(SignInTooOld),
        ):
            services.require_recent_sign_in(session)


class TestCancel:
    def test_signing_in_cancels(self, make_person, heard, django_capture_on_commit_callbacks):
        """Until it is due, whoever signs in keeps their account, which a message says."""
        person = make_person()
        services.request_erasure(person, actor=person)
        other = make_person()
        services.request_erasure(other, actor=other)

        with django_capture_on_commit_callbacks(execute=True):
            session = services.open_session(person).session

        assert [each.user for each in Erasure.objects.all()] == [other]
        assert session.is_live
        (message,) = mail.outbox
        assert message.to == [getattr(person, email_field())]
        assert "will not be deleted" in message.subject
        assert [(name, each["user"]) for name, each in heard] == [("erasure_cancelled", person)]
        assert Event.objects.get(action="erasure.cancelled").actor_id == person.pk

    def test_signing_in_to_a_page_of_djangos_cancels_too(self, make_person):
        """The admin's sign-in, and any other that tells of itself as Django's does."""
        person = make_person()
        services.request_erasure(person, actor=person)

        Client().force_login(person, backend="saas_kit.auth.backends.EmailBackend")

        assert not Erasure.objects.exists()

    def test_signing_in_without_one_says_nothing(
        self, make_person, heard, django_capture_on_commit_callbacks
    ):
        with django_capture_on_commit_callbacks(execute=True):
            services.open_session(make_person())

        assert (mail.outbox, heard) == ([], [])
        assert not Event.objects.filter(action="erasure.cancelled").exists()


class TestErase:
    def test_i101_the_person_is_nobody_and_the_row_stays(
        self, fill, heard, django_capture_on_commit_callbacks
    ):
        """I101: they cannot sign in, and what they wrote keeps an author who is nobody."""
        person = fill()
        email = getattr(person, email_field())
        assert authenticate(email=email, password=PASSWORD) == person

        with django_capture_on_commit_callbacks(execute=True):
            services.erase_user(person, actor=None)

        nobody = stored(person)
        address = getattr(nobody, email_field())
        assert address.startswith("erased-")
        assert address.endswith("@erased.invalid")
        assert not nobody.is_active
        assert not nobody.has_usable_password()
        assert nobody.last_login is None
        if username_field():
            assert getattr(nobody, username_field()).startswith("erased-")
        for name in ("first_name", "last_name"):
            assert getattr(nobody, name, "") == ""
        assert authenticate(email=email, password=PASSWORD) is None
        with pytest.raises(InvalidCredentials):
            services.open_session(nobody)
        ((name, told),) = heard
        assert (name, told["user"], told["email"]) == ("user_erased", nobody, email)

    def test_i101_the_address_is_free_afterwards_only(self, make_due, make_person):
        """I101: until the purge the address is theirs; then anybody may take it."""
        person = make_due()
        email = getattr(person, email_field())
        with pytest.raises(EmailTaken):
            make_person(email)

        purge()

        assert make_person(email).pk != person.pk

    def test_i102_nothing_but_the_audit_log_knows_them(self, fill, make_person):
        """I102: a word that every table of sign-in had is found in none; the audit log is append-only."""
        person, other = fill(), fill("other@example.com")
        services.request_erasure(person, actor=person)
        kept = tables_with(CANARY)
        assert {"saas_kit_auth_session", "account_emailaddress"} <= kept
        services.erase_user(other, actor=None)

        services.erase_user(person, actor=None)

        assert tables_with(CANARY) == {"saas_kit_audit_event"}
        assert not Erasure.objects.exists()

    @pytest.mark.parametrize("name", ["Grace Hopper", "Zoë “Z” O\\Neill"])
    def test_i102_messages_to_others_name_them_no_more(self, make_person, write_message, name):
        """I102: they stay without the name and the address; whoever has an address or a name like it keeps theirs."""
        names = dict(zip(("first_name", "last_name"), name.split(" ", 1), strict=True))
        field = "full_name" if has_field("full_name") else ""
        person = make_person("grace@example.com", **({field: name} if field else names))
        values = {"organization": "Acme", "role": "Member"}
        joined = write_message(Joined(member=name, email="Grace@example.com", **values))
        other = write_message(Joined(member=f"{name}s", email="mgrace@example.com", **values))
        waiting = write_message(Joined(member=name, email="grace@example.com", **values), state=State.QUEUED)
        moved = write_message(messages.EmailChanged(new_email="grace@example.com"), to="old@example.com")
        elsewhere = write_message(messages.EmailChanged(new_email="ada@example.com"), to="old@example.com")

        services.erase_user(person, actor=None)

        left = {row.pk: row.context for row in OutboxMessage.objects.all()}
        assert left[joined.pk] == {"member": "", "email": "", **values}
        assert left[other.pk] == other.context
        assert left[waiting.pk] == waiting.context
        assert moved.pk not in left
        assert left[elsewhere.pk] == elsewhere.context

    def test_what_erasing_records_names_nobody(self, fill):
        """The rows that are added to the audit log from then on have the name of nobody."""
        person = fill()
        before = Event.objects.latest("id").pk

        services.erase_user(person, actor=None)

        added = list(Event.objects.filter(pk__gt=before))
        assert "user.erased" in {each.action for each in added}
        assert not [
            each for each in added if CANARY in f"{each.target_label}{each.actor_label}{each.changes}"
        ]

    def test_others_are_left_alone(self, fill, make_signed_in):
        other = make_signed_in()

        services.erase_user(fill(), actor=None)

        assert Session.objects.get(pk=other.session.pk).is_live
        assert stored(other.user).password == other.user.password

    def test_a_step_that_refuses_undoes_all(self, fill, steps):
        person = fill()

        def refuse(user, email):
            raise InTheWay

        services.register_erasure_step("mine", refuse)
        with pytest.raises(InTheWay):
            services.erase_user(person, actor=None)

        assert getattr(stored(person), email_field()) == getattr(person, email_field())
        assert Session.objects.filter(user=person).exists()


class TestCommand:
    def test_erases_whoever_is_due_and_nobody_else(self, make_due, make_person):
        due, pending, neither = make_due(), make_person(), make_person()
        services.request_erasure(pending, actor=pending)

        out, _ = purge()

        assert "people whose erasure is due: 1 erased" in out
        assert [stored(each).is_active for each in (due, pending, neither)] == [False, True, True]
        assert [each.user for each in Erasure.objects.all()] == [pending]
        assert "people whose erasure is due: 0 erased" in purge()[0]

    def test_a_dry_run_does_nothing(self, make_due):
        due = make_due()

        out, _ = purge("--dry-run")

        assert "people whose erasure is due: 1 would be erased" in out
        assert stored(due).is_active

    def test_batches_are_of_at_least_one(self):
        with pytest.raises(SystemExit):
            purge("--batch-size", "0")

    @pytest.mark.parametrize("size", ["1", "2", "500"])
    def test_any_size_of_batches_gets_everybody(self, make_due, size):
        people = [make_due() for _ in range(3)]

        out, _ = purge("--batch-size", size, "--verbosity", "2")

        assert "people whose erasure is due: 3 erased" in out
        assert not any(stored(each).is_active for each in people)

    def test_whom_a_step_refuses_is_kept_and_tried_again(self, make_due, steps, caplog):
        """They are skipped, which is logged each time and recorded once; the others do not wait for them."""
        first, second = make_due(), make_due()

        def refuse(user, email):
            if user.pk == first.pk:
                raise InTheWay

        services.register_erasure_step("mine", refuse)
        for expected in (1, 0):
            with caplog.at_level(logging.WARNING, "saas_kit.auth"):
                out, err = purge()
            assert f"people whose erasure is due: {expected} erased" in out
            assert "1 are left" in err
        assert caplog.text.count("in_the_way") == 2
        assert getattr(first, email_field()) not in caplog.text
        assert [stored(each).is_active for each in (first, second)] == [True, False]
        event = Event.objects.get(action="erasure.refused")
        assert (event.target_id, event.changes) == (str(first.pk), {"code": [None, "in_the_way"]})

        steps.clear()
        purge()
        assert not stored(first).is_active

    def test_a_failure_stops_nobody_else_and_is_an_error_at_the_end(self, make_due, steps, caplog):
        first, second = make_due(), make_due()

        def fail(user, email):
            if user.pk == first.pk:
                raise RuntimeError("out of paper")

        services.register_erasure_step("mine", fail)
        with pytest.raises(CommandError, match="1 people could not be erased"):
            purge()

        assert [stored(each).is_active for each in (first, second)] == [True, False]
        assert "out of paper" in caplog.text
        assert Erasure.objects.get().refused_at is None

    def test_removes_sessions_that_are_over(self, make_signed_in):
        """After thirty days; those that are live, or ended a day ago, stay."""
        live, ended, lately, expired = (make_signed_in().session for _ in range(4))
        now = timezone.now()
        for session, values in (
            (ended, {"revoked_at": now - timedelta(days=31)}),
            (lately, {"revoked_at": now - timedelta(days=1)}),
            (expired, {"expires_at": now - timedelta(days=31)}),
        ):
            Session.objects.filter(pk=session.pk).update(**values)

        out, _ = purge("--batch-size", "1")

        assert "sessions: 2 removed" in out
        assert set(Session.objects.all()) == {live, lately}

    def test_removes_one_time_tokens_that_expired(self, make_person):
        """A week after they did."""
        now = timezone.now()
        for purpose, days in ((Purpose.VERIFY_EMAIL, 8), (Purpose.RESET_PASSWORD, 6)):
            services.issue_token(purpose, make_person(), lifetime=-timedelta(days=days))

        out, _ = purge()

        assert "one-time tokens: 1 removed" in out
        assert OneTimeToken.objects.get().expires_at > now - timedelta(days=7)


# the others' people do not know since when they exist
@pytest.mark.hosts("full", "default_user", "models_only")
class TestUnverified:
    @pytest.fixture(autouse=True)
    def _settings(self, settings):
        settings.SAAS_KIT_AUTH_EMAIL_VERIFICATION = "mandatory"
        settings.SAAS_KIT_AUTH_UNVERIFIED_RETENTION = timedelta(days=10)

    @pytest.fixture
    def old(self, make_person):
        """Return a function that makes somebody who registered a month ago."""

        def make(**fields):
            with time_machine.travel(timezone.now() - timedelta(days=30), tick=False):
                return make_person(**fields)

        return make

    def test_who_never_proved_an_address_goes(self, old, make_person):
        gone, recent = old(), make_person()

        out, _ = purge()

        assert "people who never proved their address: 1 erased" in out
        assert [stored(each).is_active for each in (gone, recent)] == [False, True]

    def test_who_did_anything_stays(self, old):
        """Who proved it, signed in, waits for a password, or has a link that is still good."""
        proved, signed_in, given, asked = old(), old(), old(password=None), old()
        apps.get_model("account.EmailAddress").objects.filter(user=proved).update(verified=True)
        services.open_session(signed_in)
        services.issue_token(Purpose.VERIFY_EMAIL, asked, lifetime=timedelta(days=3))

        out, _ = purge()

        assert "people who never proved their address: 0 erased" in out
        assert all(stored(each).is_active for each in (proved, signed_in, given, asked))

    @pytest.mark.parametrize(
        ("name", "value"),
        [("UNVERIFIED_RETENTION", None), ("EMAIL_VERIFICATION", "optional"), ("EMAIL_VERIFICATION", "off")],
    )
    def test_is_off_where_it_makes_no_sense(self, old, settings, name, value):
        person = old()
        setattr(settings, f"SAAS_KIT_AUTH_{name}", value)

        purge()

        assert stored(person).is_active


class TestExport:
    def test_holds_what_every_table_knows_and_no_secret(self, fill, make_person):
        """Every section has what is theirs, none has a secret, and none what is somebody else's."""
        fill("other@example.com")
        person = make_person("ann@example.com")
        services.open_session(person, user_agent="a phone")
        secrets = [services.issue_token(Purpose.VERIFY_EMAIL, person, lifetime=timedelta(hours=1))]

        document = services.export_user(person)

        text = repr(document)
        assert CANARY not in text
        secrets += [person.password, *Session.objects.values_list("password_fingerprint", flat=True)]
        secrets += [str(each) for each in Session.objects.values_list("refresh_id", flat=True)]
        secrets += OneTimeToken.objects.values_list("token_hash", flat=True)
        assert not [each for each in secrets if each and each in text]
        sections = document["sections"]
        assert sections["profile"][email_field()] == "ann@example.com"
        assert sections["addresses"] == [{"email": "ann@example.com", "verified": False, "primary": True}]
        assert [each["user_agent"] for each in sections["sessions"]] == ["a phone"]
        assert [each["purpose"] for each in sections["one_time_tokens"]] == ["verify_email"]
        assert [each["action"] for each in sections["events"]["events"]] == ["session.opened"]
        assert sections["erasure"] is None

    def test_events_are_bounded_and_say_so(self, make_person, settings):
        person = make_person()
        for _ in range(3):
            services.open_session(person)
        assert services.export_user(person)["sections"]["events"]["complete"]

        settings.SAAS_KIT_AUTH_EXPORT_EVENTS = 2
        events = services.export_user(person)["sections"]["events"]

        assert (len(events["events"]), events["complete"]) == (2, False)

    def test_a_host_adds_a_section(self, make_person, monkeypatch):
        monkeypatch.setattr(export, "_sections", dict(export._sections))
        person = make_person()

        services.register_export_section("notes", lambda user: [str(user.pk)])

        assert services.export_user(person)["sections"]["notes"] == [str(person.pk)]


@pytest.mark.skipif(connection.vendor != "postgresql", reason="SQLite lets one connection write at a time")
@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_signing_in_while_the_purge_erases(self, make_due, race):
        """Either the account is kept and the session good, or it is erased and there is no session."""
        outcomes = set()
        for _ in range(10):
            person = make_due()

            signed_in, purged = race(partial(services.open_session, person), purge)

            assert not isinstance(purged, Exception), purged
            now = stored(person)
            if isinstance(signed_in, InvalidCredentials):
                assert not now.is_active
                assert not Session.objects.filter(user=person).exists()
            else:
                assert now.is_active
                assert Session.objects.get(pk=signed_in.session.pk).is_live
            assert not Erasure.objects.filter(user=person).exists()
            outcomes.add(now.is_active)
        assert outcomes

    def test_two_purges_at_once_share_the_work(self, make_due, race, make_signed_in):
        """Everybody is erased once, every row removed once, and neither fails."""
        people = [make_due() for _ in range(8)]
        for _ in range(8):
            make_signed_in()
        Session.objects.update(revoked_at=timezone.now() - timedelta(days=31))

        outcomes = race(partial(purge, "--batch-size", "2"), partial(purge, "--batch-size", "2"))

        assert not [each for each in outcomes if isinstance(each, Exception)]
        assert not any(stored(each).is_active for each in people)
        assert Event.objects.filter(action="user.erased").count() == 8
        assert not Session.objects.exists()

    def test_asking_while_signing_in_leaves_no_open_session_and_a_pending_erasure(self, make_person, race):
        """Whichever comes last decides."""
        for _ in range(10):
            person = make_person()

            signed_in, asked = race(
                partial(services.open_session, person),
                partial(services.request_erasure, person, actor=person),
            )

            assert isinstance(asked, Erasure), asked
            pending = Erasure.objects.filter(user=person).exists()
            assert Session.objects.get(pk=signed_in.session.pk).is_live is not pending
            assert retention.people_due().count() == 0
