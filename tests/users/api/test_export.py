"""What people get when they ask for what is kept of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from saas_kit.auth import services
from saas_kit.auth.models import Session
from saas_kit.teams.services import add_team_member
from saas_kit.tenancy import scope
from saas_kit.tenancy.models import InvitationToken
from saas_kit.tenancy.services import (
    accept_invitation,
    decline_invitation,
    delete_organization,
    remove_member,
)
from tests.api_fixtures import ApiClient, World

SECTIONS = {
    *("profile", "addresses", "sessions", "one_time_tokens", "second_factors", "social_accounts", "erasure"),
    *("events", "memberships", "account_memberships", "team_memberships"),
    *("invitations", "sent_invitations", "removals"),
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


def test_has_what_they_were_invited_to_and_what_they_answered(
    export: Callable[[Any], dict[str, Any]], make_user: Any, make_invitation: Any
) -> None:
    """I13: once they proved the address, which anybody could have registered with."""
    person = make_user("ann@example.com")
    open_, declined = (make_invitation(email="ann@example.com", message="Do come.") for _ in range(2))
    make_invitation(email="somebody.else@example.com")
    with time_machine.travel(timezone.now() - timedelta(days=30), tick=False):
        expired = make_invitation(email="ann@example.com")
    assert export(person)["invitations"] == []

    services.mark_verified(person)
    decline_invitation(declined, person)
    found = {each["id"]: each for each in export(person)["invitations"]}

    assert {key: each["status"] for key, each in found.items()} == {
        str(open_.pk): "pending",
        str(declined.pk): "declined",
        str(expired.pk): "expired",
    }
    invited = found[str(open_.pk)]
    organization = open_.organization
    assert (invited["organization"], invited["name"]) == (str(organization.pk), organization.name)
    assert (invited["role"], invited["message"]) == ("member", "Do come.")
    delete_organization(organization, actor=None)  # I96
    assert str(open_.pk) not in {each["id"] for each in export(person)["invitations"]}


def test_has_what_they_accepted_by_a_former_address(
    export: Callable[[Any], dict[str, Any]], make_user: Any, make_invitation: Any
) -> None:
    """What was sent to that address and not accepted may be somebody else's by now."""
    person = make_user("ann@example.com")
    services.mark_verified(person)
    accepted, _ = (make_invitation(email="ann@example.com") for _ in range(2))
    accept_invitation(accepted, person)

    services.change_email(person, "ann@example.org", actor=person)

    assert [each["id"] for each in export(person)["invitations"]] == [str(accepted.pk)]


def test_i13_what_they_sent_is_in_it_without_the_people_and_the_tokens(
    export: Callable[[Any], dict[str, Any]], make_membership: Any, make_invitation: Any, token_of: Any
) -> None:
    """I13: an address is its owner's; a colleague's invitations are the colleague's."""
    membership = make_membership(role="admin")
    organization = membership.organization
    sent = make_invitation(organization, "bob@example.com", actor=membership.user, message="Do come.")
    make_invitation(organization)
    token = token_of(sent)

    sections = export(membership.user)

    (found,) = sections["sent_invitations"]
    assert (found["id"], found["organization"]) == (str(sent.pk), str(organization.pk))
    assert (found["role"], found["message"], found["status"]) == ("member", "Do come.", "pending")
    with scope(organization):
        hashes = list(InvitationToken.objects.values_list("token_hash", flat=True))
    text = json.dumps(sections)
    assert not [each for each in ("bob@example.com", token, *hashes) if each in text]


def test_has_who_removed_them(export: Callable[[Any], dict[str, Any]], make_membership: Any) -> None:
    membership, other = make_membership(), make_membership()
    person, organization = membership.user, membership.organization
    assert export(person)["removals"] == []

    remove_member(membership, actor=None)

    assert [each["organization"] for each in export(person)["removals"]] == [str(organization.pk)]
    assert export(other.user)["removals"] == []


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
    client_for: Callable[..., ApiClient],
    make_user: Any,
    make_membership: Any,
    make_account_membership: Any,
    make_invitation: Any,
) -> None:
    """As many with one row of each kind as with ten."""
    person = make_user()
    services.mark_verified(person)
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
        make_invitation(email=person.email)
        make_invitation(make_membership(user=person, role="admin").organization, actor=person)
        services.open_session(person)

    assert count() == before
