"""Teams over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from saas_kit.teams.models import Team, TeamMembership
from tests.api_fixtures import ApiClient

FIELDS = {"id", "organization", "name", "slug", "description", "member_count", "created_at", "updated_at"}


@pytest.fixture
def owner(make_user: Callable[..., Any]) -> Any:
    """Somebody who owns an organization."""
    return make_user()


@pytest.fixture
def client(owner: Any, client_for: Callable[..., ApiClient]) -> ApiClient:
    """The owner's client."""
    return client_for(owner)


@pytest.fixture
def organization(owner: Any, make_organization: Callable[..., Any]) -> Any:
    """The owner's organization, in somebody else's account."""
    return make_organization(owner=owner)


@pytest.fixture
def team(organization: Any, make_team: Callable[..., Any]) -> Any:
    """A team in it."""
    return make_team("Design", organization=organization, description="Draws.")


def _path(row: Any, more: str = "") -> str:
    return f"teams/{row.pk}/{more}"


def _errors(response: Any) -> list[tuple[str, str]]:
    assert response.status_code == 400, response.content
    return [(error["field"], error["code"]) for error in response.json()["errors"]]


class TestCreate:
    """POST /teams/"""

    def test_in_the_organization_of_the_body(self, client: ApiClient, organization: Any) -> None:
        """A team is made in the organization that the body names."""
        made = client.post(
            "teams/", {"organization": str(organization.pk), "name": "Design", "description": "x"}
        )

        assert made.status_code == 201
        body = made.json()
        assert body.keys() == FIELDS
        assert (
            body.items()
            >= {
                "organization": str(organization.pk),
                "name": "Design",
                "slug": "design",
                "description": "x",
                "member_count": 0,
            }.items()
        )
        assert client.get(f"teams/{body['id']}/").json() == body

    def test_in_the_caller_s_only_organization(
        self, client: ApiClient, organization: Any, owner: Any, make_membership: Any
    ) -> None:
        """The organization can be left out by somebody who is in one; of two, the field is required."""
        made = client.post("teams/", {"name": "Design"})
        assert (made.status_code, made.json()["organization"]) == (201, str(organization.pk))
        make_membership(user=owner)
        assert _errors(client.post("teams/", {"name": "Other"})) == [("organization", "required")]

    def test_name_and_slug_are_unique_in_the_organization(
        self, client: ApiClient, team: Any, owner: Any, make_organization: Any
    ) -> None:
        """I22: a name, whatever its case, and a slug are 400 ``unique`` here and free in another organization."""
        here = {"organization": str(team.organization_id)}
        for name in ("Design", "DESIGN", "design"):
            assert _errors(client.post("teams/", {**here, "name": name})) == [("name", "unique")]
        taken = client.post("teams/", {**here, "name": "Other", "slug": "design"})
        assert _errors(taken) == [("slug", "unique")]
        there = {"organization": str(make_organization(owner=owner).pk)}
        made = client.post("teams/", {**there, "name": "DESIGN", "slug": "design"})
        assert made.status_code == 201
        # another name may make the same slug
        assert client.post("teams/", {**here, "name": "Design!"}).json()["slug"].startswith("design-")

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({}, "name", "required"),
            ({"name": "x" * 121}, "name", "max_length"),
            ({"name": "x", "description": "x" * 2001}, "description", "max_length"),
            ({"name": "x", "slug": "UP"}, "slug", "invalid_slug"),
            ({"name": "x", "organization": None}, "organization", "null"),
            ({"name": "x", "organization": 1}, "organization", "does_not_exist"),
            ({"name": "x", "organization": "x"}, "organization", "incorrect_type"),
            ({"name": "x", "organization": []}, "organization", "incorrect_type"),
            ({"name": "x", "organization": {}}, "organization", "incorrect_type"),
            ({"name": "x", "organization": True}, "organization", "incorrect_type"),
            ({"name": "x", "member_counts": 1}, "member_counts", "unknown"),
        ],
    )
    def test_bad_input_is_named(
        self, client: ApiClient, organization: Any, body: Any, field: str, code: str
    ) -> None:
        """I120: each fault is 400 on its field, and no team is made."""
        assert _errors(client.post("teams/", body)) == [(field, code)]
        assert not Team.objects.exists()


class TestChange:
    """PUT and PATCH /teams/{id}/"""

    def test_put_replaces_and_patch_changes(self, client: ApiClient, team: Any) -> None:
        """A PUT sets what it leaves out to what a new object has, a PATCH leaves it."""
        assert client.patch(_path(team), {"name": "One"}).json()["description"] == "Draws."
        replaced = client.put(_path(team), {"name": "Two"}).json()
        assert (replaced["name"], replaced["description"], replaced["slug"]) == ("Two", "", "design")
        assert _errors(client.put(_path(team), {"description": "x"})) == [("name", "required")]

    def test_organization_cannot_change(
        self, client: ApiClient, team: Any, owner: Any, make_organization: Any
    ) -> None:
        """Another organization is 400 ``immutable`` even where the caller owns it; the same one is no change."""
        other = make_organization(owner=owner)
        for method, body in (("PATCH", {}), ("PUT", {"name": "x"})):
            refused = client.request(method, _path(team), {**body, "organization": str(other.pk)})
            assert _errors(refused) == [("organization", "immutable")]
            same = client.request(method, _path(team), {**body, "organization": str(team.organization_id)})
            assert same.status_code == 200

    def test_name_and_slug_are_unique(self, client: ApiClient, team: Any, make_team: Any) -> None:
        """Another team's name or slug is 400 ``unique``; one's own in other letters is not."""
        make_team("Sales", organization=team.organization)
        assert _errors(client.patch(_path(team), {"name": "SALES"})) == [("name", "unique")]
        assert _errors(client.patch(_path(team), {"slug": "sales"})) == [("slug", "unique")]
        assert client.patch(_path(team), {"name": "DESIGN", "slug": "design"}).status_code == 200


class TestDeleteAndRestore:
    """DELETE /teams/{id}/ and POST restore/"""

    def test_deleted_team_is_nowhere(self, client: ApiClient, team: Any, make_team_membership: Any) -> None:
        """I96: a deleted team and its members are 404, in no list, and found by no filter."""
        place = make_team_membership(team)
        paths = (_path(team), _path(team, "members/"), _path(team, f"members/{place.pk}/"))
        assert {client.get(path).status_code for path in paths} == {200}

        assert client.delete(_path(team)).status_code == 204

        assert {client.get(path).status_code for path in paths} == {404}
        for method in ("PUT", "PATCH", "DELETE"):
            assert client.request(method, _path(team), {"name": "x"}).status_code == 404
        assert client.post(_path(team, "members/"), {}).status_code == 404
        assert client.get("teams/", count="true").json()["count"] == 0
        assert client.ids("teams/", member=place.membership.user_id) == set()
        assert client.ids("users/", team=team.pk) == set()

    def test_restore_brings_it_back_with_its_members(
        self, client: ApiClient, team: Any, make_team_membership: Any
    ) -> None:
        """I99: whoever was in it is in it again, but for those who left the organization meanwhile."""
        stayed, left = make_team_membership(team, role="lead"), make_team_membership(team)
        client.delete(_path(team))
        path = f"organizations/{team.organization_id}/members/{left.membership_id}/"
        assert client.delete(path).status_code == 204

        restored = client.post(_path(team, "restore/"))

        assert (restored.status_code, restored.json()) == (200, client.get(_path(team)).json())
        assert restored.json()["member_count"] == 1
        assert client.ids(_path(team, "members/")) == {str(stayed.pk)}

    def test_what_cannot_be_restored(self, client: ApiClient, team: Any, make_team: Any) -> None:
        """I97: what is alive is 409 ``not_deleted``, and a name or slug that is taken 409 ``unique``."""
        alive = client.post(_path(team, "restore/"))
        assert (alive.status_code, alive.json()["code"]) == (409, "not_deleted")
        client.delete(_path(team))
        for values in ({"name": "DESIGN", "slug": "other"}, {"name": "Other", "slug": "design"}):
            other = make_team(organization=team.organization, **values)
            taken = client.post(_path(team, "restore/"))
            assert (taken.status_code, taken.json()["code"]) == (409, "unique")
            client.delete(_path(other))
        assert client.post(_path(team, "restore/")).status_code == 200

    def test_restoring_is_for_those_who_may_delete(
        self, client: ApiClient, team: Any, make_membership: Any, client_for: Any
    ) -> None:
        """I103: a member's restore is 403, a stranger's 404, an owner's 200."""
        member = client_for(make_membership(team.organization).user)
        stranger = client_for(make_membership(role="owner").user)
        client.delete(_path(team))
        assert member.post(_path(team, "restore/")).status_code == 403
        assert stranger.post(_path(team, "restore/")).status_code == 404
        assert client.post(_path(team, "restore/")).status_code == 200

    def test_team_of_a_deleted_organization_is_out_of_reach(self, client: ApiClient, team: Any) -> None:
        """I96: as long as its organization is deleted, restoring a team is 404."""
        client.delete(_path(team))
        client.delete(f"organizations/{team.organization_id}/")
        assert client.post(_path(team, "restore/")).status_code == 404
        client.post(f"organizations/{team.organization_id}/restore/")
        assert client.post(_path(team, "restore/")).status_code == 200


class TestList:
    """GET /teams/"""

    def test_filters_search_and_order(
        self,
        client: ApiClient,
        team: Any,
        owner: Any,
        make_team: Any,
        make_organization: Any,
        make_team_membership: Any,
    ) -> None:
        """By organization, by member, by search in name, slug and description, and in an order."""
        other = make_team("Accounts", organization=make_organization(owner=owner))
        place = make_team_membership(team)
        make_team()
        page = client.get("teams/", count="true").json()
        assert [row["id"] for row in page["results"]] == [str(other.pk), str(team.pk)]
        assert [row["member_count"] for row in page["results"]] == [0, 1]
        assert page["count"] == 2
        assert client.ids("teams/", organization=other.organization_id) == {str(other.pk)}
        assert client.ids("teams/", member=place.membership.user_id) == {str(team.pk)}
        assert client.ids("teams/", search="draws") == {str(team.pk)}
        names = [row["name"] for row in client.get("teams/", ordering="name").json()["results"]]
        assert names == ["Accounts", "Design"]

    def test_member_count_is_of_who_is_in_it(
        self, client: ApiClient, team: Any, make_team_membership: Any
    ) -> None:
        """A list, an object and the answer to a change count the same people."""
        for _ in range(3):
            make_team_membership(team)
        counts = {
            client.get("teams/").json()["results"][0]["member_count"],
            client.get(_path(team)).json()["member_count"],
            client.patch(_path(team), {"name": "x"}).json()["member_count"],
        }
        assert counts == {3}


def test_role_change_acts_on_teams_at_once(
    client: ApiClient, team: Any, make_membership: Any, client_for: Any
) -> None:
    """I27, I28: with one token an admin changes teams, as a member reads them, and once removed sees none."""
    membership = make_membership(team.organization, role="admin")
    admin = client_for(membership.user)
    path = f"organizations/{team.organization_id}/members/{membership.pk}/"
    assert admin.patch(_path(team), {"name": "x"}).status_code == 200
    client.patch(path, {"role": "member"})
    assert admin.patch(_path(team), {"name": "y"}).status_code == 403
    assert admin.get(_path(team)).status_code == 200
    client.delete(path)
    assert admin.patch(_path(team), {"name": "y"}).status_code == 404
    assert admin.get(_path(team)).status_code == 404
    assert admin.ids("teams/") == set()
    assert not TeamMembership.objects.exists()
