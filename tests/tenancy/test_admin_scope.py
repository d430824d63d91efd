"""The admin's pages of what belongs to organizations: they show what staff chose, and nothing until they did."""

from __future__ import annotations

import logging
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.admin.sites import all_sites
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import include, path, reverse

from saas_kit.core import context
from saas_kit.tenancy import current_scope, scope, unscoped
from saas_kit.tenancy.models import Account, get_organization_model

pytestmark = [
    pytest.mark.hosts("full", "default_user", "custom_organization"),
    pytest.mark.django_db,
    pytest.mark.without_scope,
]

CHOICE = "admin:saas_kit_tenancy_choose_organization"
TEAMS = "admin:saas_kit_teams_team"
FORMS = {"team_memberships-TOTAL_FORMS": "0", "team_memberships-INITIAL_FORMS": "0"}


def _page(name, row=None):
    return reverse(f"{TEAMS}_{name}", args=None if row is None else [row.pk])


def _choose(client, organization, **values):
    """Choose an organization, or all of them."""
    key = "*" if organization is None else organization.pk
    response = client.post(reverse(CHOICE), {"organization": key, **values})
    assert response.status_code == 302
    return response


def _leads_to_choice(response):
    """Tell whether it does, and to where the choice leads."""
    parts = urlsplit(response.get("Location", ""))
    return parts.path == reverse(CHOICE) and parse_qs(parts.query)["next"][0]


@pytest.fixture
def team(make_team):
    """A team of A."""
    return make_team("Ours", slug="ours")


@pytest.fixture
def other_team(make_team):
    """A team of B."""
    return make_team("Canary of B", slug="canary")


@pytest.fixture
def read(fresh):
    """Read a row anew, wherever it is."""
    return unscoped(reason="the test looks at a row")(fresh)


class TestChoice:
    @pytest.mark.parametrize("name", ["changelist", "add", "change", "delete", "history"])
    def test_is_needed_first(self, admin_client, team, name):
        """Each page of a tenant-owned model leads to the choice, and the choice back to the page."""
        address = _page(name, team if name not in ("changelist", "add") else None)
        response = admin_client.get(f"{address}?q=x")

        assert _leads_to_choice(response) == f"{address}?q=x"
        assert _choose(admin_client, team.organization, next=f"{address}?q=x")["Location"] == f"{address}?q=x"
        # nobody adds a team in the admin
        assert admin_client.get(address).status_code == (403 if name == "add" else 200)

    def test_is_needed_before_a_write(self, admin_client, team, read):
        """A form that is sent without a choice changes nothing; with one it does."""
        values = {"name": "New", "slug": team.slug, "description": "", **FORMS}

        assert _leads_to_choice(admin_client.post(_page("change", team), values))
        assert _leads_to_choice(admin_client.post(_page("delete", team), {"post": "yes"}))
        assert read(team).name == "Ours"

        _choose(admin_client, team.organization)
        assert admin_client.post(_page("change", team), values).status_code == 302
        assert read(team).name == "New"

    def test_other_pages_need_none(self, admin_client, team):
        """Accounts, organizations and the index are as ever."""
        options = get_organization_model()._meta
        organizations = f"admin:{options.app_label}_{options.model_name}"

        for address in (
            reverse("admin:index"),
            reverse("admin:saas_kit_tenancy_account_changelist"),
            reverse(f"{organizations}_changelist"),
            reverse(f"{organizations}_change", args=[team.organization_id]),
            reverse(f"{organizations}_delete", args=[team.organization_id]),
        ):
            assert admin_client.get(address).status_code == 200

    def test_is_on_record(self, admin_client, team, events, caplog):
        """Who chose what; and each request that sees all organizations is in the log."""
        _choose(admin_client, team.organization)
        with caplog.at_level(logging.INFO, logger="saas_kit.tenancy"):
            _choose(admin_client, None)
            caplog.clear()
            admin_client.get(_page("changelist"))

        with unscoped(reason="the test reads the audit log"):
            one, everything = (event for event in events() if event.action.startswith("staff."))
        assert (one.action, one.target_id) == ("staff.organization_chosen", str(team.organization_id))
        assert one.organization_id == team.organization_id
        assert one.actor is not None
        assert everything.action == "staff.all_organizations_chosen"
        assert everything.actor == one.actor
        assert f"admin: {one.actor.get_username()}" in caplog.text

    @pytest.mark.parametrize(
        "wanted", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example", ""]
    )
    def test_leads_nowhere_else(self, admin_client, team, wanted):
        """``next`` of another site is not followed."""
        assert _choose(admin_client, team.organization, next=wanted)["Location"] == reverse("admin:index")

    def test_needs_the_csrf_token(self, admin_client, team):
        """Nobody else's page can choose for the member of staff."""
        strict = Client(enforce_csrf_checks=True)
        strict.cookies = admin_client.cookies

        assert strict.post(reverse(CHOICE), {"organization": "*"}).status_code == 403
        assert _leads_to_choice(admin_client.get(_page("changelist")))

    def test_is_not_made_by_looking(self, admin_client, team):
        """Only a form that is sent chooses."""
        admin_client.get(reverse(CHOICE), {"organization": team.organization_id})

        assert _leads_to_choice(admin_client.get(_page("changelist")))

    @pytest.mark.parametrize("key", ["unknown", "deleted", "nonsense", "nul", None])
    def test_of_nothing_is_told(self, admin_client, team, key):
        """The page says so, and what was chosen before stays."""
        _choose(admin_client, team.organization)
        gone = {"unknown": str(uuid4()), "deleted": None, "nonsense": "acme", "nul": "\x00", None: ""}[key]
        if key == "deleted":
            with unscoped(reason="the test deletes it"):
                team.organization.delete()
            gone = str(team.organization_id)

        response = admin_client.post(reverse(CHOICE), {} if key is None else {"organization": gone})

        assert response.status_code == 200
        assert b"There is no such organization" in response.content

    def test_is_made_again_when_the_organization_is_gone(self, admin_client, team, other_team):
        """One that was deleted meanwhile is no scope any more, on no page."""
        _choose(admin_client, team.organization)
        with unscoped(reason="the test deletes it"):
            team.organization.delete()

        response = admin_client.get(_page("changelist"), follow=True)

        assert response.redirect_chain == [
            (f"{reverse(CHOICE)}?next={_page('changelist').replace('/', '%2F')}", 302)
        ]
        assert b"was deleted. Choose again" in response.content
        _choose(admin_client, other_team.organization)
        assert admin_client.get(_page("changelist")).status_code == 200

    def test_finds_organizations(self, admin_client, make_organization):
        """By name, slug, account and id; not more than fit on a page."""
        one, two = make_organization("Acme Berlin"), make_organization("Globex")

        def found(words):
            return admin_client.get(reverse(CHOICE), {"q": words}).context["organizations"]

        assert {one, two} <= set(found(""))
        for words in ("acme", two.slug[:4], one.account.name, str(one.pk)):
            assert (one if words != two.slug[:4] else two) in found(words)
        assert found("acme") == [one]
        assert found("no such thing") == found("\x00no such thing") == []

    def test_is_for_staff_with_a_page_to_choose_for(self, client, make_user, team):
        """Others are refused, and learn no names."""
        person = make_user(is_staff=True)
        client.force_login(person)
        assert client.get(reverse(CHOICE)).status_code == 403
        assert client.post(reverse(CHOICE), {"organization": "*"}).status_code == 403
        assert client.get(_page("changelist")).status_code == 403

        person.user_permissions.add(Permission.objects.get(codename="view_team"))
        assert client.get(reverse(CHOICE)).status_code == 200
        _choose(client, team.organization)
        assert b"Ours" in client.get(_page("changelist")).content

    @pytest.mark.parametrize("field", ["is_staff", "is_active"])
    def test_ends_with_the_office(self, client, make_user, team, field):
        """Whoever is no longer staff, or not active, has no scope, though the session remembers one."""
        person = make_user(superuser=True)
        client.force_login(person)
        _choose(client, None)
        assert client.get(_page("changelist")).status_code == 200

        setattr(person, field, False)
        person.save()

        response = client.get(_page("changelist"))
        assert response.status_code == 302
        assert response["Location"].startswith(reverse("admin:login"))

    def test_is_no_scope_elsewhere(self, admin_client, team, settings):
        """Outside the admin, pages have what the request names."""
        from django.http import HttpResponse

        _choose(admin_client, None)
        urls = [path("page/", lambda request: HttpResponse(str(current_scope())))]
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": urls})

        assert admin_client.get("/page/").content == b"None"


class TestPages:
    def test_show_the_organization_that_was_chosen(self, admin_client, team, other_team):
        """I13: its rows and its name, and nothing of another; the search does not find it either."""
        _choose(admin_client, team.organization)

        for query in ({}, {"q": "Canary"}, {"q": str(other_team.pk)}, {"q": other_team.organization.name}):
            response = admin_client.get(_page("changelist"), query)
            assert response.status_code == 200
            # what was searched for is in the field of the search
            assert b">Canary of B<" not in response.content
            assert response.context["cl"].result_count == (0 if query else 1)
        content = admin_client.get(_page("changelist")).content.decode()
        assert f"Organization: <strong>{team.organization.name}</strong>" in content

    @pytest.mark.parametrize("name", ["change", "delete", "history"])
    def test_of_others_are_not_there(self, admin_client, team, other_team, read, name):
        """I3: B's row is as unknown as any other key; A's, on the same pages, is there."""
        _choose(admin_client, team.organization)

        response = admin_client.get(_page(name, other_team))
        assert (response.status_code, response["Location"]) == (302, reverse("admin:index"))
        admin_client.post(_page(name, other_team), {"name": "x", "slug": "x", "post": "yes", **FORMS})
        assert (read(other_team).name, read(other_team).is_deleted) == ("Canary of B", False)

        content = admin_client.get(_page(name, team)).content
        assert b"Ours" in content
        assert b'id="chosen-organization"' in content

    def test_actions_reach_no_others(self, admin_client, team, other_team, read):
        """I8: B's id among A's is passed over."""
        _choose(admin_client, team.organization)
        chosen = {"action": "delete_selected", "_selected_action": [team.pk, other_team.pk]}

        confirmation = admin_client.post(_page("changelist"), chosen)
        assert b"Canary" not in confirmation.content
        assert b'id="chosen-organization"' in confirmation.content
        admin_client.post(_page("changelist"), {**chosen, "post": "yes"})

        assert read(team).is_deleted
        assert not read(other_team).is_deleted

    def test_of_all_organizations(self, admin_client, team, other_team, read):
        """With all of them chosen, the rows of each are there, and can be changed; the page says so."""
        _choose(admin_client, None)

        content = admin_client.get(_page("changelist")).content.decode()
        assert "Ours" in content
        assert "Canary of B" in content
        assert "<strong>All organizations</strong>" in content
        values = {"name": "New", "slug": "new", "description": "", **FORMS}
        for each in (team, other_team):
            assert admin_client.post(_page("change", each), values).status_code == 302
            assert read(each).name == "New"
        admin_client.post(_page("delete", other_team), {"post": "yes"})
        assert read(other_team).is_deleted

    def test_deleting_an_organization_shows_what_goes_along(
        self, admin_client, team, other_team, make_team_membership, read
    ):
        """Whatever was chosen, or nothing: the organization's own rows, complete, and nobody else's."""
        make_team_membership(other_team)
        options = get_organization_model()._meta
        pages = f"admin:{options.app_label}_{options.model_name}"
        address = reverse(f"{pages}_delete", args=[other_team.organization_id])

        for chosen in ("nothing", team.organization, None):
            if chosen != "nothing":
                _choose(admin_client, chosen)
            content = admin_client.get(address).content.decode()
            assert "Canary of B" in content
            assert "Team memberships: 1" in content
            assert "Ours" not in content

        _choose(admin_client, team.organization)
        admin_client.post(address, {"post": "yes"})
        assert read(other_team).is_deleted
        assert not read(team).is_deleted

    def test_deleting_an_account_shows_what_goes_along(self, admin_client, team, other_team, read):
        """The rows of all its organizations, by the button and by the action."""
        account = other_team.organization.account
        address = reverse("admin:saas_kit_tenancy_account_delete", args=[account.pk])
        _choose(admin_client, team.organization)

        content = admin_client.get(address).content.decode()
        assert "Canary of B" in content
        assert "Ours" not in content
        chosen = {"action": "delete_selected", "_selected_action": [account.pk], "post": "yes"}
        admin_client.post(reverse("admin:saas_kit_tenancy_account_changelist"), chosen)

        assert read(other_team).is_deleted
        assert not read(team).is_deleted

    def test_audit_log_is_of_what_was_chosen(self, admin_client, team, other_team, events):
        """I14: its pages need the choice too, and show that organization's events; all show every one."""
        address = reverse("admin:saas_kit_audit_event_changelist")
        with unscoped(reason="the test reads the audit log"):
            [own] = [each for each in events("team.created") if each.target_id == str(team.pk)]
            [other] = [each for each in events("team.created") if each.target_id == str(other_team.pk)]
        page = "admin:saas_kit_audit_event_change"

        def seen():
            return {each.pk for each in admin_client.get(address).context["cl"].result_list}

        assert _leads_to_choice(admin_client.get(address)) == address
        _choose(admin_client, team.organization)
        assert own.pk in seen()
        assert other.pk not in seen()
        assert b'id="chosen-organization"' in admin_client.get(address).content
        assert admin_client.get(reverse(page, args=[own.pk])).status_code == 200
        assert admin_client.get(reverse(page, args=[other.pk])).status_code == 302
        _choose(admin_client, None)
        assert {own.pk, other.pk} <= seen()

    def test_leave_nothing_behind(self, admin_client, team):
        """I15, M20: neither a page nor one that was narrowed to its row."""
        for chosen in (team.organization, None):
            _choose(admin_client, chosen)
            admin_client.get(_page("change", team))
            assert (current_scope(), context.organization_id.get(), context.actor_id.get()) == (
                None,
                None,
                None,
            )


@pytest.fixture
def make_site():
    """Make a site of the host's own, which the checks of no other test tell of."""
    made = []

    def make(name):
        made.append(admin.AdminSite(name=name))
        return made[-1]

    yield make
    for site in made:
        all_sites.discard(site)


@pytest.fixture
def notes(settings, make_site):
    """A site of the host's own, with models of its own, that has the admin's usual pages too."""
    from saas_kit.tenancy.admin import OrganizationOwnedAdmin
    from tests.hosts.full.widgets.models import Note, Shipment, Widget

    class Replies(admin.TabularInline):
        model = Note
        fields = ("name",)
        extra = 1

    class NoteAdmin(OrganizationOwnedAdmin):
        fields = ("name", "size", "reply_to")
        list_display = ("name", "size", "reply_to")
        list_editable = ("size", "reply_to")
        list_filter = ("reply_to",)
        search_fields = ("name",)
        ordering = ("name",)
        save_as = True
        inlines = (Replies,)

        def formfield_for_foreignkey(self, db_field, request, **kwargs):
            return super().formfield_for_foreignkey(db_field, request, **{"required": False, **kwargs})

    class WidgetAdmin(OrganizationOwnedAdmin):
        fields = ("name", "size")

    class ShipmentAdmin(admin.ModelAdmin):
        fields = ("widget", "address")

    site = make_site("backoffice")
    site.register(Note, NoteAdmin)
    site.register(Widget, WidgetAdmin)
    site.register(Shipment, ShipmentAdmin)

    urls = [
        path("backoffice/", site.urls),
        path("", include("tests.hosts.full.urls")),
    ]
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": urls})
    return site


def _note_page(name, row=None, model="note"):
    return reverse(f"backoffice:widgets_{model}_{name}", args=None if row is None else [row.pk])


def _form(**values):
    return {"size": "1", "replies-TOTAL_FORMS": "0", "replies-INITIAL_FORMS": "0", **values}


@pytest.fixture
def make_note():
    """Make a note in an organization."""

    def make(organization, name="Note", **values):
        from tests.hosts.full.widgets.models import Note

        with scope(organization):
            return Note.objects.create(name=name, **values)

    return make


@pytest.fixture
def all_notes():
    """The notes of all organizations, by their names."""

    def read():
        from tests.hosts.full.widgets.models import Note

        with unscoped(reason="the test looks at all rows"):
            return {note.name: note for note in Note.objects.select_related("reply_to")}

    return read


@pytest.mark.hosts("full")
class TestModelsOfTheHost:
    def test_new_row_is_in_the_organization_that_was_chosen(
        self, notes, admin_client, make_organization, make_note, all_notes
    ):
        """With what is added along with it."""
        organization = make_organization()
        _choose(admin_client, organization)
        replies = {"replies-TOTAL_FORMS": "1", "replies-0-name": "Reply"}

        assert admin_client.get(_note_page("add")).status_code == 200
        response = admin_client.post(_note_page("add"), _form(name="New", **replies))

        assert response.status_code == 302, response.context["errors"]
        assert all_notes()["New"].organization == organization
        assert all_notes()["Reply"].organization == organization
        assert all_notes()["Reply"].reply_to == all_notes()["New"]

    def test_nothing_is_added_to_all(self, notes, admin_client, make_organization, make_note, all_notes):
        """The page, the form and a copy lead to the choice and say why; then it goes on."""
        note = make_note(make_organization())
        _choose(admin_client, None)

        for response in (
            admin_client.get(_note_page("add")),
            admin_client.post(_note_page("add"), _form(name="New")),
            admin_client.post(_note_page("change", note), _form(name="Copy", _saveasnew="1")),
        ):
            assert _leads_to_choice(response)
        assert b"that this is to be added to" in admin_client.get(reverse(CHOICE)).content
        assert set(all_notes()) == {"Note"}

        _choose(admin_client, note.organization)
        admin_client.post(_note_page("change", note), _form(name="Copy", _saveasnew="1"))
        assert all_notes()["Copy"].organization == note.organization

    def test_form_of_another_choice_adds_nothing(self, notes, admin_client, make_organization, all_notes):
        """Who chose another organization in another window meanwhile, does not add to that one."""
        shown, chosen_since = make_organization(), make_organization()
        _choose(admin_client, shown)
        content = admin_client.get(_note_page("add")).content.decode()
        assert f'name="_organization" value="{shown.pk}"' in content
        _choose(admin_client, chosen_since)

        response = admin_client.post(
            _note_page("add"), _form(name="New", _organization=shown.pk), follow=True
        )
        assert b"Nothing was added" in response.content
        assert all_notes() == {}

        admin_client.post(_note_page("add"), _form(name="New", _organization=chosen_since.pk))
        assert all_notes()["New"].organization == chosen_since

    @pytest.mark.parametrize("everything", [True, False])
    def test_references_stay_inside(
        self, notes, admin_client, make_organization, make_note, all_notes, everything
    ):
        """I7: B's notes are neither offered nor accepted, in the form and in the list; A's are both."""
        a, b = make_organization(), make_organization()
        note, own, other = make_note(a, "Note"), make_note(a, "Own"), make_note(b, "Canary")
        _choose(admin_client, None if everything else a)

        content = admin_client.get(_note_page("change", note)).content
        assert b">Own<" in content
        assert b"Canary" not in content
        for row, status in ((other, 200), (own, 302)):
            response = admin_client.post(_note_page("change", note), _form(name="Note", reply_to=row.pk))
            assert response.status_code == status
        assert all_notes()["Note"].reply_to == own

        listed = {
            "form-TOTAL_FORMS": "1",
            "form-INITIAL_FORMS": "1",
            "form-0-id": own.pk,
            "form-0-size": "7",
            "_save": "Save",
        }
        for row, size in ((other, 1), (note, 7)):
            admin_client.post(f"{_note_page('changelist')}?q=Own", {**listed, "form-0-reply_to": row.pk})
            assert all_notes()["Own"].size == size
        assert all_notes()["Own"].reply_to == note

    def test_filters_and_autocompletion_stay_inside(self, notes, admin_client, make_organization, make_note):
        """I11, I13: what they offer is A's."""
        a, b = make_organization(), make_organization()
        make_note(a, "Ours"), make_note(b, "Canary")
        _choose(admin_client, a)

        content = admin_client.get(_note_page("changelist")).content
        assert b"Ours" in content
        assert b"Canary" not in content
        found = admin_client.get(
            reverse("backoffice:autocomplete"),
            {"app_label": "widgets", "model_name": "note", "field_name": "reply_to", "term": ""},
        )
        assert [each["text"] for each in found.json()["results"]] == ["Ours"]

    def test_taken_name_is_told(self, notes, admin_client, make_organization):
        """I22: constraints with the organization, or the mark of deletion, are the form's matter, not a 500."""
        from tests.hosts.full.widgets.models import Widget

        a, b = make_organization(), make_organization()
        _choose(admin_client, a)
        address = _note_page("add", model="widget")

        def add(name):
            return admin_client.post(address, {"name": name, "size": "1"}).status_code

        assert [add("One"), add("one"), add("Two")] == [302, 200, 302]
        with scope(a):
            Widget.objects.get(name="One").delete()
        assert add("ONE") == 302
        _choose(admin_client, b)
        assert add("One") == 302

    def test_pages_of_others_that_need_a_scope_lead_to_the_choice(
        self, notes, admin_client, make_organization, read
    ):
        """A model that belongs to nobody may point to one that does, which is found out on the way."""
        from tests.hosts.full.widgets.models import Shipment, Widget

        a, b = make_organization(), make_organization()
        with unscoped(reason="the test makes rows"):
            ours = Widget.objects.create(organization=a, name="Ours")
            canary = Widget.objects.create(organization=b, name="Canary")
        address = _note_page("add", model="shipment")
        values = {"widget": ours.pk, "address": "Here"}

        assert _leads_to_choice(admin_client.get(address)) == address
        assert _leads_to_choice(admin_client.post(address, values)) == address
        assert b"Nothing was changed" in admin_client.get(reverse(CHOICE)).content
        assert not Shipment.objects.exists()

        _choose(admin_client, a)
        assert b"Canary" not in admin_client.get(address).content
        assert admin_client.post(address, {**values, "widget": canary.pk}).status_code == 200
        assert admin_client.post(address, values).status_code == 302

    def test_choice_is_found_where_accounts_are_not_registered(self, notes, admin_client, make_organization):
        """The page of the usual site serves; a site that has accounts uses its own."""
        from saas_kit.tenancy.admin import AccountAdmin

        address = _note_page("changelist")
        assert _leads_to_choice(admin_client.get(address)) == address

        notes.register(Account, AccountAdmin)
        from django.urls import clear_url_caches

        clear_url_caches()
        from django.conf import settings

        urls = [path("backoffice/", notes.urls), path("", include("tests.hosts.full.urls"))]
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": urls})
        location = admin_client.get(address)["Location"]
        assert location.startswith(reverse("backoffice:saas_kit_tenancy_choose_organization"))
        assert admin_client.get(location).status_code == 200
        organization = make_organization()
        assert admin_client.post(location, {"organization": organization.pk})["Location"] == address

    def test_plain_admin_of_a_tenant_owned_model_is_held_too(
        self, admin_client, make_organization, make_note, make_site, settings
    ):
        """Who forgot the base class sees no banner, and no more than was chosen."""
        from tests.hosts.full.widgets.models import Note

        a, b = make_organization(), make_organization()
        make_note(a, "Ours"), make_note(b, "Canary")
        site = make_site("plain")
        site.register(Note)
        urls = [path("plain/", site.urls), path("", include("tests.hosts.full.urls"))]
        settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": urls})
        address = reverse("plain:widgets_note_changelist")

        assert _leads_to_choice(admin_client.get(address)) == address
        _choose(admin_client, a)
        assert [each.name for each in admin_client.get(address).context["cl"].result_list] == ["Ours"]
