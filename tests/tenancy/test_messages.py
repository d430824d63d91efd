"""What people are told by mail of what others did in their organizations and accounts."""

from __future__ import annotations

from typing import Any

import pytest
from django.core import mail

from saas_kit.email.models import OutboxMessage, State
from saas_kit.tenancy import services
from saas_kit.tenancy.exceptions import NoSeatsLeft
from saas_kit.tenancy.models import Membership, Status

pytestmark = pytest.mark.django_db


def sent(kind: str) -> list[OutboxMessage]:
    """Return the messages of a kind that were written."""
    return list(OutboxMessage.objects.filter(kind=f"saas_kit_tenancy.{kind}").order_by("id"))


def receivers(kind: str) -> set[str]:
    """Return whom a kind of message was written to, each once."""
    found = [each.recipient for each in sent(kind)]
    assert len(found) == len(set(found))
    return set(found)


@pytest.fixture
def owner(make_user):
    """Somebody who owns an organization."""
    return make_user()


@pytest.fixture
def organization(owner, make_organization):
    """The owner's organization, in somebody else's account."""
    return make_organization("Acme Berlin", owner=owner)


@pytest.fixture
def make_colleague(organization, make_membership):
    """Return a function that makes somebody a member of another organization of the same account."""

    def make() -> Any:
        sister = services.create_organization(
            account=organization.account,
            name="Sister",
            owner=make_membership(organization).user,
            actor=None,
        )
        return make_membership(sister).user

    return make


class TestMemberJoined:
    def test_inviter_is_told_and_not_the_owners(
        self, organization, owner, make_membership, make_user, token_of, on_commit
    ):
        admin = make_membership(organization, role="admin").user
        invited = make_user("grace@example.com", email_verified=True)
        invitation, _ = services.invite(organization, email=invited.email, role="viewer", actor=admin)

        with on_commit():
            membership = services.accept_invitation(token_of(invitation), invited)

        [row] = sent("member_joined")
        assert (row.recipient, row.organization_id) == (admin.email, organization.pk)
        assert row.cause == str(membership.pk)
        message = next(each for each in mail.outbox if "joined" in each.subject)
        assert "Acme Berlin" in message.subject
        assert "grace@example.com" in message.body
        assert "Viewer" in message.body

    def test_owners_are_told_whom_an_admin_adds(self, organization, owner, make_membership, make_colleague):
        """Never whoever acts, and never the member."""
        admin = make_membership(organization, role="admin").user
        second = make_membership(organization, role="owner").user

        services.add_member(organization, make_colleague(), "member", actor=admin)

        assert receivers("member_joined") == {owner.email, second.email}

    def test_owner_who_acts_is_not_told(self, organization, owner, make_colleague):
        services.add_member(organization, make_colleague(), "member", actor=owner)

        assert receivers("member_joined") == set()

    def test_owners_are_told_of_whom_somebody_brings_in(
        self, organization, owner, make_membership, make_user
    ):
        admin = make_membership(organization, role="admin").user

        services.introduce_member(organization, make_user(), "member", actor=admin)

        assert receivers("member_joined") == {owner.email}

    def test_who_cannot_sign_in_is_not_told(self, organization, owner, make_membership, make_user):
        admin = make_membership(organization, role="admin").user
        type(owner)._base_manager.filter(pk=owner.pk).update(is_active=False)

        services.introduce_member(organization, make_user(), "member", actor=admin)

        assert receivers("member_joined") == set()

    def test_what_the_system_does_is_not_told(self, organization, make_user):
        services.introduce_member(organization, make_user(), "member", actor=None)

        assert receivers("member_joined") == set()

    def test_owners_are_a_handful_at_most(
        self,
        organization,
        make_membership,
        make_user,
        django_assert_num_queries,
        django_assert_max_num_queries,
    ):
        """The number of statements does not grow with the organization."""
        admin = make_membership(organization, role="admin").user
        for _ in range(10):
            make_membership(organization, role="owner")
        new, newer = make_user(), make_user()
        with django_assert_max_num_queries(60) as few:
            services.introduce_member(organization, new, "member", actor=admin)
        for _ in range(5):
            make_membership(organization, role="owner")
        OutboxMessage.objects.all().delete()

        with django_assert_num_queries(len(few)):
            services.introduce_member(organization, newer, "member", actor=admin)

        assert len(receivers("member_joined")) == 10

    def test_nobody_is_told_of_what_was_undone(self, organization, make_membership, make_user, settings):
        """I79."""
        admin = make_membership(organization, role="admin").user
        settings.SAAS_KIT_TENANCY_SEAT_LIMIT = f"{__name__}.one_seat"

        with pytest.raises(NoSeatsLeft):
            services.introduce_member(organization, make_user(), "member", actor=admin)

        assert sent("member_joined") == []

    def test_deleted_organization_is_not_told_of(self, organization, make_membership, make_user):
        """I100."""
        admin = make_membership(organization, role="admin").user
        services.introduce_member(organization, make_user(), "member", actor=admin)

        services.delete_organization(organization, actor=None)

        assert [each.state for each in sent("member_joined")] == [State.CANCELLED]


def one_seat(organization: Any) -> int:
    return 1


class TestRoleChanged:
    def test_member_is_told(self, organization, owner, make_membership, on_commit):
        membership = make_membership(organization)

        with on_commit():
            services.change_role(membership, "admin", actor=owner)

        [row] = sent("role_changed")
        assert (row.recipient, row.organization_id) == (membership.user.email, organization.pk)
        [message] = mail.outbox
        assert "Acme Berlin" in message.subject
        assert "from Member to Admin" in message.body

    def test_who_changes_their_own_is_not(self, organization, owner, make_membership):
        make_membership(organization, role="owner")
        own = Membership.objects.get(organization=organization, user=owner)

        services.change_role(own, "admin", actor=owner)

        assert sent("role_changed") == []

    def test_each_change_is_told_and_no_change_is_not(self, organization, owner, make_membership):
        membership = make_membership(organization)
        for role in ("admin", "admin", "member", "admin"):
            services.change_role(membership, role, actor=owner)

        assert len(sent("role_changed")) == 3

    def test_role_in_an_account(self, make_account_membership, on_commit):
        owner = make_account_membership(role="owner")
        membership = make_account_membership(owner.account)

        with on_commit():
            services.change_account_role(membership, "admin", actor=owner.user)

        [row] = sent("role_changed")
        assert (row.recipient, row.organization_id) == (membership.user.email, None)
        assert owner.account.name in mail.outbox[0].subject

    def test_role_that_the_host_has_removed(self, organization, owner, make_membership):
        membership = make_membership(organization)
        Membership.objects.filter(pk=membership.pk).update(role="janitor")

        services.change_role(membership, "admin", actor=owner)

        assert sent("role_changed")[0].context["old_role"] == "janitor"


class TestOwnershipTransferred:
    def test_both_owners_are_told(self, make_account_membership, on_commit):
        old = make_account_membership(role="owner")
        new = make_account_membership(old.account, role="admin")

        with on_commit():
            services.transfer_account(old.account, to=new.user, actor=old.user)

        assert receivers("ownership_transferred") == {old.user.email, new.user.email}
        assert old.account.name in mail.outbox[0].subject
        assert sent("role_changed") == []

    def test_staff_owned_nothing(self, make_account_membership, make_user, settings):
        settings.SAAS_KIT_TENANCY_STAFF_ACCESS = True
        owner = make_account_membership(role="owner")
        new = make_account_membership(owner.account)
        staff = make_user(superuser=True)

        services.transfer_account(owner.account, to=new.user, actor=staff)

        assert receivers("ownership_transferred") == {new.user.email}
        assert staff.email not in str(sent("ownership_transferred")[0].context)


class TestSuspended:
    def test_owners_of_an_account_are_told(self, make_account_membership, make_user, on_commit):
        owner = make_account_membership(role="owner")
        second = make_account_membership(owner.account, role="owner")
        make_account_membership(owner.account, role="admin")

        with on_commit():
            for _ in range(2):
                services.set_account_status(owner.account, Status.SUSPENDED, actor=make_user(superuser=True))

        assert receivers("account_suspended") == {owner.user.email, second.user.email}
        assert owner.account.name in mail.outbox[0].subject

    def test_owners_of_an_organization_are_told(self, organization, owner, make_membership):
        make_membership(organization, role="admin")

        services.set_organization_status(organization, Status.SUSPENDED, actor=None)

        assert [(each.recipient, each.organization_id) for each in sent("account_suspended")] == [
            (owner.email, organization.pk)
        ]

    def test_end_of_it_is_none(self, organization):
        services.set_organization_status(organization, Status.SUSPENDED, actor=None)
        services.set_organization_status(organization, Status.ACTIVE, actor=None)

        assert len(sent("account_suspended")) == 1
