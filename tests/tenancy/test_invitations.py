"""Invitations: the secret is in the mailbox only, and a role is given once, to the person it was offered to."""

from __future__ import annotations

import hashlib
import logging
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import time_machine
from django.db import connection
from django.db.models.signals import post_save
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from saas_kit.auth.services import change_email, mark_verified
from saas_kit.core import context, verified_email
from saas_kit.core.exceptions import InvalidInput, NotAuthenticated, NotFound, RateLimited
from saas_kit.email.models import OutboxMessage, State, SuppressionReason
from saas_kit.email.services import read_message, suppress
from saas_kit.teams.models import TeamMembership
from saas_kit.teams.services import delete_team
from saas_kit.tenancy import placements, services, signals, unscoped
from saas_kit.tenancy.exceptions import (
    AlreadyAccepted,
    AlreadyMember,
    EmailMismatch,
    EmailUnverified,
    InvitationDeclined,
    InvitationExpired,
    InvitationRevoked,
    NoSeatsLeft,
    RoleTooHigh,
    Suspended,
    UnknownRole,
    UnknownTeam,
)
from saas_kit.tenancy.models import (
    Invitation,
    InvitationStatus,
    InvitationToken,
    Membership,
    Status,
)
from saas_kit.tenancy.services import (
    accept_invitation,
    check_invitation,
    decline_invitation,
    find_invitation,
    invite,
    remind_invitations,
    resend_invitation,
    revoke_invitation,
)
from tests.api_fixtures.rows import rows

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 4, 12, 0, 30, tzinfo=UTC)
SEATS = "SAAS_KIT_TENANCY_SEAT_LIMIT"


@pytest.fixture
def clock():
    """Stand still, until it is moved."""
    with time_machine.travel(NOW, tick=False) as clock:
        yield clock


@pytest.fixture
def make_invited(make_user):
    """Make the person that an invitation is for, with a verified address unless said otherwise."""

    def make(invitation, **fields):
        return make_user(invitation.email, **{"email_verified": True, **fields})

    return make


def reminder_of(invitation):
    """Read the token in the reminder of an invitation, which waits."""
    row = OutboxMessage.objects.get(pk=invitation.reminder_id)
    assert row.kind == "saas_kit_tenancy.invitation_reminder"
    return read_message(row).token


def role_in(organization, person):
    return Membership.objects.get(organization=organization, user=person).role


class TestInvite:
    def test_writes_to_the_address(self, make_membership, token_of, events, catch_signal, on_commit):
        """The invitation, its event, its signal and one message with the token; the database has its hash only."""
        admin = make_membership(role="admin")
        organization = admin.organization

        with catch_signal(signals.invitation_created) as sent, on_commit():
            invitation, is_new = invite(
                organization, email="New@Example.com", role="member", message=" Hello. ", actor=admin.user
            )
            token = token_of(invitation)

        assert is_new
        assert (invitation.email, invitation.role, invitation.message) == (
            "new@example.com",
            "member",
            "Hello.",
        )
        assert invitation.status == InvitationStatus.PENDING
        assert (invitation.invited_by, invitation.by_system) == (admin.user, False)
        assert sent == [{"sender": Invitation, "invitation": invitation, "actor": admin.user}]
        assert events("invitation.created")[-1].changes == {"role": [None, "member"]}
        mail = OutboxMessage.objects.get()
        assert (mail.recipient, mail.organization_id) == ("new@example.com", organization.pk)
        assert len(token) >= 43  # 256 bits
        assert InvitationToken.objects.get().token_hash == hashlib.sha256(token.encode()).hexdigest()

    def test_message_says_who_invites_to_what(self, make_membership, settings):
        """The receiver learns what it is about and until when; the link begins with the front end's address."""
        settings.SAAS_KIT_EMAIL_FRONTEND_URL = "https://app.example.com"
        admin = make_membership(role="admin")

        invitation, _ = invite(
            admin.organization, email="new@example.com", role="viewer", message="<b>Hi</b>", actor=admin.user
        )

        message = read_message(OutboxMessage.objects.get(pk=invitation.mail_id))
        text = message.render_text()
        assert admin.organization.name in message.render_subject()
        for part in (str(admin.user), admin.organization.name, "Viewer", "<b>Hi</b>"):
            assert part in text
        assert f"https://app.example.com/invitation#token={message.token}" in text
        assert message.token not in repr(message)

    def test_secret_is_nowhere_else(self, make_invitation, token_of, caplog, events):
        """I40: no table, no event and no line of the log has the token; the outbox has it encrypted."""
        with caplog.at_level(logging.DEBUG):
            invitation = make_invitation(message="Hello")
            resend_invitation(invitation, actor=None)
        token = token_of(invitation)

        assert token not in str(rows())
        assert not any(token in f"{each.changes} {each.target_label}" for each in events())
        assert token not in caplog.text
        assert token not in repr(invitation) + repr(InvitationToken.objects.first())

    @pytest.mark.parametrize(
        ("written", "stored"),
        [
            ("Ada@Example.COM", "ada@example.com"),
            ("  ada@example.com ", "ada@example.com"),
            ("ada+x@example.com", "ada+x@example.com"),
            ("\uff41da@example.com", "ada@example.com"),
            ("ada@b\u00fccher.example", "ada@xn--bcher-kva.example"),
        ],
    )
    def test_address_is_normalized(self, make_organization, written, stored):
        """I45: one address has one spelling."""
        invitation, _ = invite(make_organization(), email=written, role="member", actor=None)

        assert invitation.email == stored

    @pytest.mark.parametrize(
        "email",
        [
            "",
            "ada",
            "@example.com",
            "ada@",
            "ad\u00e4@example.com",
            "a\x00@example.com",
            f"{'a' * 250}@e.com",
        ],
    )
    def test_address_must_be_one(self, make_organization, email):
        """What mail cannot be sent to is refused, by the field."""
        with pytest.raises(InvalidInput) as caught:
            invite(make_organization(), email=email, role="member", actor=None)

        assert caught.value.field == "email"
        assert not Invitation.objects.exists()

    def test_nobody_invites_above_themselves(self, make_membership):
        """I48: an admin invites admins, and no owners."""
        admin = make_membership(role="admin")

        with pytest.raises(RoleTooHigh):
            invite(admin.organization, email="new@example.com", role="owner", actor=admin.user)

        assert not Invitation.objects.exists()
        assert invite(admin.organization, email="new@example.com", role="admin", actor=admin.user)[1]

    def test_role_must_exist(self, make_organization):
        with pytest.raises(UnknownRole):
            invite(make_organization(), email="new@example.com", role="boss", actor=None)

    @pytest.mark.parametrize("role", ["viewer", "owner"])
    def test_member_is_not_invited(self, make_membership, role):
        """I51: whoever is there already is a member already, however the address is written."""
        membership = make_membership(role=role)
        email = getattr(membership.user, membership.user.get_email_field_name())

        with pytest.raises(AlreadyMember):
            invite(membership.organization, email=email.upper(), role="member", actor=None)

    def test_tells_nothing_of_accounts(self, make_organization, make_user, token_of):
        """I51: addresses with an account, without one and of somebody disabled are invited by the same statements."""
        organization = make_organization()
        make_user("registered@example.com")
        disabled = make_user("disabled@example.com")
        type(disabled)._base_manager.filter(pk=disabled.pk).update(is_active=False)
        counts = set()

        for name in ("unknown", "registered", "disabled"):
            with CaptureQueriesContext(connection) as statements:
                invitation, is_new = invite(
                    organization, email=f"{name}@example.com", role="member", actor=None
                )
            counts.add(len(statements))
            assert is_new
            assert token_of(invitation)

        assert len(counts) == 1

    def test_time_may_be_chosen(self, make_organization, clock):
        """A week by default, and at most a month."""
        organization = make_organization()

        usual, _ = invite(organization, email="a@example.com", role="member", actor=None)
        chosen, _ = invite(
            organization,
            email="b@example.com",
            role="member",
            expires_at=NOW + timedelta(days=30),
            actor=None,
        )

        assert usual.expires_at == NOW + timedelta(days=7)
        assert chosen.expires_at == NOW + timedelta(days=30)

    @pytest.mark.parametrize("away", [timedelta(0), timedelta(days=-1), timedelta(days=30, seconds=1)])
    def test_time_is_in_bounds(self, make_organization, clock, away):
        with pytest.raises(InvalidInput) as caught:
            invite(
                make_organization(),
                email="a@example.com",
                role="member",
                expires_at=NOW + away,
                actor=None,
            )

        assert caught.value.field == "expires_at"

    def test_message_is_short(self, make_organization):
        with pytest.raises(InvalidInput):
            invite(make_organization(), email="a@example.com", role="member", message="x" * 2001, actor=None)

    def test_organization_invites_so_many_a_day(self, make_organization, settings, clock):
        """What one organization can cause is limited; another's invitations do not count."""
        settings.SAAS_KIT_TENANCY_RATE_LIMITS = {"invitations": "2/d"}
        organization = make_organization()
        for name in ("a", "b"):
            invite(organization, email=f"{name}@example.com", role="member", actor=None)

        with pytest.raises(RateLimited):
            invite(organization, email="c@example.com", role="member", actor=None)

        assert invite(make_organization(), email="c@example.com", role="member", actor=None)[1]

    def test_account_invites_so_many_a_day(self, make_organization, settings, clock):
        """However many organizations an account has, what it can cause is limited; another's does not count."""
        settings.SAAS_KIT_TENANCY_RATE_LIMITS = {"invitations_account": "2/d"}
        first = make_organization()
        second = make_organization(account=first.account)
        for each in (first, second):
            invite(each, email="a@example.com", role="member", actor=None)

        with pytest.raises(RateLimited):
            invite(second, email="b@example.com", role="member", actor=None)

        assert not Invitation.objects.to_address("b@example.com").exists()
        assert invite(make_organization(), email="b@example.com", role="member", actor=None)[1]

    def test_address_hears_so_often(self, make_organization, clock):
        """Taking back and inviting again is no way around the limit; another organization's messages do not count."""
        organization = make_organization()
        for _ in range(5):
            invitation, _ = invite(organization, email="ada@example.com", role="member", actor=None)
            revoke_invitation(invitation, actor=None)

        with pytest.raises(RateLimited):
            invite(organization, email="ADA@example.com", role="member", actor=None)

        assert OutboxMessage.objects.count() == Invitation.objects.count() == 5
        assert invite(organization, email="eve@example.com", role="member", actor=None)[1]
        assert invite(make_organization(), email="ada@example.com", role="member", actor=None)[1]
        clock.shift(timedelta(hours=1))
        assert invite(organization, email="ada@example.com", role="member", actor=None)[1]

    def test_address_hears_so_often_of_the_same(self, make_organization, make_invitation, clock):
        """What is sent again counts as well, by both ways, and is left as it was."""
        organization = make_organization()
        for _ in range(2):
            revoke_invitation(make_invitation(organization, "ada@example.com"), actor=None)
        pending = make_invitation(organization, "ada@example.com")
        resend_invitation(pending, actor=None)
        invite(organization, email="ada@example.com", role="viewer", actor=None)
        clock.shift(timedelta(minutes=1))

        with pytest.raises(RateLimited):
            resend_invitation(pending, actor=None)
        with pytest.raises(RateLimited):
            invite(organization, email="ada@example.com", role="admin", actor=None)

        pending.refresh_from_db()
        assert (pending.role, pending.sent_at) == ("viewer", NOW)

    def test_each_organization_has_its_own(self, make_invitation):
        """An address can be invited by several; nothing of one is told to another."""
        first = make_invitation(email="ada@example.com")
        second = make_invitation(email="ada@example.com")

        assert {first.pk, second.pk} == set(Invitation.objects.pending().values_list("pk", flat=True))


class TestInviteAgain:
    def test_renews_what_is_pending(
        self, make_membership, make_invitation, token_of, clock, events, catch_signal, on_commit
    ):
        """I50: one is pending for an address; it gets the new offer and a new token, and its clock starts again."""
        admin = make_membership(role="admin")
        first = make_invitation(admin.organization, "ada@example.com", message="One")
        old = token_of(first)
        clock.shift(timedelta(days=3))

        with catch_signal(signals.invitation_resent) as sent, on_commit():
            second, is_new = invite(
                admin.organization, email="ADA@example.com", role="viewer", message="Two", actor=admin.user
            )
            new = token_of(second)

        assert (second.pk, is_new, Invitation.objects.count()) == (first.pk, False, 1)
        assert (second.role, second.message, second.invited_by) == ("viewer", "Two", admin.user)
        assert second.expires_at == timezone.now() + timedelta(days=7)
        assert [each["invitation"] for each in sent] == [second]
        assert events("invitation.resent")[-1].changes["role"] == ["member", "viewer"]
        with pytest.raises(InvitationRevoked):
            find_invitation(old)
        assert find_invitation(new) == second

    def test_renews_what_expired(self, make_invitation, token_of, clock):
        """An expired one is no obstacle: it is pending again."""
        invitation = make_invitation()
        clock.shift(timedelta(days=8))
        assert invitation.visible_status == "expired"

        again, is_new = invite(invitation.organization, email=invitation.email, role="member", actor=None)

        assert (again.pk, is_new, again.visible_status) == (invitation.pk, False, "pending")

    @pytest.mark.parametrize("end", ["revoked", "declined"])
    def test_what_ended_stays_ended(self, make_invitation, make_invited, end):
        """After a refusal another invitation is a new one."""
        invitation = make_invitation()
        if end == "revoked":
            revoke_invitation(invitation, actor=None)
        else:
            decline_invitation(invitation, make_invited(invitation))

        again, is_new = invite(invitation.organization, email=invitation.email, role="member", actor=None)

        assert is_new
        assert again.pk != invitation.pk

    def test_nobody_lowers_what_is_above_them(self, make_membership, make_invitation):
        """An admin cannot replace what an owner offered to an owner to be."""
        admin = make_membership(role="admin")
        pending = make_invitation(admin.organization, role="owner")

        with pytest.raises(RoleTooHigh):
            invite(admin.organization, email=pending.email, role="member", actor=admin.user)

        pending.refresh_from_db()
        assert pending.role == "owner"


class TestResend:
    def test_restarts_the_clock_with_another_token(self, make_membership, make_invitation, token_of, clock):
        """I50: it lasts as long as it was to last before, and only the newest token is good."""
        admin = make_membership(role="admin")
        invitation = make_invitation(admin.organization, expires_at=NOW + timedelta(days=10))
        old = token_of(invitation)
        waiting = invitation.mail_id
        clock.shift(timedelta(days=12))

        again = resend_invitation(invitation, actor=admin.user)

        assert again.expires_at == timezone.now() + timedelta(days=10)
        assert again.invited_by == admin.user
        with pytest.raises(InvitationRevoked):
            find_invitation(old)
        assert find_invitation(token_of(again)) == again
        assert OutboxMessage.objects.get(pk=waiting).state == State.CANCELLED
        assert not OutboxMessage.objects.get(pk=waiting).secrets

    def test_three_an_hour(self, make_invitation, clock):
        """I50: the fourth waits; inviting the address again counts as well, another invitation does not."""
        invitation = make_invitation()
        for _ in range(2):
            resend_invitation(invitation, actor=None)
        invite(invitation.organization, email=invitation.email, role="member", actor=None)

        with pytest.raises(RateLimited) as caught:
            resend_invitation(invitation, actor=None)
        with pytest.raises(RateLimited):
            invite(invitation.organization, email=invitation.email, role="member", actor=None)

        assert 0 < caught.value.retry_after <= 3600
        resend_invitation(make_invitation(invitation.organization), actor=None)
        clock.shift(timedelta(hours=1))
        resend_invitation(invitation, actor=None)

    def test_needs_dominance(self, make_membership, make_invitation):
        admin = make_membership(role="admin")
        theirs = make_invitation(admin.organization, role="owner")

        with pytest.raises(RoleTooHigh):
            resend_invitation(theirs, actor=admin.user)

        resend_invitation(make_invitation(admin.organization, role="admin"), actor=admin.user)

    @pytest.mark.parametrize(
        ("status", "error"),
        [("accepted", AlreadyAccepted), ("declined", InvitationDeclined), ("revoked", InvitationRevoked)],
    )
    @pytest.mark.parametrize("service", [resend_invitation, revoke_invitation])
    def test_what_ended_is_not_touched(self, make_invitation, service, status, error):
        """Neither sent again nor revoked is what was answered or taken back."""
        invitation = make_invitation()
        Invitation.objects.update(status=status)

        with pytest.raises(error):
            service(invitation, actor=None)

        invitation.refresh_from_db()
        assert invitation.status == status


class TestRevoke:
    def test_ends_it(self, make_invitation, make_invited, token_of, events, catch_signal, on_commit):
        """I47: a revoked invitation is gone, and mail about it that waits is not sent."""
        invitation = make_invitation()
        token, person = token_of(invitation), make_invited(invitation)

        with catch_signal(signals.invitation_revoked) as sent, on_commit():
            revoke_invitation(invitation, actor=None)

        assert len(sent) == len(events("invitation.revoked")) == 1
        assert OutboxMessage.objects.get(pk=invitation.mail_id).state == State.CANCELLED
        for subject in (token, invitation):
            with pytest.raises(InvitationRevoked):
                accept_invitation(subject, person)
        assert not Membership.objects.filter(user=person).exists()

    def test_needs_dominance(self, make_membership, make_invitation):
        admin = make_membership(role="admin")
        theirs = make_invitation(admin.organization, role="owner")

        with pytest.raises(RoleTooHigh):
            revoke_invitation(theirs, actor=admin.user)

        revoke_invitation(make_invitation(admin.organization, role="admin"), actor=admin.user)


class TestAccept:
    @pytest.mark.parametrize("by_token", [True, False])
    def test_makes_a_member(
        self, make_invitation, make_invited, token_of, by_token, events, catch_signal, on_commit
    ):
        """I46: the person has the role that was offered; it is recorded, and told."""
        invitation = make_invitation(role="viewer")
        person = make_invited(invitation)
        subject = token_of(invitation) if by_token else invitation

        with catch_signal(signals.invitation_accepted) as sent, on_commit():
            membership = accept_invitation(subject, person)

        invitation.refresh_from_db()
        assert (membership.user, membership.role) == (person, "viewer")
        assert role_in(invitation.organization, person) == "viewer"
        assert (invitation.status, invitation.accepted_by) == ("accepted", person)
        assert [(each["invitation"], each["membership"]) for each in sent] == [(invitation, membership)]
        assert (
            events("invitation.accepted")[-1].actor_id == str(person.pk)
            or events("invitation.accepted")[-1].actor == person
        )
        assert len(events("member.joined")) == 1

    @pytest.mark.parametrize("answer", [accept_invitation, decline_invitation])
    def test_mail_about_it_is_not_sent(self, make_invitation, make_invited, clock, answer):
        """What waits in the outbox, its reminder too, is cancelled with the answer."""
        invitation, other = make_invitation(), make_invitation()
        clock.shift(timedelta(days=5))
        remind_invitations()

        answer(invitation, make_invited(invitation))

        waiting = OutboxMessage.objects.open().filter(kind__startswith="saas_kit_tenancy.invitation")
        assert [each.recipient for each in waiting] == [other.email] * 2

    def test_is_done_once(self, make_invitation, make_invited, token_of):
        """I46: the second time it is accepted already."""
        invitation = make_invitation()
        token, person = token_of(invitation), make_invited(invitation)
        accept_invitation(token, person)

        with pytest.raises(AlreadyAccepted):
            accept_invitation(token, person)

        assert Membership.objects.filter(user=person).count() == 1

    def test_token_is_unknown(self, make_user):
        """I47: nobody's token is not found."""
        with pytest.raises(NotFound):
            accept_invitation("x" * 43, make_user(email_verified=True))

    def test_other_address(self, make_invitation, make_invited, make_user, token_of):
        """I43, T18: whoever has the link and another address does not join, and it stays pending."""
        invitation = make_invitation(email="ada@example.com")
        token = token_of(invitation)
        for email in ("eve@example.com", "ada+x@example.com", "ada@example.org"):
            with pytest.raises(EmailMismatch):
                accept_invitation(token, make_user(email, email_verified=True))

        invitation.refresh_from_db()
        assert invitation.status == "pending"
        accept_invitation(token, make_invited(invitation))

    def test_unverified_address(self, make_invitation, make_user, token_of):
        """I44: an address that somebody merely claims is not theirs."""
        invitation = make_invitation()
        person = make_user(invitation.email)

        with pytest.raises(EmailUnverified):
            accept_invitation(token_of(invitation), person)

        invitation.refresh_from_db()
        assert invitation.status == "pending"
        assert not Membership.objects.filter(user=person).exists()

    def test_nobody_tells_who_is_verified(self, make_invitation, make_invited, monkeypatch):
        """Where no app knows it, nobody is verified."""
        invitation = make_invitation()
        person = make_invited(invitation)
        with monkeypatch.context() as without:
            without.setattr(verified_email, "_known", [])
            with pytest.raises(EmailUnverified):
                accept_invitation(invitation, person)

        accept_invitation(invitation, person)

    def test_address_is_read_anew(self, make_invitation, make_invited):
        """What the instance says does not count: the address may be another by now."""
        invitation = make_invitation()
        person = make_invited(invitation)
        type(person)._base_manager.filter(pk=person.pk).update(email="moved@example.com")

        with pytest.raises(EmailMismatch):
            accept_invitation(invitation, person)

    def test_somebody_disabled(self, make_invitation, make_invited):
        invitation = make_invitation()
        person = make_invited(invitation)
        type(person)._base_manager.filter(pk=person.pk).update(is_active=False)

        with pytest.raises(NotAuthenticated):
            accept_invitation(invitation, person)

    def test_seven_days(self, make_invitation, make_invited, token_of, clock):
        """I41: it ends with the seventh day."""
        invitation = make_invitation()
        other = make_invitation()
        token, person = token_of(invitation), make_invited(invitation)
        clock.shift(timedelta(days=7) - timedelta(seconds=1))
        accept_invitation(other, make_invited(other))
        clock.shift(timedelta(seconds=2))

        with pytest.raises(InvitationExpired):
            accept_invitation(token, person)

        assert not Membership.objects.filter(user=person).exists()

    def test_replaced_token(self, make_invitation, make_invited, token_of):
        """I50: the link of the message before is gone, that of the last one is good."""
        invitation = make_invitation()
        old, person = token_of(invitation), make_invited(invitation)
        resend_invitation(invitation, actor=None)

        with pytest.raises(InvitationRevoked):
            accept_invitation(old, person)

        accept_invitation(token_of(invitation), person)

    def test_declined_before(self, make_invitation, make_invited):
        invitation = make_invitation()
        person = make_invited(invitation)
        decline_invitation(invitation, person)

        with pytest.raises(InvitationDeclined):
            accept_invitation(invitation, person)

    @pytest.mark.parametrize("deleted", ["organization", "account"])
    def test_deleted_organization(self, make_invitation, make_invited, token_of, deleted):
        """I47: with the organization its invitations are gone; they come back with it."""
        invitation = make_invitation()
        token, person = token_of(invitation), make_invited(invitation)
        organization = invitation.organization
        if deleted == "organization":
            services.delete_organization(organization, actor=None)
        else:
            services.delete_account(organization.account, actor=None)
            organization.refresh_from_db()

        for subject in (token, invitation):
            with pytest.raises(InvitationRevoked):
                accept_invitation(subject, person)
        with pytest.raises(InvitationRevoked):
            find_invitation(token)

        if deleted == "organization":
            services.restore_organization(organization, actor=None)
        else:
            services.restore_account(organization.account, actor=None)
        assert accept_invitation(token, person).role == "member"

    @pytest.mark.parametrize("deleted", ["organization", "account"])
    def test_mail_about_what_is_deleted_is_not_sent(self, make_invitation, deleted):
        """I100: what waits in the outbox is cancelled along with the deletion."""
        invitation, other = make_invitation(), make_invitation()
        organization = invitation.organization
        if deleted == "organization":
            services.delete_organization(organization, actor=None)
        else:
            services.delete_account(organization.account, actor=None)

        assert OutboxMessage.objects.get(pk=invitation.mail_id).state == State.CANCELLED
        assert OutboxMessage.objects.get(pk=other.mail_id).is_open

    @pytest.mark.parametrize("suspended", ["organization", "account"])
    def test_suspended(self, make_invitation, make_invited, suspended):
        """Nobody joins what is suspended; they do once it is not."""
        invitation = make_invitation()
        person, organization = make_invited(invitation), invitation.organization

        def set_status(status):
            if suspended == "organization":
                services.set_organization_status(organization, status, actor=None)
            else:
                services.set_account_status(organization.account, status, actor=None)

        set_status(Status.SUSPENDED)
        with pytest.raises(Suspended):
            accept_invitation(invitation, person)
        set_status(Status.ACTIVE)

        accept_invitation(invitation, person)

    def test_member_by_another_way(self, make_invitation, make_invited):
        """Whoever is added meanwhile needs no invitation any more: it is over, and its seat free."""
        invitation = make_invitation(role="admin")
        person = make_invited(invitation)

        services.add_member(invitation.organization, person, "viewer", actor=None)

        invitation.refresh_from_db()
        assert invitation.status == "revoked"
        with pytest.raises(InvitationRevoked):
            accept_invitation(invitation, person)
        assert role_in(invitation.organization, person) == "viewer"

    def test_member_under_another_address(self, make_membership, make_invitation):
        """Somebody who came to have the invited address is a member already."""
        membership = make_membership()
        invitation = make_invitation(membership.organization, role="admin")
        change_email(membership.user, invitation.email, actor=None)
        mark_verified(membership.user)

        with pytest.raises(AlreadyMember):
            accept_invitation(invitation, membership.user)

        assert role_in(membership.organization, membership.user) == "member"


class TestInviter:
    """I47, I48: whoever invited answers for it until it is accepted."""

    @pytest.fixture
    def admin(self, make_membership):
        return make_membership(role="admin")

    @pytest.fixture
    def invitation(self, admin, make_invitation):
        return make_invitation(admin.organization, role="admin", actor=admin.user)

    def test_still_may(self, invitation, make_invited):
        assert accept_invitation(invitation, make_invited(invitation)).role == "admin"

    def test_was_removed(self, admin, invitation, make_invited, token_of):
        services.remove_member(admin, actor=None)

        self._is_void(invitation, make_invited(invitation), token_of)

    @pytest.mark.parametrize("role", ["member", "viewer"])
    def test_was_demoted(self, admin, invitation, make_invited, token_of, role):
        services.change_role(admin, role, actor=None)

        self._is_void(invitation, make_invited(invitation), token_of)

    def test_may_not_invite_any_more_to_a_role_below_their_own(
        self, admin, make_invitation, make_invited, token_of
    ):
        """A member holds more than a viewer, and invites nobody all the same."""
        below = make_invitation(admin.organization, role="viewer", actor=admin.user)
        services.change_role(admin, "member", actor=None)

        self._is_void(below, make_invited(below), token_of)

    def test_may_invite_but_not_to_that_role(self, make_membership, make_invitation, make_invited, token_of):
        """An owner who becomes an admin cannot make owners any more, nor can what they had sent."""
        make_membership(role="owner")
        admin = make_membership(role="admin")
        owner = make_membership(admin.organization, role="owner")
        above = make_invitation(admin.organization, role="owner", actor=owner.user)
        below = make_invitation(admin.organization, role="admin", actor=owner.user)
        services.change_role(owner, "admin", actor=None)

        self._is_void(above, make_invited(above), token_of)
        assert accept_invitation(below, make_invited(below)).role == "admin"

    def test_was_disabled(self, admin, invitation, make_invited, token_of):
        type(admin.user)._base_manager.filter(pk=admin.user.pk).update(is_active=False)

        self._is_void(invitation, make_invited(invitation), token_of)

    def test_is_gone(self, admin, invitation, make_invited, token_of):
        """Of somebody whose row is gone nothing is left that answers for it."""
        admin.user.delete()

        self._is_void(invitation, make_invited(invitation), token_of)

    def test_role_is_gone(self, invitation, make_invited, token_of):
        Invitation.objects.update(role="retired")

        self._is_void(invitation, make_invited(invitation), token_of)

    def test_another_takes_it_over(self, admin, invitation, make_membership, make_invited):
        """Sent again by somebody who may, it is good again."""
        services.remove_member(admin, actor=None)
        other = make_membership(admin.organization, role="admin")
        resend_invitation(invitation, actor=other.user)

        assert accept_invitation(invitation, make_invited(invitation)).role == "admin"

    def test_system_stands_by_its_own(self, make_invitation, make_invited):
        invitation = make_invitation(role="owner")

        assert accept_invitation(invitation, make_invited(invitation)).role == "owner"

    def test_acts_as_staff_on_their_own_account(
        self, make_invitation, make_invited, make_user, settings, events
    ):
        """Whoever accepts what platform staff sent does not act as staff."""
        settings.SAAS_KIT_TENANCY_STAFF_ACCESS = True
        staff = make_user(superuser=True)
        invitation = make_invitation(actor=staff)
        context.staff_access.set(False)
        accept_invitation(invitation, make_invited(invitation))

        assert not events("invitation.accepted")[-1].staff_access
        assert not events("member.joined")[-1].staff_access

    def _is_void(self, invitation, person, token_of):
        token = token_of(invitation)
        for subject in (token, invitation):
            with pytest.raises(InvitationRevoked):
                accept_invitation(subject, person)
        with pytest.raises(InvitationRevoked):
            find_invitation(token)
        invitation.refresh_from_db()
        assert invitation.status == "pending"
        assert not Membership.objects.filter(user=person).exists()


class TestDecline:
    def test_ends_it(self, make_invitation, make_invited, token_of, events, catch_signal, on_commit):
        invitation = make_invitation()
        person = make_invited(invitation)

        with catch_signal(signals.invitation_declined) as sent, on_commit():
            decline_invitation(token_of(invitation), person)

        invitation.refresh_from_db()
        assert (invitation.status, len(sent), len(events("invitation.declined"))) == ("declined", 1, 1)
        assert not Membership.objects.filter(user=person).exists()

    def test_only_the_invited_person_does(self, make_invitation, make_user, make_invited, token_of):
        """A link that was passed on declines nothing, nor does an address that is merely claimed."""
        invitation = make_invitation()
        token = token_of(invitation)

        with pytest.raises(EmailMismatch):
            decline_invitation(token, make_user(email_verified=True))
        claimed = make_user(invitation.email)
        with pytest.raises(EmailUnverified):
            decline_invitation(token, claimed)

        invitation.refresh_from_db()
        assert invitation.status == "pending"

    def test_is_done_once(self, make_invitation, make_invited):
        invitation = make_invitation()
        person = make_invited(invitation)
        decline_invitation(invitation, person)

        with pytest.raises(InvitationDeclined):
            decline_invitation(invitation, person)

    def test_what_was_accepted_is_not_declined(self, make_invitation, make_invited):
        invitation = make_invitation()
        person = make_invited(invitation)
        accept_invitation(invitation, person)

        with pytest.raises(AlreadyAccepted):
            decline_invitation(invitation, person)

        assert Membership.objects.filter(user=person).exists()


class TestCheck:
    """What a sign-up with a token asks before it makes the person."""

    def test_good_one(self, make_invitation, token_of):
        invitation = make_invitation(email="ada@example.com")

        assert check_invitation(token_of(invitation), email="ADA@example.com") == invitation

    def test_other_address(self, make_invitation, token_of):
        with pytest.raises(EmailMismatch):
            check_invitation(token_of(make_invitation()), email="eve@example.com")

    def test_bad_ones(self, make_invitation, token_of, clock):
        invitation = make_invitation()
        old = token_of(invitation)
        resend_invitation(invitation, actor=None)
        new, email = token_of(invitation), invitation.email

        with pytest.raises(NotFound):
            check_invitation("x" * 43, email=email)
        with pytest.raises(InvitationRevoked):
            check_invitation(old, email=email)
        clock.shift(timedelta(days=8))
        with pytest.raises(InvitationExpired):
            check_invitation(new, email=email)


class TestTeams:
    def test_joins_them(self, make_membership, make_team, make_invitation, make_invited):
        """Whoever accepts is in the teams at once, in the lowest role, in the same transaction."""
        admin = make_membership(role="admin")
        teams = [make_team(organization=admin.organization) for _ in range(2)]
        invitation = make_invitation(
            admin.organization, actor=admin.user, team_ids=[each.pk for each in (*teams, teams[0])]
        )
        assert invitation.team_ids == [str(each.pk) for each in teams]
        person = make_invited(invitation)

        accept_invitation(invitation, person)

        places = TeamMembership.objects.filter(membership__user=person)
        assert {(each.team_id, each.role) for each in places} == {(each.pk, "member") for each in teams}

    def test_one_that_is_gone_is_left_out(self, make_team, make_invitation, make_invited):
        gone = make_team()
        there = make_team(organization=gone.organization)
        invitation = make_invitation(gone.organization, team_ids=[gone.pk, there.pk])
        delete_team(gone, actor=None)
        person = make_invited(invitation)

        accept_invitation(invitation, person)

        assert [each.team for each in TeamMembership.objects.filter(membership__user=person)] == [there]

    @pytest.mark.parametrize("which", ["unknown", "deleted", "foreign"])
    def test_must_be_the_organizations(self, make_team, make_organization, make_invitation, which):
        """I9: a team of another organization is as unknown as one that does not exist."""
        organization, team = make_organization(), make_team()
        if which == "deleted":
            team = make_team(organization=organization)
            delete_team(team, actor=None)
        key = uuid4() if which == "unknown" else team.pk

        with pytest.raises(UnknownTeam) as caught:
            make_invitation(organization, team_ids=[key])

        assert caught.value.field == "teams"
        assert not Invitation.objects.exists()

    def test_are_unknown_without_teams(self, make_team, make_invitation, monkeypatch):
        """Where no app has teams there is none to be in."""
        team = make_team()
        with monkeypatch.context() as without:
            without.setattr(placements, "_known", [])
            with pytest.raises(UnknownTeam):
                make_invitation(team.organization, team_ids=[team.pk])

        make_invitation(team.organization, team_ids=[team.pk])

    def test_are_not_too_many(self, make_organization, make_invitation):
        with pytest.raises(InvalidInput):
            make_invitation(team_ids=[uuid4() for _ in range(21)])


class TestSeats:
    """Members and open invitations take them; what is expired does not."""

    @pytest.fixture
    def organization(self, settings, make_organization):
        settings.SAAS_KIT_TENANCY_SEAT_LIMIT = "tests.tenancy.sample_seats.three"
        return make_organization()  # its owner has one

    def test_invitations_hold_them(self, organization, make_invitation):
        for _ in range(2):
            make_invitation(organization)

        with pytest.raises(NoSeatsLeft):
            make_invitation(organization)

        assert Invitation.objects.count() == OutboxMessage.objects.count() == 2
        revoke_invitation(Invitation.objects.first(), actor=None)
        make_invitation(organization)

    def test_no_limit(self, organization, settings, make_invitation):
        settings.SAAS_KIT_TENANCY_SEAT_LIMIT = "tests.tenancy.sample_seats.any_number"
        for _ in range(4):
            make_invitation(organization)

    def test_accepting_takes_no_other(self, organization, make_invitation, make_invited):
        """The seat that an invitation held becomes the member's."""
        invitations = [make_invitation(organization) for _ in range(2)]

        for each in invitations:
            accept_invitation(each, make_invited(each))

        assert Membership.objects.in_organization(organization).count() == 3

    def test_fewer_than_before(self, organization, settings, make_invitation, make_invited):
        """Where there are fewer meanwhile, whoever was invited finds no seat, and the invitation stays."""
        invitation = make_invitation(organization)
        person = make_invited(invitation)
        settings.SAAS_KIT_TENANCY_SEAT_LIMIT = "tests.tenancy.sample_seats.as_agreed"
        services.change_organization(organization, metadata={"seats": 1}, actor=None)

        with pytest.raises(NoSeatsLeft):
            accept_invitation(invitation, person)

        invitation.refresh_from_db()
        assert invitation.status == "pending"
        services.change_organization(organization, metadata={"seats": 2}, actor=None)
        accept_invitation(invitation, person)

    def test_expired_ones_hold_none(self, organization, make_invitation, clock):
        first, _ = make_invitation(organization), make_invitation(organization)
        clock.shift(timedelta(days=8))
        for _ in range(2):
            make_invitation(organization)

        with pytest.raises(NoSeatsLeft):
            resend_invitation(first, actor=None)
        with pytest.raises(NoSeatsLeft):
            invite(organization, email=first.email, role="member", actor=None)

        revoke_invitation(Invitation.objects.live().first(), actor=None)
        resend_invitation(first, actor=None)

    def test_renewing_an_open_one_takes_no_other(self, organization, make_invitation):
        invitations = [make_invitation(organization) for _ in range(2)]

        resend_invitation(invitations[0], actor=None)
        invite(organization, email=invitations[1].email, role="viewer", actor=None)

    @pytest.mark.parametrize("service", [services.add_member, services.introduce_member])
    def test_members_need_them(self, organization, make_user, make_invitation, make_invited, service):
        """However somebody comes in, they need a seat; whoever is invited has theirs."""
        invitation = make_invitation(organization)
        service(organization, make_user(), "member", actor=None)

        with pytest.raises(NoSeatsLeft):
            service(organization, make_user(), "member", actor=None)

        assert Membership.objects.in_organization(organization).count() == 2
        service(organization, make_invited(invitation), "member", actor=None)

    def test_member_is_told_so_first(self, organization, make_user, make_invitation):
        """In a full organization, too, a member is a member already."""
        member = services.add_member(organization, make_user(), "member", actor=None)
        make_invitation(organization)

        with pytest.raises(AlreadyMember):
            services.add_member(organization, member.user, "member", actor=None)


class TestRemind:
    def test_once_before_the_end(self, make_invitation, token_of, clock, events):
        """Somebody who did not answer hears of it once more; the end stays, and so does the link before."""
        invitation = make_invitation()
        old, ends = token_of(invitation), invitation.expires_at
        clock.shift(timedelta(days=4) - timedelta(seconds=1))
        assert remind_invitations() == 0
        clock.shift(timedelta(seconds=1))

        assert remind_invitations() == 1
        assert remind_invitations() == 0

        invitation.refresh_from_db()
        new = reminder_of(invitation)
        assert invitation.expires_at == ends
        assert len(events("invitation.reminded")) == 1
        assert old != new
        assert find_invitation(old) == find_invitation(new) == invitation

    @pytest.mark.parametrize("which", ["first", "reminder"])
    def test_either_link_answers(self, make_invitation, make_invited, token_of, clock, which):
        """Whichever message somebody has found, they accept by it."""
        invitation = make_invitation()
        person = make_invited(invitation)
        clock.shift(timedelta(days=5))
        remind_invitations()
        invitation.refresh_from_db()
        token = token_of(invitation) if which == "first" else reminder_of(invitation)

        assert accept_invitation(token, person).user == person

    def test_that_is_not_sent_costs_nothing(self, make_invitation, token_of, clock, on_commit):
        """Whoever wants no notifications gets no reminder, has the link before, and bounced for nobody."""
        with on_commit():
            invitation = make_invitation()
        token = token_of(invitation)
        suppress(invitation.email, reason=SuppressionReason.UNSUBSCRIBED, topic="notifications")
        clock.shift(timedelta(days=5))

        with on_commit():
            assert remind_invitations() == 1

        states = OutboxMessage.objects.order_by("pk").values_list("state", flat=True)
        assert list(states) == [State.SENT, State.SUPPRESSED]
        assert find_invitation(token) == invitation
        assert Invitation.objects.with_delivery().get().delivery_status == "sent"

    def test_ends_no_message_before(self, make_invitation, clock):
        """What waits still is sent as well, and is what the organization is told of."""
        invitation = make_invitation()
        clock.shift(timedelta(days=5))

        remind_invitations()

        assert [each.is_open for each in OutboxMessage.objects.all()] == [True, True]
        assert Invitation.objects.with_delivery().get().mail_id == invitation.mail_id

    def test_sent_again_ends_both_links(self, make_invitation, token_of, clock):
        """I50: only the newest link is good, and mail with those before that waits is not sent."""
        invitation = make_invitation()
        clock.shift(timedelta(days=5))
        remind_invitations()
        invitation.refresh_from_db()
        old = [token_of(invitation), reminder_of(invitation)]

        resend_invitation(invitation, actor=None)

        for token in old:
            with pytest.raises(InvitationRevoked):
                find_invitation(token)
        assert find_invitation(token_of(invitation)) == invitation
        assert [each.pk for each in OutboxMessage.objects.open()] == [invitation.mail_id]

    def test_is_not_sent_of_what_was_taken_back(self, make_invitation, clock):
        """I47: neither the message nor its reminder is."""
        invitation = make_invitation()
        clock.shift(timedelta(days=5))
        remind_invitations()

        revoke_invitation(invitation, actor=None)

        assert not OutboxMessage.objects.open().exists()

    def test_again_after_it_was_sent_again(self, make_invitation, clock):
        invitation = make_invitation()
        clock.shift(timedelta(days=4))
        remind_invitations()
        resend_invitation(invitation, actor=None)
        assert remind_invitations() == 0
        clock.shift(timedelta(days=4))

        assert remind_invitations() == 1

    def test_nobody_who_need_not_know(self, make_invitation, make_invited, make_membership, clock):
        """Neither of what ended, expired, is void or brief, nor of what belongs to a deleted organization."""
        accepted, declined, revoked, deleted = (make_invitation() for _ in range(4))
        brief = make_invitation(expires_at=NOW + timedelta(days=3))
        admin = make_membership(role="admin")
        void = make_invitation(admin.organization, actor=admin.user)
        accept_invitation(accepted, make_invited(accepted))
        decline_invitation(declined, make_invited(declined))
        revoke_invitation(revoked, actor=None)
        services.delete_organization(deleted.organization, actor=None)
        services.remove_member(admin, actor=None)

        clock.shift(timedelta(days=2))
        assert brief.visible_status == "pending"
        assert remind_invitations() == 0

        clock.shift(timedelta(days=2))
        assert void.visible_status == "pending"
        assert remind_invitations() == 0

        clock.shift(timedelta(days=4))
        assert remind_invitations() == 0

    @pytest.mark.parametrize("suspended", ["organization", "account"])
    def test_nobody_of_what_is_suspended(self, make_invitation, clock, suspended):
        """Nobody could accept it; once the organization and its account are active again they are reminded."""
        invitation = make_invitation()
        clock.shift(timedelta(days=5))
        self._set_status(invitation.organization, suspended, Status.SUSPENDED)

        assert remind_invitations() == 0

        self._set_status(invitation.organization, suspended, Status.ACTIVE)
        assert remind_invitations() == 1

    @pytest.mark.parametrize("suspended", ["organization", "account"])
    def test_nobody_of_what_is_suspended_meanwhile(self, make_invitation, clock, suspended):
        """What was active as it was found is asked about once more while it is held."""
        invitations = [make_invitation() for _ in range(2)]
        clock.shift(timedelta(days=5))

        def suspend(instance, **kwargs):
            post_save.disconnect(suspend, sender=OutboxMessage)
            (other,) = (each for each in invitations if each.organization_id != instance.organization_id)
            with unscoped(reason="a test suspends another organization"):
                self._set_status(other.organization, suspended, Status.SUSPENDED)

        post_save.connect(suspend, sender=OutboxMessage)

        assert remind_invitations() == 1

        reminded = OutboxMessage.objects.filter(kind="saas_kit_tenancy.invitation_reminder")
        assert reminded.count() == 1
        assert Invitation.objects.filter(reminded_at__isnull=True).count() == 1

    def _set_status(self, organization, which, status):
        if which == "organization":
            services.set_organization_status(organization, status, actor=None)
        else:
            services.set_account_status(organization.account, status, actor=None)

    def test_in_batches(self, make_organization, make_invitation, clock):
        """However many there are, each is reminded of once."""
        organization = make_organization()
        for _ in range(5):
            make_invitation(organization)
        clock.shift(timedelta(days=5))

        assert remind_invitations(batch_size=2) == 5

    def test_one_fault_stops_no_other(self, make_membership, make_invitation, clock, settings, caplog):
        """What goes wrong with one is logged, and the next is reminded of."""
        admins = [make_membership(role="admin") for _ in range(2)]
        first, second = (make_invitation(each.organization, actor=each.user) for each in admins)
        services.change_organization(first.organization, metadata={"faulty": True}, actor=None)
        settings.AUTHENTICATION_BACKENDS = [
            "tests.tenancy.sample_backends.FaultyBackend",
            *settings.AUTHENTICATION_BACKENDS,
        ]
        clock.shift(timedelta(days=5))

        assert remind_invitations() == 1

        assert f"invitation {first.pk}" in caplog.text
        first.refresh_from_db()
        second.refresh_from_db()
        assert (first.reminded_at, second.reminded_at) == (None, timezone.now())

    def test_can_be_turned_off(self, make_invitation, clock, settings):
        settings.SAAS_KIT_TENANCY_INVITATION_REMINDER = timedelta(0)
        make_invitation()
        clock.shift(timedelta(days=6))

        assert remind_invitations() == 0


@pytest.mark.without_scope
class TestScope:
    def test_services_need_none(self, make_organization, make_user, token_of):
        """Whoever has the organization, the invitation or the token can call them, from a shell too."""
        organization = make_organization()
        invitation, _ = invite(organization, email="ada@example.com", role="member", actor=None)
        with unscoped(reason="a test reads the token"):
            token = token_of(invitation)

        assert find_invitation(token).email == "ada@example.com"
        accept_invitation(token, make_user("ada@example.com", email_verified=True))


@pytest.mark.hosts("full", "default_user", "custom_organization")
class TestAdmin:
    """Platform staff look at invitations and remove them; the secret is on no page."""

    def test_pages(self, admin_client, make_membership, make_invitation, token_of):
        admin = make_membership(role="admin")
        invitation = make_invitation(admin.organization, actor=admin.user, message="Hello")
        token, digest = token_of(invitation), InvitationToken.objects.get().token_hash
        choice = reverse("admin:saas_kit_tenancy_choose_organization")
        admin_client.post(choice, {"organization": str(admin.organization_id)})

        for address in (
            reverse("admin:saas_kit_tenancy_invitation_changelist"),
            reverse("admin:saas_kit_tenancy_invitation_change", args=[invitation.pk]),
        ):
            page = admin_client.get(address, follow=True)
            assert page.status_code == 200
            text = page.content.decode()
            assert invitation.email in text
            assert token not in text
            assert digest not in text

    def test_removes(self, make_user, make_invitation, events):
        staff, invitation = make_user(superuser=True), make_invitation()

        services.delete_invitation(invitation, actor=staff)

        assert not Invitation.objects.exists()
        assert not InvitationToken.objects.exists()
        assert not OutboxMessage.objects.open().exists()
        assert events("invitation.deleted")[-1].actor == staff
        with pytest.raises(NotFound):
            services.delete_invitation(invitation, actor=staff)
