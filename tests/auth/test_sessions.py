"""Sessions are opened, refreshed and ended."""

from __future__ import annotations

import threading
from datetime import timedelta

import jwt
import pytest
import time_machine
from django.contrib.auth import get_user_model
from django.contrib.auth.signals import user_logged_in
from django.db import connection
from django.test import RequestFactory
from django.utils import timezone

from saas_kit.audit.models import Event
from saas_kit.auth import services, signals
from saas_kit.auth.exceptions import InvalidCredentials, InvalidToken, SessionEnded
from saas_kit.auth.models import Session
from saas_kit.auth.tokens import CLAIMS

pytestmark = pytest.mark.django_db


@pytest.fixture
def heard():
    """The names of what was told, in order."""
    told, receivers = [], []
    for name in ("signed_in", "signed_out", "session_revoked"):

        def receiver(sender, signal, session, actor, name=name, **more):
            told.append((name, session, actor))

        receivers.append((getattr(signals, name), receiver))
        getattr(signals, name).connect(receiver)
    yield told
    for signal, receiver in receivers:
        signal.disconnect(receiver)


def claims_of(token):
    return jwt.decode(token, options={"verify_signature": False})


class TestOpen:
    def test_i69_claims_are_exactly_these(self, make_signed_in):
        """No e-mail address, role or organization is in a token."""
        signed_in = make_signed_in()

        for token, kind in ((signed_in.access, "access"), (signed_in.refresh, "refresh")):
            claims = claims_of(token)
            assert set(claims) == set(CLAIMS)
            assert claims["token_type"] == kind
            assert claims["sub"] == str(signed_in.user.pk)
            assert claims["sid"] == str(signed_in.session.pk)
            assert claims["aud"] == claims["iss"] == "saas_kit"
            assert isinstance(claims["exp"], int)

    def test_i69_lifetimes(self, make_signed_in):
        with time_machine.travel("2026-01-01 00:00:00Z", tick=False):
            signed_in = make_signed_in()

        access, refresh = claims_of(signed_in.access), claims_of(signed_in.refresh)
        assert access["exp"] - access["iat"] == 5 * 60
        assert refresh["exp"] - refresh["iat"] == 14 * 24 * 60 * 60

    def test_sets_last_login_and_sends_djangos_signal(self, make_person):
        person, told, request = make_person(), [], RequestFactory().post("/")

        def receiver(sender, request, user, **more):
            told.append((sender, request, user))

        user_logged_in.connect(receiver)
        try:
            services.open_session(person, request=request)
        finally:
            user_logged_in.disconnect(receiver)

        assert told == [(type(person), request, person)]
        person.refresh_from_db()
        assert timezone.now() - person.last_login < timedelta(minutes=1)

    def test_keeps_the_device(self, make_person):
        person = make_person()

        good = services.open_session(person, ip_address="2001:db8::1", user_agent="x" * 600 + "\x00").session
        odd = services.open_session(person, ip_address="unix:", user_agent="a\x00b").session

        good.refresh_from_db()
        assert (good.ip_address, good.user_agent) == ("2001:db8::1", "x" * 512)
        assert (odd.ip_address, odd.user_agent) == (None, "ab")

    def test_is_recorded_and_told(self, make_person, heard, django_capture_on_commit_callbacks):
        person = make_person()

        with django_capture_on_commit_callbacks(execute=True):
            session = services.open_session(person).session
            assert heard == []

        assert heard == [("signed_in", session, person)]
        event = Event.objects.get(action="session.opened")
        assert (event.target_id, event.actor_id) == (str(session.pk), person.pk)

    def test_tells_no_token_in_its_repr(self, make_person):
        tokens = services.open_session(make_person())

        assert tokens.access not in repr(tokens)
        assert tokens.refresh not in repr(tokens)

    def test_i74_is_refused_to_somebody_deactivated_meanwhile(self, make_person):
        person = make_person()
        assert services.open_session(person).session.pk
        get_user_model().objects.filter(pk=person.pk).update(is_active=False)

        with pytest.raises(InvalidCredentials):
            services.open_session(person)

    def test_i74_is_refused_where_the_password_was_changed_meanwhile(self, make_person):
        """Somebody who proves an old password while it is being changed gets no session."""
        person = make_person()
        changed = get_user_model().objects.get(pk=person.pk)
        changed.set_password("another good one")
        changed.save()

        with pytest.raises(InvalidCredentials):
            services.open_session(person)

        assert services.open_session(changed).session.pk


class TestRotate:
    def test_gives_the_next_pair(self, make_signed_in):
        signed_in = make_signed_in()

        with time_machine.travel(timezone.now() + timedelta(minutes=3), tick=False):
            tokens = services.rotate(signed_in.refresh)
            assert services.rotate(tokens.refresh).refresh != tokens.refresh

        assert tokens.session == signed_in.session
        assert len({signed_in.access, signed_in.refresh, tokens.access, tokens.refresh}) == 4
        assert tokens.session.last_seen_at - signed_in.session.last_seen_at >= timedelta(minutes=2)

    def test_i69_does_not_prolong_the_session(self, make_signed_in):
        signed_in = make_signed_in()
        end = claims_of(signed_in.refresh)["exp"]

        with time_machine.travel(signed_in.session.expires_at - timedelta(minutes=1), tick=False):
            tokens = services.rotate(signed_in.refresh)

        assert claims_of(tokens.refresh)["exp"] == claims_of(tokens.access)["exp"] == end
        with (
            time_machine.travel(signed_in.session.expires_at + timedelta(seconds=30), tick=False),
            pytest.raises(InvalidToken),
        ):
            services.rotate(tokens.refresh)

    def test_i71_a_token_that_was_just_replaced_is_refused_and_the_family_stays(self, make_signed_in):
        signed_in = make_signed_in()
        tokens = services.rotate(signed_in.refresh)

        with pytest.raises(InvalidToken):
            services.rotate(signed_in.refresh)

        assert services.rotate(tokens.refresh).access

    def test_i72_reuse_after_the_leeway_ends_the_session(
        self, make_signed_in, heard, django_capture_on_commit_callbacks
    ):
        signed_in = make_signed_in()
        tokens = services.rotate(signed_in.refresh)

        with (
            django_capture_on_commit_callbacks(execute=True),
            time_machine.travel(timezone.now() + timedelta(seconds=11), tick=False),
            pytest.raises(InvalidToken),
        ):
            services.rotate(signed_in.refresh)

        with pytest.raises(SessionEnded):
            services.rotate(tokens.refresh)
        assert not Session.objects.live().exists()
        event = Event.objects.get(action="session.refresh_reused")
        assert (event.target_id, event.actor_id) == (str(signed_in.session.pk), None)
        assert heard == [("session_revoked", signed_in.session, None)]

    def test_i72_an_older_one_ends_it_at_once(self, make_signed_in):
        """Only the direct predecessor may come twice."""
        signed_in = make_signed_in()
        newest = services.rotate(services.rotate(signed_in.refresh).refresh)

        with pytest.raises(InvalidToken):
            services.rotate(signed_in.refresh)

        with pytest.raises(SessionEnded):
            services.rotate(newest.refresh)

    @pytest.mark.django_db(transaction=True)
    def test_i72_the_end_is_committed_although_an_error_is_raised(self, make_signed_in):
        signed_in = make_signed_in()
        services.rotate(services.rotate(signed_in.refresh).refresh)

        with pytest.raises(InvalidToken):
            services.rotate(signed_in.refresh)

        assert Session.objects.get().revoked_at is not None

    def test_i75_of_somebody_deleted(self, make_signed_in):
        signed_in = make_signed_in()
        signed_in.user.delete()

        with pytest.raises(InvalidToken):
            services.rotate(signed_in.refresh)

    def test_i74_of_somebody_deactivated(self, make_signed_in):
        signed_in, other = make_signed_in(), make_signed_in()
        services.deactivate_user(signed_in.user, actor=None)

        with pytest.raises(InvalidToken):
            services.rotate(signed_in.refresh)

        assert services.rotate(other.refresh).access

    def test_m2_i74_a_changed_password_ends_the_session(self, make_signed_in):
        signed_in, unchanged = make_signed_in(), make_signed_in()

        signed_in.user.set_password("another good one")
        signed_in.user.save()

        with pytest.raises(SessionEnded):
            services.rotate(signed_in.refresh)
        assert services.rotate(unchanged.refresh).access
        assert services.rotate(make_signed_in(signed_in.user).refresh).access

    def test_m2_the_secret_key_can_be_replaced_while_the_old_one_is_a_fallback(
        self, make_signed_in, settings
    ):
        settings.SAAS_KIT_AUTH_SIGNING_KEY = "k" * 48
        signed_in = make_signed_in()
        settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "another" * 8

        tokens = services.rotate(signed_in.refresh)

        settings.SECRET_KEY_FALLBACKS = []
        with pytest.raises(SessionEnded):
            services.rotate(tokens.refresh)

    def test_i70_takes_no_access_token(self, make_signed_in):
        signed_in = make_signed_in()

        with pytest.raises(InvalidToken):
            services.rotate(signed_in.access)

        assert services.rotate(signed_in.refresh).access


class TestRevoke:
    def test_by_its_person_is_signing_out(self, make_signed_in, heard, django_capture_on_commit_callbacks):
        signed_in = make_signed_in()

        with django_capture_on_commit_callbacks(execute=True):
            services.revoke_session(signed_in.session, actor=signed_in.user)
            services.revoke_session(signed_in.session, actor=signed_in.user)

        assert heard == [("signed_out", signed_in.session, signed_in.user)]
        assert Event.objects.filter(action="session.signed_out").count() == 1
        with pytest.raises(SessionEnded):
            services.rotate(signed_in.refresh)

    def test_by_somebody_else_is_revoking(
        self, make_signed_in, make_person, heard, django_capture_on_commit_callbacks
    ):
        signed_in, admin = make_signed_in(), make_person()

        with django_capture_on_commit_callbacks(execute=True):
            services.revoke_session(signed_in.session, actor=admin)

        assert heard == [("session_revoked", signed_in.session, admin)]
        assert Event.objects.get(action="session.revoked").actor_id == admin.pk

    def test_all_but_one(self, make_person, make_signed_in):
        person = make_person()
        first, second, present = (make_signed_in(person) for _ in range(3))
        other = make_signed_in()

        services.revoke_sessions(person, actor=person, except_session=present.session)

        assert set(Session.objects.live()) == {present.session, other.session}
        event = Event.objects.get(action="sessions.revoked")
        assert set(event.changes["sessions"]) == {str(first.session.pk), str(second.session.pk)}

    def test_none_is_no_event(self, make_person):
        services.revoke_sessions(make_person(), actor=None)

        assert not Event.objects.filter(action="sessions.revoked").exists()


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_m1_i71_ten_parallel_refreshes_have_one_winner(make_signed_in):
    """The losers come within the leeway, so the winner's tokens are good."""
    for _ in range(20):
        signed_in = make_signed_in()
        barrier, won, lost = threading.Barrier(10), [], []

        def refresh(token=signed_in.refresh, barrier=barrier, won=won, lost=lost):
            try:
                barrier.wait(10)
                won.append(services.rotate(token))
            except InvalidToken as error:
                lost.append(error.code)
            finally:
                connection.close()

        threads = [threading.Thread(target=refresh) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(won) == 1
        assert lost == ["invalid_token"] * 9
        assert services.rotate(won[0].refresh).access


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_i74_no_session_outlives_a_deactivation_that_raced_with_the_sign_in(make_person):
    for _ in range(20):
        person = make_person()
        barrier = threading.Barrier(2)

        def sign_in(person=person, barrier=barrier):
            try:
                barrier.wait(10)
                services.open_session(person)
            except InvalidCredentials:
                pass
            finally:
                connection.close()

        def deactivate(pk=person.pk, barrier=barrier):
            barrier.wait(10)
            services.deactivate_user(get_user_model().objects.get(pk=pk), actor=None)
            connection.close()

        threads = [threading.Thread(target=each) for each in (sign_in, deactivate)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert not Session.objects.of_user(person).filter(revoked_at__isnull=True).exists()
