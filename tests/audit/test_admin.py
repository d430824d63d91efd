"""The audit log in the admin: to read and search."""

from __future__ import annotations

import pytest
from django.urls import reverse

from saas_kit.audit.models import Event
from saas_kit.audit.services import record

pytestmark = [pytest.mark.hosts("full", "default_user", "custom_organization"), pytest.mark.django_db]


@pytest.fixture
def admin_client(admin_client):
    """Staff who have chosen to see all organizations."""
    admin_client.post(reverse("admin:saas_kit_tenancy_choose_organization"), {"organization": "*"})
    return admin_client


@pytest.fixture
def event(make_account, make_user):
    return record("account.seen", target=make_account("Acme"), actor=make_user(), changes={"a": [1, "<b>"]})


def test_events_are_listed_filtered_and_found(admin_client, event):
    """The list, its filters and the search by id, request and name work."""
    address = reverse("admin:saas_kit_audit_event_changelist")

    assert b"account.seen" in admin_client.get(address).content
    for query in (
        {"q": str(event.target_id)},
        {"q": event.actor_label},
        {"action": "account.seen"},
        {"staff_access__exact": "0"},
    ):
        assert b"account.seen" in admin_client.get(address, query).content
    assert b"0 events" in admin_client.get(address, {"q": "nobody"}).content


def test_event_is_shown(admin_client, event):
    """With all that it tells, escaped."""
    response = admin_client.get(reverse("admin:saas_kit_audit_event_change", args=[event.pk]))

    assert response.status_code == 200
    assert b"<b>" not in response.content
    assert b'type="submit" value="Save"' not in response.content


def test_nothing_can_be_changed(admin_client, event):
    """Neither superusers nor anybody else add to, change or delete from the log by hand."""
    change = reverse("admin:saas_kit_audit_event_change", args=[event.pk])
    assert admin_client.post(change, {"action": "nothing.happened"}).status_code == 403
    assert admin_client.get(reverse("admin:saas_kit_audit_event_add")).status_code == 403
    delete = reverse("admin:saas_kit_audit_event_delete", args=[event.pk])
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403
    listing = reverse("admin:saas_kit_audit_event_changelist")
    admin_client.post(listing, {"action": "delete_selected", "_selected_action": [event.pk], "post": "yes"})

    assert Event.objects.get(pk=event.pk).action == "account.seen"
