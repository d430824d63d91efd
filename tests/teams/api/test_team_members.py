"""The members of teams over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from saas_kit.teams.models import TeamMembership
from tests.api_fixtures import ApiClient, reference


@pytest.fixture
def owner(make_user: Callable[..., Any]) -> Any:
    """Somebody who owns an organization."""
    return make_user()


@pytest.fixture
def client(owner: Any, client_for: Callable[..., ApiClient]) -> ApiClient:
    """The owner's client."""
    return client_for(owner)


@pytest.fixture
def team(owner: Any, make_organization: Callable[..., Any], make_team: Callable[..., Any]) -> Any:
    """A team in the owner's organization."""
    return make_team(organization=make_organization(owner=owner))


def _path(team: Any, place: Any = None) -> str:
    return f"teams/{team.pk}/members/" + (f"{place.pk}/" if place else "")


def _code(response: Any) -> tuple[int, str]:
    body = response.json()
    return response.status_code, body["errors"][0]["code"] if "errors" in body else body["code"]


class TestAdd:
    """POST /teams/{id}/members/"""

    def test_member_of_the_organization(self, client: ApiClient, team: Any, make_membership: Any) -> None:
        """A member of the organization is put in the team, as a member unless the body says otherwise."""
        person = make_membership(team.organization).user

        made = client.post(_path(team), {"user": reference(person)})

        assert made.status_code == 201
        body = made.json()
        assert body.keys() == {"id", "user", "role", "created_at"}
        assert (body["role"], body["user"]["id"], body["user"]["email"]) == (
            "member",
            reference(person),
            person.email,
        )
        assert client.get(f"{_path(team)}{body['id']}/").json() == body
        lead = make_membership(team.organization).user
        assert client.post(_path(team), {"user": reference(lead), "role": "lead"}).json()["role"] == "lead"

    def test_nobody_else(
        self,
        client: ApiClient,
        team: Any,
        owner: Any,
        make_user: Any,
        make_membership: Any,
        make_organization: Any,
        make_account_membership: Any,
    ) -> None:
        """Anybody who is not a member here is 400 in the same words, a colleague from elsewhere too."""
        elsewhere = make_membership(make_organization(account=team.organization.account)).user
        by_account = make_account_membership(team.organization.account, role="admin").user
        mine = make_membership(make_organization(owner=owner)).user
        stranger = make_user()
        unknown = 987_654_321 if isinstance(owner.pk, int) else "01920000-0000-7000-8000-000000000000"
        people = [*map(reference, (elsewhere, by_account, mine, stranger)), unknown]
        answers = [client.post(_path(team), {"user": each}) for each in people]
        assert {_code(each) for each in answers} == {(400, "does_not_exist")}
        assert len({str(each.json()["errors"]) for each in answers}) == 1
        assert not TeamMembership.objects.exists()

    def test_nobody_twice(self, client: ApiClient, team: Any, make_membership: Any) -> None:
        """I32: somebody who is in the team is 409 ``already_member``."""
        body = {"user": reference(make_membership(team.organization).user)}
        assert client.post(_path(team), body).status_code == 201
        assert _code(client.post(_path(team), body)) == (409, "already_member")
        assert TeamMembership.objects.count() == 1

    def test_whoever_left_can_come_back(
        self, client: ApiClient, team: Any, make_team_membership: Any
    ) -> None:
        """A place that ended is free again."""
        place = make_team_membership(team)
        assert client.delete(_path(team, place)).status_code == 204
        assert client.post(_path(team), {"user": reference(place.membership.user)}).status_code == 201

    @pytest.mark.parametrize("role", ["owner", "admin", "", None, [], 1])
    def test_no_role_that_is_none(
        self, client: ApiClient, team: Any, make_membership: Any, make_team_membership: Any, role: Any
    ) -> None:
        """A role that teams do not have is 400 on ``role``, on adding and on changing."""
        body = {"user": reference(make_membership(team.organization).user), "role": role}
        place = make_team_membership(team)
        for response in (client.post(_path(team), body), client.patch(_path(team, place), {"role": role})):
            assert response.status_code == 400
            assert response.json()["errors"][0]["field"] == "role"
        place.refresh_from_db()
        assert place.role == "member"


class TestLeads:
    """A lead manages the members of their team, whatever their role in the organization."""

    def test_of_this_team(
        self, team: Any, make_team_membership: Any, make_membership: Any, client_for: Any
    ) -> None:
        """A viewer of the organization who leads the team adds, promotes and removes, and does not change the team."""
        viewer = make_membership(team.organization, role="viewer").user
        make_team_membership(team, user=viewer, role="lead")
        lead, person = client_for(viewer), make_membership(team.organization).user
        made = lead.post(_path(team), {"user": reference(person)})
        assert made.status_code == 201
        path = f"{_path(team)}{made.json()['id']}/"
        assert lead.patch(path, {"role": "lead"}).json()["role"] == "lead"
        assert lead.delete(path).status_code == 204
        assert lead.patch(f"teams/{team.pk}/", {"name": "x"}).status_code == 403
        assert lead.delete(f"teams/{team.pk}/").status_code == 403

    def test_of_another_team(
        self, team: Any, make_team: Any, make_team_membership: Any, make_membership: Any, client_for: Any
    ) -> None:
        """I6: leading one team grants nothing in another of the same organization: 403."""
        other = make_team(organization=team.organization)
        lead = client_for(make_team_membership(other, role="lead").membership.user)
        place = make_team_membership(team)
        assert lead.post(_path(team), {"user": reference(place.membership.user)}).status_code == 403
        assert lead.patch(_path(team, place), {"role": "lead"}).status_code == 403
        assert lead.delete(_path(team, place)).status_code == 403
        assert lead.delete(_path(other, place)).status_code == 404
        own = make_team_membership(other)
        assert lead.delete(_path(other, own)).status_code == 204

    def test_of_before(
        self, client: ApiClient, team: Any, make_team_membership: Any, client_for: Any
    ) -> None:
        """I27: whoever leads no more may manage nobody from the next request on."""
        place, other = make_team_membership(team, role="lead"), make_team_membership(team)
        lead = client_for(place.membership.user)
        assert lead.patch(_path(team, other), {"role": "member"}).status_code == 200
        assert client.patch(_path(team, place), {"role": "member"}).status_code == 200
        assert lead.patch(_path(team, other), {"role": "member"}).status_code == 403


class TestList:
    """GET /teams/{id}/members/"""

    def test_newest_first_with_filters(
        self, client: ApiClient, team: Any, make_team: Any, make_team_membership: Any
    ) -> None:
        """All members of this team and no others, by role, by search."""
        make_team_membership(make_team(organization=team.organization))
        lead, member = make_team_membership(team, role="lead"), make_team_membership(team)
        listed = client.get(_path(team), count="true").json()
        assert [row["id"] for row in listed["results"]] == [str(member.pk), str(lead.pk)]
        assert listed["count"] == 2
        assert client.ids(_path(team), role="lead") == {str(lead.pk)}
        assert client.ids(_path(team), search=member.membership.user.email) == {str(member.pk)}
        assert client.ids(_path(team), ordering="-role") == {str(lead.pk), str(member.pk)}
