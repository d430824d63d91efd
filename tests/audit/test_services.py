"""The append-only record of who did what to which object."""

from __future__ import annotations

from contextlib import ExitStack
from uuid import uuid4

import pytest
from django.db import transaction

from saas_kit.audit.models import Event
from saas_kit.audit.services import record
from saas_kit.core import context
from saas_kit.tenancy import unscoped

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def own_context():
    with ExitStack() as stack:
        stack.enter_context(context.fresh_context(request="request-1", ip="192.0.2.7"))
        stack.enter_context(unscoped(reason="a test looks at all rows"))
        yield


class TestRecord:
    def test_who_what_when_and_where(self, make_membership, make_user):
        """The event names the actor, the object, its organization, the request and the address."""
        membership, actor = make_membership(), make_user("ada@example.com")

        event = record("member.praised", target=membership, actor=actor, changes={"praise": [0, 1]})

        stored = Event.objects.get(pk=event.pk)
        assert (stored.action, stored.actor, stored.changes) == ("member.praised", actor, {"praise": [0, 1]})
        assert stored.actor_label == actor.get_username()
        assert (stored.target_type, stored.target_id) == ("saas_kit_tenancy.membership", str(membership.pk))
        assert stored.target_label == str(membership)
        assert stored.organization_id == membership.organization_id
        assert (stored.request_id, stored.ip_address, stored.staff_access) == (
            "request-1",
            "192.0.2.7",
            False,
        )
        assert str(stored) == f"member.praised {membership}"

    def test_place_can_be_named(self, make_account):
        """Where the object does not know its place, or has another, it is said."""
        account, organization_id, account_id = make_account(), uuid4(), uuid4()

        event = record(
            "account.seen",
            target=account,
            actor=None,
            organization_id=organization_id,
            account_id=account_id,
        )

        assert (event.organization_id, event.account_id) == (organization_id, account_id)

    def test_organization_names_its_account(self, make_organization):
        """What belongs to an account is found in the account's log as well."""
        organization = make_organization()

        assert record("x.y", target=organization, actor=None).account_id == organization.account_id

    def test_staff_access_is_marked(self, make_account):
        """I35: what was done as platform staff is told apart."""
        context.staff_access.set(True)

        assert record("account.seen", target=make_account(), actor=None).staff_access

    @pytest.mark.parametrize("address", [None, "", "unix:", "localhost", "192.0.2.7, 10.0.0.1", "x" * 300])
    def test_address_that_is_none_is_left_out(self, make_account, address):
        """Behind a Unix socket there is no address, and that stops nothing."""
        with context.fresh_context(ip=address):
            assert record("account.seen", target=make_account(), actor=None).ip_address is None

    def test_version_6_address(self, make_account):
        """Addresses are of either version."""
        with context.fresh_context(ip="2001:db8::1"):
            event = record("account.seen", target=make_account(), actor=None)

        assert Event.objects.get(pk=event.pk).ip_address == "2001:db8::1"

    def test_long_labels_are_cut(self, make_account):
        """Labels are for people; a long one does not make a change fail."""
        account = make_account()
        account.name = "x" * 1000

        event = record("account.seen", target=account, actor=None)

        assert Event.objects.get(pk=event.pk).target_label == "x" * 254

    def test_goes_with_the_transaction(self, make_account):
        """What is rolled back has not happened, and is not recorded."""
        account = make_account()
        with transaction.atomic():
            record("account.seen", target=account, actor=None)
            transaction.set_rollback(True)

        assert not Event.objects.filter(action="account.seen").exists()


class TestAppendOnly:
    @pytest.fixture
    def event(self, make_account, make_user):
        return record("account.seen", target=make_account(), actor=make_user())

    def test_query_sets_neither_change_nor_delete(self, event):
        """The log is added to and read."""
        for queryset in (Event.objects.all(), Event.objects.filter(pk=event.pk)):
            with pytest.raises(TypeError):
                queryset.update(action="nothing.happened")
            with pytest.raises(TypeError):
                queryset.delete()
        assert Event.objects.get(pk=event.pk).action == "account.seen"

    def test_rows_neither_change_nor_go(self, event):
        """A row that was read can be saved or deleted as little."""
        event.action = "nothing.happened"
        with pytest.raises(TypeError):
            event.save()
        with pytest.raises(TypeError):
            event.delete()

        assert Event.objects.get(pk=event.pk).action == "account.seen"

    def test_bulk_ways_are_closed_too(self, event):
        """Nor is there another way around."""
        event.action = "nothing.happened"
        with pytest.raises(TypeError), transaction.atomic():
            Event.objects.bulk_update([event], ["action"])
        with pytest.raises(TypeError), transaction.atomic():
            Event.objects.update_or_create(pk=event.pk, defaults={"action": "nothing.happened"})

        assert Event.objects.get(pk=event.pk).action == "account.seen"

    def test_outlives_the_person(self, event):
        """When a person's row goes for good, the record keeps their name."""
        label = event.actor_label
        event.actor.delete()

        stored = Event.objects.get(pk=event.pk)
        assert (stored.actor, stored.actor_label) == (None, label)
        assert label

    def test_outlives_the_object(self, make_organization):
        """The record of what was purged stays, with its place."""
        organization = make_organization()
        key = organization.pk
        event = record("organization.seen", target=organization, actor=None, organization_id=key)
        organization.account.purge()

        assert Event.objects.get(pk=event.pk).organization_id == key

    def test_in_organization(self, make_organization):
        """I14: the log of one organization has nothing of another's."""
        one, other = make_organization(), make_organization()

        assert {each.organization_id for each in Event.objects.in_organization(one)} == {one.pk}
        assert Event.objects.in_organization(other).count() == 1
