"""Teams in the admin: every write there is the service's."""

from __future__ import annotations

import pytest
from django.urls import reverse

pytestmark = [pytest.mark.hosts("full", "default_user", "custom_organization"), pytest.mark.django_db]

LIST = "admin:saas_kit_teams_team_changelist"
FORMS = {"team_memberships-TOTAL_FORMS": "0", "team_memberships-INITIAL_FORMS": "0"}


@pytest.fixture
def admin_client(admin_client):
    """Staff who have chosen to see all organizations."""
    admin_client.post(reverse("admin:saas_kit_tenancy_choose_organization"), {"organization": "*"})
    return admin_client


def _change(team):
    return reverse("admin:saas_kit_teams_team_change", args=[team.pk])


def _form(team, **values):
    return {"name": team.name, "slug": team.slug, "description": team.description, **FORMS, **values}


def test_list_has_the_deleted_too(admin_client, make_team):
    """Teams are found by their name, their organization and their ids."""
    team, deleted = make_team("Design"), make_team("Buried")
    deleted.delete()

    content = admin_client.get(reverse(LIST)).content
    assert b"Design" in content
    assert b"Buried" in content
    for text in ("design", team.organization.name, str(team.pk), str(team.organization_id)):
        assert b"Design" in admin_client.get(reverse(LIST), {"q": text}).content
    assert b"Buried" not in admin_client.get(reverse(LIST), {"deleted_at__isempty": "1"}).content


def test_changed_team_is_on_record(admin_client, make_team_membership, events, fresh):
    """The service changes it; its members are shown, not edited."""
    place = make_team_membership()
    team = place.team
    assert place.membership.user.get_username() in admin_client.get(_change(team)).content.decode()

    response = admin_client.post(_change(team), _form(team, name="New", description="Pixels"))

    assert response.status_code == 302, response.context["adminform"].form.errors
    assert fresh(team).name == "New"
    assert set(events("team.changed")[-1].changes) == {"name", "description"}


@pytest.mark.parametrize("field", ["name", "slug"])
def test_taken_value_is_told(admin_client, make_team, fresh, field):
    """I22: of the same organization; another's is free."""
    team, elsewhere = make_team("Mine"), make_team("Elsewhere")
    make_team("Theirs", organization=team.organization)

    response = admin_client.post(_change(team), _form(team, **{field: "theirs"}))
    assert set(response.context["adminform"].form.errors) == {field}

    response = admin_client.post(_change(team), _form(team, **{field: getattr(elsewhere, field)}))
    assert response.status_code == 302
    assert getattr(fresh(team), field) == getattr(elsewhere, field)


def test_teams_are_not_made_here(admin_client):
    """They are made in their organization."""
    assert admin_client.get(reverse("admin:saas_kit_teams_team_add")).status_code == 403


def test_deleted_and_restored(admin_client, make_team, events, fresh):
    """I98: by the mark, on record; the deleted is not changed."""
    team, other = make_team("Mine"), make_team()
    admin_client.post(reverse("admin:saas_kit_teams_team_delete", args=[team.pk]), {"post": "yes"})
    admin_client.post(
        reverse(LIST), {"action": "delete_selected", "_selected_action": [other.pk], "post": "yes"}
    )
    assert fresh(team).is_deleted
    assert fresh(other).is_deleted
    assert len(events("team.deleted")) == 2
    assert admin_client.post(_change(team), _form(team, name="New")).status_code == 403

    admin_client.post(reverse(LIST), {"action": "restore", "_selected_action": [team.pk, other.pk]})

    assert not fresh(team).is_deleted
    assert fresh(team).name == "Mine"
    assert len(events("team.restored")) == 2
