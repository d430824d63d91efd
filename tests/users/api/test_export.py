"""What people get when they ask for what is kept of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from saas_kit.auth import services
from saas_kit.auth.models import Session
from saas_kit.teams.services import add_team_member
from saas_kit.tenancy import scope
from saas_kit.tenancy.services import delete_organization
from tests.api_fixtures import ApiClient, World

SECTIONS = {
    *("profile", "addresses", "sessions", "one_time_tokens", "second_factors", "social_accounts", "erasure"),
    *("events", "memberships", "account_memberships", "team_memberships"),
}


@pytest.fixture
def export(client_for: Callable[..., ApiClient]) -> Callable[[Any], dict[str, Any]]:
    """Export somebody's data, and return the sections."""

    def read(user: Any) -> dict[str, Any]:
        response = client_for(user).get("auth/me/export/")
        assert response.status_code == 200, response.content
        sections: dict[str, Any] = response.json()["sections"]
        return sections

    return read


def test_is_a_file_that_nobody_keeps(client_for: Callable[..., ApiClient], make_user: Any) -> None:
    """An attachment, and no cache may have it."""
    response = client_for(make_user()).get("auth/me/export/")

    assert response.headers["Content-Disposition"] == 'attachment; filename="export.json"'
    assert "no-store" in response.headers["Cache-Control"]
    assert set(response.json()) == {"exported_at", "sections"}
    assert client_for().get("auth/me/export/").status_code == 401


def test_has_what_every_app_keeps(export: Callable[[Any], dict[str, Any]], world: World) -> None:
    """The memberships of each kind, with their places and roles."""
    person = world.people["lead"]

    sections = export(person)

    assert set(sections) >= SECTIONS  # a host may have registered more
    assert sections["profile"]["email"] == person.email
    (membership,) = sections["memberships"]
    assert (membership["organization"], membership["role"]) == (str(world.a.organization.pk), "member")
    assert (membership["name"], membership["slug"]) == (world.a.organization.name, world.a.organization.slug)
    (team,) = sections["team_memberships"]
    assert (team["team"], team["role"]) == (str(world.a.team.pk), "lead")
    (account,) = export(world.people["account_admin"])["account_memberships"]
    assert (account["account"], account["role"]) == (str(world.a.account.pk), "admin")


def test_i96_what_was_deleted_is_not_in_it(
    export: Callable[[Any], dict[str, Any]], make_membership: Any, make_organization: Any
) -> None:
    """I96: a deleted organization is absent; one that is there is not."""
    gone, there = make_organization(), make_organization()
    person = make_membership(gone).user
    make_membership(there, user=person)

    delete_organization(gone, actor=None)

    assert [each["organization"] for each in export(person)["memberships"]] == [str(there.pk)]


def test_i13_nothing_of_anybody_else_is_in_it(
    export: Callable[[Any], dict[str, Any]], world: World, make_user: Any
) -> None:
    """I13: not the other customer's, and not the addresses of colleagues, whom the person did something to."""
    owner = world.people["owner"]
    for name in ("viewer", "target"):
        colleague = world.people[name]
        services.record_changes(colleague, {"email": [colleague.email, "new"]}, actor=owner)
    stranger = make_user("stranger@example.com")
    services.open_session(stranger, user_agent="of the stranger")

    text = json.dumps(export(owner))

    others = {each.email for name, each in world.people.items() if each is not None and each.pk != owner.pk}
    assert owner.email in text
    assert not [each for each in (*others, stranger.email, "of the stranger", "canary") if each in text]


def test_no_secret_is_in_it(client_for: Callable[..., ApiClient], make_user: Any) -> None:
    """Neither the password's hash, nor tokens, nor what they are checked by."""
    person = make_user(password="a long enough password")
    client = client_for(person)

    text = client.get("auth/me/export/").content.decode()

    session = Session.objects.get(user=person)
    secrets = (person.password, session.password_fingerprint, session.refresh_id, client.token)
    assert str(session.pk) in text
    assert not [each for each in secrets if str(each) in text]


def test_has_what_they_did_in_and_out_of_organizations(
    export: Callable[[Any], dict[str, Any]], world: World
) -> None:
    """Also where row-level security shows the events of no organization to nobody."""
    admin = world.people["admin"]
    add_team_member(world.a.team, admin, "member", actor=admin)

    events = export(admin)["events"]

    assert events["complete"] is True
    places = {each["action"]: each["organization_id"] for each in events["events"]}
    assert places["session.opened"] is None
    assert places["team_member.joined"] == str(world.a.organization.pk)
    assert not {"target_label", "changes"} & set(events["events"][0])


def test_it_is_whole_whatever_the_scope(make_team_membership: Any) -> None:
    """Also where the work at hand may touch no organization, as with a token that is bound to one that they left."""
    person = make_team_membership().membership.user

    with scope(()):
        sections = services.export_user(person)["sections"]

    assert [len(sections[each]) for each in ("memberships", "team_memberships")] == [1, 1]


def test_is_limited(client_for: Callable[..., ApiClient], make_user: Any) -> None:
    """Ten an hour of one person; another one's are their own."""
    client = client_for(make_user())
    for _ in range(10):
        assert client.get("auth/me/export/").status_code == 200

    assert client.get("auth/me/export/").status_code == 429
    assert client_for(make_user()).get("auth/me/export/").status_code == 200


def test_statements_do_not_grow_with_the_rows(
    client_for: Callable[..., ApiClient], make_user: Any, make_membership: Any, make_account_membership: Any
) -> None:
    """As many with one row of each kind as with ten."""
    person = make_user()
    client = client_for(person)

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            assert client.get("auth/me/export/").status_code == 200
        return len(queries)

    make_membership(user=person)
    count()
    before = count()
    for _ in range(10):
        make_membership(user=person)
        make_account_membership(user=person)
        services.open_session(person)

    assert count() == before
