"""The outbox and the suppressed addresses in the admin."""

from __future__ import annotations

import pytest
from django.apps import apps
from django.contrib.auth.models import Permission
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from saas_kit.email.models import OutboxMessage, State, Suppression, SuppressionReason
from saas_kit.email.services import suppress
from tests.email.messages import Digest, Key, Notice

pytestmark = [pytest.mark.hosts("full", "default_user", "custom_organization"), pytest.mark.django_db]

OUTBOX = "admin:saas_kit_email_outboxmessage_{}"
SUPPRESSIONS = "admin:saas_kit_email_suppression_{}"
CHOICE = "admin:saas_kit_tenancy_choose_organization"


@pytest.fixture
def admin_client(admin_client):
    """Staff who have chosen to see all organizations."""
    admin_client.post(reverse(CHOICE), {"organization": "*"})
    return admin_client


@pytest.fixture
def make_staff(make_user):
    """Sign in somebody who works here and has some permissions, and has chosen to see all organizations."""

    def make(*codenames):
        user = make_user()
        user.is_staff = True
        user.save()
        user.user_permissions.set(Permission.objects.filter(codename__in=codenames))
        client = Client()
        client.force_login(user)
        client.post(reverse(CHOICE), {"organization": "*"})
        return client

    return make


def act(client, action, *rows):
    values = {"action": action, "_selected_action": [row.pk for row in rows]}
    return client.post(reverse(OUTBOX.format("changelist")), values, follow=True)


class TestOutbox:
    def test_messages_are_listed_and_filtered(self, admin_client, make_message, deliver):
        deliver(make_message(Notice(), to="sent@example.com"))
        make_message(Digest(), to="waiting@example.com")
        address = reverse(OUTBOX.format("changelist"))

        everything = admin_client.get(address).text
        assert "sent@example.com" in everything
        assert "waiting@example.com" in everything
        for query in ({"state__exact": "queued"}, {"kind": "tests.digest"}):
            found = admin_client.get(address, query).text
            assert "waiting@example.com" in found
            assert "sent@example.com" not in found

    @pytest.mark.parametrize(
        "term",
        [
            lambda row: "ADA@example.com ",
            lambda row: str(row.pk),
            lambda row: str(row.organization_id),
            lambda row: row.message_id,
            lambda row: row.message_id.strip("<>"),
            lambda row: "p-1",
        ],
        ids=["address", "id", "organization", "message-id", "message-id-without-brackets", "provider's id"],
    )
    def test_message_is_found(self, admin_client, make_message, make_organization, term):
        make_message(to="grace@example.com")
        row = make_message(organization=make_organization())
        OutboxMessage.objects.filter(pk=row.pk).update(provider_id="p-1")
        address = reverse(OUTBOX.format("changelist"))

        found = admin_client.get(address, {"q": term(row)}).text

        assert "ada@example.com" in found
        assert "grace@example.com" not in found

    @pytest.mark.parametrize("term", ["nobody@example.com", "ada", "%", "a" * 400, "<", "@"])
    def test_part_of_an_address_finds_nothing(self, admin_client, make_message, term):
        """An index finds what is whole."""
        make_message()

        response = admin_client.get(reverse(OUTBOX.format("changelist")), {"q": term})

        assert response.status_code == 200
        assert "ada@example.com" not in response.text

    def test_message_is_shown_as_it_is_sent(self, admin_client, make_message):
        row = make_message(Notice(name="<b>Ada</b>"))

        page = admin_client.get(reverse(OUTBOX.format("change"), args=[row.pk])).text

        assert "Dear &lt;b&gt;Ada&lt;/b&gt;" in page
        assert "<b>Ada" not in page
        assert row.message_id.strip("<>") in page
        assert 'name="_save"' not in page

    @pytest.mark.parametrize("is_sent", [False, True])
    def test_secret_is_shown_to_nobody(self, admin_client, make_message, deliver, is_sent):
        row = make_message(Key(token="canary-9"))
        if is_sent:
            deliver(row)

        page = admin_client.get(reverse(OUTBOX.format("change"), args=[row.pk])).text

        assert "canary-9" not in page
        assert "only the receiver may see this" in page
        assert OutboxMessage.objects.get(pk=row.pk).secrets not in page or is_sent

    def test_message_whose_class_is_gone_is_shown(self, admin_client, make_message):
        row = make_message()
        OutboxMessage.objects.filter(pk=row.pk).update(kind="gone.away")

        page = admin_client.get(reverse(OUTBOX.format("change"), args=[row.pk]))

        assert page.status_code == 200
        assert "this cannot be shown" in page.text

    def test_organization_that_was_chosen_is_the_only_one(
        self, admin_client, make_message, make_organization
    ):
        own, other = make_organization(), make_organization()
        rows = {
            name: make_message(to=f"{name}@example.com", organization=organization)
            for name, organization in (("own", own), ("other", other), ("none", None))
        }
        admin_client.post(reverse(CHOICE), {"organization": str(own.pk)})

        listed = admin_client.get(reverse(OUTBOX.format("changelist"))).text

        assert [name for name in rows if f"{name}@example.com" in listed] == ["own"]
        act(admin_client, "cancel", *rows.values())
        assert set(OutboxMessage.objects.filter(state=State.CANCELLED)) == {rows["own"]}
        page = admin_client.get(reverse(OUTBOX.format("change"), args=[rows["other"].pk]))
        assert page.status_code == 302

    def test_nothing_can_be_written_or_deleted(self, admin_client, make_message):
        row = make_message()

        assert admin_client.get(reverse(OUTBOX.format("add"))).status_code == 403
        change = reverse(OUTBOX.format("change"), args=[row.pk])
        assert admin_client.post(change, {"recipient": "eve@example.com"}).status_code == 403
        delete = reverse(OUTBOX.format("delete"), args=[row.pk])
        assert admin_client.post(delete, {"post": "yes"}).status_code == 403
        act(admin_client, "delete_selected", row)
        assert OutboxMessage.objects.get().recipient == "ada@example.com"

    def test_number_of_statements_does_not_grow(self, admin_client, make_message):
        address = reverse(OUTBOX.format("changelist"))

        def count():
            with CaptureQueriesContext(connection) as queries:
                admin_client.get(address)
            return len(queries)

        make_message()
        count()
        few = count()
        for _ in range(5):
            make_message()
        assert count() == few


class TestActions:
    def test_message_is_sent_again(self, admin_client, make_message, deliver, on_commit):
        row = deliver(make_message())

        with on_commit():
            act(admin_client, "resend", row)

        assert [sent.message()["Message-ID"] for sent in mail.outbox] == [row.message_id] * 2
        assert apps.get_model("admin.LogEntry").objects.filter(object_id=row.pk).exists()

    def test_message_whose_secret_is_gone_is_not(self, admin_client, make_message, deliver):
        """And the others are all the same."""
        gone, other = deliver(make_message(Key(token="t"))), deliver(make_message())

        page = act(admin_client, "resend", gone, other).text

        assert "Cause a new one." in page
        gone.refresh_from_db()
        other.refresh_from_db()
        assert (gone.state, other.state) == (State.SENT, State.QUEUED)

    def test_message_that_waits_is_cancelled(self, admin_client, make_message, deliver):
        waiting, sent = make_message(Key(token="t")), deliver(make_message())

        page = act(admin_client, "cancel", waiting, sent).text

        waiting.refresh_from_db()
        sent.refresh_from_db()
        assert (waiting.state, waiting.secrets, sent.state) == (State.CANCELLED, "", State.SENT)
        assert "The present state does not allow this." in page
        assert deliver(waiting).state == State.CANCELLED

    def test_addresses_are_suppressed(self, admin_client, make_message):
        act(admin_client, "suppress_recipients", make_message(), make_message())

        [found] = Suppression.objects.all()
        assert (found.email, found.reason) == ("ada@example.com", SuppressionReason.STAFF)

    @pytest.mark.parametrize(
        ("permissions", "allowed"),
        [
            (["view_outboxmessage"], set()),
            (["view_outboxmessage", "change_outboxmessage"], {"resend", "cancel"}),
            (["view_outboxmessage", "add_suppression"], {"suppress_recipients"}),
        ],
    )
    def test_staff_do_what_they_may(self, make_staff, make_message, permissions, allowed):
        client, row = make_staff(*permissions), make_message()

        page = client.get(reverse(OUTBOX.format("changelist"))).text
        for action in ("resend", "cancel", "suppress_recipients"):
            assert (f'value="{action}"' in page) == (action in allowed)
        for action in {"resend", "cancel", "suppress_recipients"} - allowed:
            act(client, action, row)
        row.refresh_from_db()
        assert row.state == State.QUEUED
        assert not Suppression.objects.exists()

    def test_staff_without_permission_see_nothing(self, make_staff, make_message):
        row = make_message()
        client = make_staff("view_suppression")

        assert client.get(reverse(OUTBOX.format("changelist"))).status_code == 403
        assert client.get(reverse(OUTBOX.format("change"), args=[row.pk])).status_code == 403


class TestSuppressions:
    def test_address_is_added_in_its_one_form(self, admin_client):
        response = admin_client.post(
            reverse(SUPPRESSIONS.format("add")), {"email": "Ada@Example.com", "topic": ""}
        )

        assert response.status_code == 302
        [found] = Suppression.objects.all()
        assert (found.email, found.topic, found.reason) == ("ada@example.com", "", SuppressionReason.STAFF)

    @pytest.mark.parametrize(
        ("email", "topic"),
        [("nobody", ""), ("", ""), ("ada@example.com", "nothing"), ("ADA@example.com", "digests")],
    )
    def test_what_is_wrong_or_there_already_is_told(self, admin_client, email, topic):
        suppress("ada@example.com", reason=SuppressionReason.UNSUBSCRIBED, topic="digests")

        response = admin_client.post(reverse(SUPPRESSIONS.format("add")), {"email": email, "topic": topic})

        assert response.status_code == 200
        assert "errorlist" in response.text
        assert Suppression.objects.count() == 1

    def test_address_is_found_shown_and_removed(self, admin_client):
        row = suppress("ada@example.com", reason=SuppressionReason.BOUNCED, detail="550 <no> such user")
        suppress("grace@example.com", reason=SuppressionReason.COMPLAINED)
        listing = reverse(SUPPRESSIONS.format("changelist"))

        found = admin_client.get(listing, {"q": "ADA@example.com"}).text
        assert "ada@example.com" in found
        assert "grace@example.com" not in found
        page = admin_client.get(reverse(SUPPRESSIONS.format("change"), args=[row.pk])).text
        assert "550 &lt;no&gt; such user" in page
        admin_client.post(reverse(SUPPRESSIONS.format("delete"), args=[row.pk]), {"post": "yes"})
        assert [each.email for each in Suppression.objects.all()] == ["grace@example.com"]

    def test_many_are_removed(self, admin_client):
        rows = [suppress(f"{name}@example.com", reason=SuppressionReason.STAFF) for name in "ab"]
        values = {"action": "delete_selected", "_selected_action": [row.pk for row in rows], "post": "yes"}

        admin_client.post(reverse(SUPPRESSIONS.format("changelist")), values)

        assert not Suppression.objects.exists()

    def test_nothing_is_changed(self, admin_client):
        row = suppress("ada@example.com", reason=SuppressionReason.STAFF)

        response = admin_client.post(
            reverse(SUPPRESSIONS.format("change"), args=[row.pk]), {"email": "eve@example.com"}
        )

        assert response.status_code == 403
        assert Suppression.objects.get().email == "ada@example.com"
