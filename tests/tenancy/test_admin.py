"""Accounts and organizations in the admin: every write there is the service's."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from saas_kit.tenancy.models import Account, get_organization_model

pytestmark = [pytest.mark.hosts("full", "default_user", "custom_organization"), pytest.mark.django_db]

Organization = get_organization_model()


@pytest.fixture(params=["account", "organization"])
def site(request, make_account, make_organization):
    """The pages of accounts or of organizations."""
    return (
        Site(Account, make_account) if request.param == "account" else Site(Organization, make_organization)
    )


class Site:
    def __init__(self, model, make):
        self.model, self.make, self.noun = model, make, "account" if model is Account else "organization"

    def url(self, page, row=None):
        options = self.model._meta
        return reverse(
            f"admin:{options.app_label}_{options.model_name}_{page}",
            args=[row.pk] if row is not None else None,
        )

    def form(self, row=None, **values):
        """What the browser sends for the form of a row, or of a new one."""
        data = {"name": "New", "slug": "new", "metadata": "{}", "vat_id": ""}
        inline = "memberships"
        data |= {f"{inline}-TOTAL_FORMS": "0", f"{inline}-INITIAL_FORMS": "0"}
        if row is not None:
            data |= {"name": row.name, "slug": row.slug, "metadata": json.dumps(row.metadata)}
        return {**data, **values}

    def act(self, client, action, *rows):
        return client.post(
            self.url("changelist"),
            {"action": action, "_selected_action": [row.pk for row in rows], "post": "yes"},
            follow=True,
        )


def test_list_has_the_deleted_too(admin_client, site):
    """They can be searched, and filtered by their status and by being deleted."""
    alive, deleted = site.make("Alive"), site.make("Buried")
    deleted.delete()
    address = site.url("changelist")

    everything = admin_client.get(address).content
    assert b"Alive" in everything
    assert b"Buried" in everything
    assert b"Buried" not in admin_client.get(address, {"q": "Alive"}).content
    assert b"Alive" in admin_client.get(address, {"q": str(alive.pk)}).content
    assert b">Alive<" not in admin_client.get(address, {"deleted_at__isempty": "0"}).content
    assert b">Buried<" in admin_client.get(address, {"deleted_at__isempty": "0"}).content
    assert admin_client.get(address, {"status__exact": "suspended"}).status_code == 200


def test_created_row_belongs_to_who_made_it(admin_client, site, make_account, events):
    """The service makes it: with an owner, and on record."""
    values = {"metadata": '{"a": 1}'} | (
        {"account": make_account().pk} if site.noun == "organization" else {}
    )

    response = admin_client.post(site.url("add"), site.form(**values))

    assert response.status_code == 302, response.context["adminform"].form.errors
    row = site.model.objects.get(slug="new")
    assert (row.name, row.metadata) == ("New", {"a": 1})
    [membership] = row.memberships.all()
    assert membership.role == "owner"
    assert events(f"{site.noun}.created")[-1].actor == membership.user
    assert admin_client.get(response["Location"]).status_code == 200


def test_changed_row_is_on_record(admin_client, site, events, fresh):
    """The service changes it, and only what differs."""
    row = site.make("Old", slug="old")

    response = admin_client.post(site.url("change", row), site.form(row, name="Changed"))

    assert response.status_code == 302, response.context["adminform"].form.errors
    assert fresh(row).name == "Changed"
    assert events(f"{site.noun}.changed")[-1].changes == {"name": ["Old", "Changed"]}


def test_members_are_shown_and_not_edited(admin_client, site):
    """The roles of people are changed elsewhere, under rules."""
    row = site.make()
    person = row.memberships.get().user

    content = admin_client.get(site.url("change", row)).content.decode()

    assert person.get_username() in content
    assert 'name="memberships-0-role"' not in content


@pytest.mark.parametrize("values", [{"slug": "Not A Slug"}, {"slug": "--"}, {"name": ""}, {"metadata": "{"}])
def test_bad_input_is_told(admin_client, site, values, fresh):
    """The form says what is wrong, and nothing is written."""
    row = site.make("Old")

    response = admin_client.post(site.url("change", row), site.form(row, **values))

    assert response.status_code == 200
    assert set(response.context["adminform"].form.errors) == set(values)
    assert fresh(row).name == "Old"


def test_taken_slug_is_told(admin_client, site, make_account, fresh):
    """I97: of another that is alive, on creation and on change; that of a deleted one is free."""
    other = site.make(slug="taken")
    row = site.make("Old", slug="old")
    values = {"slug": "taken"} | ({"account": make_account().pk} if site.noun == "organization" else {})

    for page, subject in (("add", None), ("change", row)):
        address = site.url(page, *([subject] if subject else []))
        response = admin_client.post(address, site.form(subject, **values))
        assert response.status_code == 200
        assert "slug" in response.context["adminform"].form.errors
    assert fresh(row).slug == "old"

    other.delete()
    assert admin_client.post(site.url("change", row), site.form(row, slug="taken")).status_code == 302
    assert fresh(row).slug == "taken"


def test_account_of_an_organization_stays(admin_client, make_organization, make_account, fresh):
    """An organization does not move to another account."""
    site, organization = Site(Organization, make_organization), make_organization()

    admin_client.post(
        site.url("change", organization), site.form(organization, account=make_account().pk, name="Same")
    )

    assert fresh(organization).account_id == organization.account_id


def test_deleted_and_restored(admin_client, site, events, fresh):
    """I98: the button and the action delete by the mark, on record, and the action restores."""
    one, two = site.make(), site.make()

    assert admin_client.get(site.url("delete", one)).status_code == 200
    admin_client.post(site.url("delete", one), {"post": "yes"})
    site.act(admin_client, "delete_selected", two)
    assert fresh(one).is_deleted
    assert fresh(two).is_deleted
    assert len(events(f"{site.noun}.deleted")) == 2

    response = site.act(admin_client, "restore", one, two)
    assert b"2 were changed." in response.content
    assert not fresh(one).is_deleted
    assert len(events(f"{site.noun}.restored")) == 2


def test_refusal_of_one_stops_not_the_others(admin_client, site, fresh):
    """Restoring something alive is told; what else was chosen is restored."""
    alive, deleted = site.make("Alive"), site.make("Buried")
    deleted.delete()

    response = site.act(admin_client, "restore", alive, deleted)

    assert b"Alive: This was not deleted." in response.content
    assert not fresh(deleted).is_deleted


def test_deleting_again_does_nothing(admin_client, site, events, fresh):
    """What is deleted already is left as it is."""
    row = site.make()
    row.delete()

    site.act(admin_client, "delete_selected", row)

    assert events(f"{site.noun}.deleted") == []
    assert fresh(row).is_deleted


def test_deleted_row_is_shown_and_not_changed(admin_client, site, fresh):
    """It has to be restored first."""
    row = site.make("Old")
    row.delete()

    assert admin_client.get(site.url("change", row)).status_code == 200
    response = admin_client.post(site.url("change", row), site.form(row, name="Changed"))

    assert response.status_code == 403
    assert fresh(row).name == "Old"


def test_suspended_and_reinstated(admin_client, site, events, fresh):
    """Both are actions on the list, and on record."""
    row = site.make()

    site.act(admin_client, "suspend", row)
    assert fresh(row).status == "suspended"
    site.act(admin_client, "reinstate", row)
    assert fresh(row).status == "active"

    assert len(events(f"{site.noun}.changed")) == 2


@pytest.mark.hosts("full")
def test_what_is_in_use_is_told(admin_client, make_organization, fresh):
    """Something that protects it is a message, not an error page."""
    from django.apps import apps

    site, organization = Site(Organization, make_organization), make_organization("Kept")
    widget = apps.get_model("widgets.Widget").objects.create(organization=organization, name="x")
    apps.get_model("widgets.Shipment").objects.create(widget=widget, address="Here")

    for attempt in (
        lambda: admin_client.post(site.url("delete", organization), {"post": "yes"}, follow=True),
        lambda: site.act(admin_client, "delete_selected", organization),
    ):
        assert attempt().status_code in (200, 403)
        assert not fresh(organization).is_deleted


def test_staff_without_permissions_see_nothing(client, make_user, site):
    """`is_staff` opens the site and no page of it."""
    client.force_login(make_user(is_staff=True))
    row = site.make()

    for page, subject in (("changelist", None), ("add", None), ("change", row), ("delete", row)):
        assert client.get(site.url(page, subject)).status_code == 403


def test_services_are_the_only_way(admin_client, site, catch_signal, on_commit):
    """What is done in the admin is told to receivers as anything else is."""
    from saas_kit.tenancy import signals

    row = site.make()
    with catch_signal(getattr(signals, f"{site.noun}_deleted")) as sent, on_commit():
        admin_client.post(site.url("delete", row), {"post": "yes"})

    assert len(sent) == 1
