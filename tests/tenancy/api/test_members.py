"""The members of accounts and organizations over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from saas_kit.teams.models import TeamMembership
from saas_kit.tenancy.models import AccountMembership, Membership
from tests.api_fixtures import ApiClient, reference

FIELDS = {"id", "user", "role", "created_at"}


class Place:
    """An account or an organization, its members, and how to make more of them."""

    def __init__(self, kind: str, row: Any, owner: Any, make: Callable[..., Any], newcomer: Any) -> None:
        self.kind, self.row, self.owner, self.make, self.newcomer = kind, row, owner, make, newcomer

    def path(self, membership: Any = None) -> str:
        """Return the path of the collection, or of one membership."""
        path = f"{self.kind}s/{self.row.pk}/members/"
        return path if membership is None else f"{path}{membership.pk}/"

    def memberships(self) -> Any:
        """Return the memberships."""
        return self.row.memberships.all()


@pytest.fixture(params=["account", "organization"])
def place(
    request: Any,
    make_user: Any,
    make_account: Any,
    make_organization: Any,
    make_membership: Any,
    make_account_membership: Any,
) -> Place:
    """An account, and an organization, with one owner, and somebody who can be added to it."""
    owner = make_user()
    if request.param == "account":
        account = make_account(owner=owner)
        newcomer = make_membership(make_organization(account=account)).user
        return Place("account", account, owner, make_account_membership, newcomer)
    organization = make_organization(owner=owner)
    newcomer = make_account_membership(organization.account).user
    return Place("organization", organization, owner, make_membership, newcomer)


@pytest.fixture
def client(place: Place, client_for: Callable[..., ApiClient]) -> ApiClient:
    """The owner's client."""
    return client_for(place.owner)


def _code(response: Any) -> tuple[int, str]:
    body = response.json()
    return response.status_code, body["errors"][0]["code"] if "errors" in body else body["code"]


class TestAdd:
    """POST …/members/"""

    def test_somebody_of_the_account(self, place: Place, client: ApiClient) -> None:
        """Somebody who belongs to the account gets a role, and is shown as others see them."""
        made = client.post(place.path(), {"user": reference(place.newcomer), "role": "member"})

        assert made.status_code == 201
        body = made.json()
        assert body.keys() == FIELDS
        assert body["role"] == "member"
        assert body["user"]["id"] == reference(place.newcomer)
        assert body["user"]["email"] == place.newcomer.email
        assert body["user"].keys() <= {"id", "email", "first_name", "last_name"}
        assert client.get(f"{place.path()}{body['id']}/").json() == body

    def test_nobody_else(self, place: Place, client: ApiClient, make_user: Any, make_membership: Any) -> None:
        """A stranger, somebody of another customer and nobody are 400 on ``user`` in the same words."""
        before = place.memberships().count()
        answers = {
            str(client.post(place.path(), {"user": each, "role": "member"}).json()["errors"])
            for each in (
                reference(make_user()),
                reference(make_membership(role="owner").user),
                987_654_321 if isinstance(place.owner.pk, int) else "01920000-0000-7000-8000-000000000000",
            )
        }
        assert len(answers) == 1
        assert "does_not_exist" in answers.pop()
        assert place.memberships().count() == before

    def test_nobody_who_is_not_active(self, place: Place, client: ApiClient) -> None:
        """Somebody who was deactivated does not exist here."""
        place.newcomer.is_active = False
        place.newcomer.save()
        body = {"user": reference(place.newcomer), "role": "member"}
        assert _code(client.post(place.path(), body)) == (400, "does_not_exist")

    def test_nobody_twice(self, place: Place, client: ApiClient) -> None:
        """I32: a member is 409 ``already_member``, whatever the role."""
        body = {"user": reference(place.newcomer), "role": "member"}
        assert client.post(place.path(), body).status_code == 201
        for role in ("member", "admin"):
            assert _code(client.post(place.path(), {**body, "role": role})) == (409, "already_member")
        assert place.memberships().filter(user=place.newcomer).count() == 1

    @pytest.mark.parametrize("role", ["lead", "Owner", "", "superuser", None, ["member"], {}, 1, "x" * 64])
    def test_no_role_that_is_none(self, place: Place, client: ApiClient, role: Any) -> None:
        """A role that there is not is 400 on ``role``."""
        response = client.post(place.path(), {"user": reference(place.newcomer), "role": role})
        assert response.status_code == 400
        assert response.json()["errors"][0]["field"] == "role"
        assert not place.memberships().filter(user=place.newcomer).exists()

    @pytest.mark.parametrize("user", [None, True, 1.5, [], {}, "x", "", 2**70, -1, "\ud800"])
    def test_no_person_who_is_none(self, place: Place, client: ApiClient, user: Any) -> None:
        """I120: what is no id of a person is 400 on ``user``, never 500."""
        response = client.post(place.path(), {"user": user, "role": "member"})
        assert response.status_code == 400
        assert response.json()["errors"][0]["field"] == "user"

    def test_both_are_required(self, place: Place, client: ApiClient) -> None:
        """A body without a person or a role is 400 on each."""
        errors = client.post(place.path(), {}).json()["errors"]
        assert {(each["field"], each["code"]) for each in errors} == {
            ("user", "required"),
            ("role", "required"),
        }


class TestRoleTooHigh:
    """I29: nobody grants a role above their own, nor touches a member above them."""

    def test_admin_and_owners(self, place: Place, client: ApiClient, client_for: Any) -> None:
        """An admin neither makes, demotes nor removes an owner: 403 ``role_too_high``; an owner may."""
        second = place.make(place.row, role="owner")
        member = place.make(place.row, role="member")
        admin = client_for(place.make(place.row, role="admin").user)
        attempts: list[tuple[str, str, Any]] = [
            ("POST", place.path(), {"user": reference(place.newcomer), "role": "owner"}),
            ("PATCH", place.path(member), {"role": "owner"}),
            ("PATCH", place.path(second), {"role": "member"}),
            ("PATCH", place.path(second), {"role": "owner"}),
            ("DELETE", place.path(second), None),
        ]
        roles = set(place.memberships().values_list("pk", "role"))
        for method, path, body in attempts:
            assert _code(admin.request(method, path, body)) == (403, "role_too_high"), (method, body)
        assert set(place.memberships().values_list("pk", "role")) == roles

        statuses = [client.request(*attempt).status_code for attempt in attempts]
        assert statuses == [201, 200, 200, 200, 204]

    def test_self_promotion(self, place: Place, client_for: Any) -> None:
        """Nobody makes themselves more than they are; an admin can make themselves less."""
        admin = place.make(place.row, role="admin")
        client = client_for(admin.user)
        assert _code(client.patch(place.path(admin), {"role": "owner"})) == (403, "role_too_high")
        assert client.patch(place.path(admin), {"role": "admin"}).status_code == 200
        assert client.patch(place.path(admin), {"role": "member"}).status_code == 200
        assert client.patch(place.path(admin), {"role": "admin"}).status_code == 403

    def test_admin_and_those_who_are_not_above(self, place: Place, client_for: Any) -> None:
        """An admin adds, promotes, demotes and removes other admins and members."""
        other = place.make(place.row, role="admin")
        client = client_for(place.make(place.row, role="admin").user)
        body = {"user": reference(place.newcomer), "role": "admin"}
        assert client.post(place.path(), body).status_code == 201
        assert client.patch(place.path(other), {"role": "member"}).status_code == 200
        assert client.patch(place.path(other), {"role": "admin"}).status_code == 200
        assert client.delete(place.path(other)).status_code == 204


class TestLastOwner:
    """I30: there is always an owner."""

    def test_is_neither_demoted_nor_removed(self, place: Place, client: ApiClient) -> None:
        """The only owner's demotion and removal are 409 ``last_owner``; with a second owner they work."""
        own = place.memberships().get(user=place.owner)
        assert _code(client.patch(place.path(own), {"role": "member"})) == (409, "last_owner")
        assert _code(client.delete(place.path(own))) == (409, "last_owner")
        assert client.patch(place.path(own), {"role": "owner"}).status_code == 200

        place.make(place.row, role="owner")
        assert client.patch(place.path(own), {"role": "admin"}).status_code == 200
        assert client.delete(place.path(own)).status_code == 204

    def test_owner_who_was_deactivated_does_not_count(self, place: Place, client: ApiClient) -> None:
        """An owner who cannot sign in is nobody in charge."""
        other = place.make(place.row, role="owner")
        own = place.memberships().get(user=place.owner)
        other.user.is_active = False
        other.user.save()
        assert _code(client.delete(place.path(own))) == (409, "last_owner")
        other.user.is_active = True
        other.user.save()
        assert client.delete(place.path(own)).status_code == 204


class TestAtOnce:
    """I27, I28: what is changed holds from the next request on, with the token of before."""

    def test_demotion_and_promotion(self, place: Place, client: ApiClient, client_for: Any) -> None:
        """An admin who is made a member may no longer manage members, and may again once they are admin again."""
        membership = place.make(place.row, role="admin")
        admin = client_for(membership.user)
        other = place.make(place.row, role="member")
        for role, status in (("admin", 200), ("member", 403), ("admin", 200)):
            assert client.patch(place.path(membership), {"role": role}).status_code == 200
            assert admin.patch(place.path(other), {"role": "member"}).status_code == status

    def test_removal(self, place: Place, client: ApiClient, client_for: Any) -> None:
        """A removed member's next request is 404, for every method."""
        membership = place.make(place.row, role="admin")
        member = client_for(membership.user)
        path = f"{place.kind}s/{place.row.pk}/"
        assert member.get(path).status_code == member.get(place.path()).status_code == 200

        assert client.delete(place.path(membership)).status_code == 204

        for method in ("GET", "PUT", "PATCH", "DELETE"):
            assert member.request(method, path, {"name": "x"}).status_code == 404
        assert member.get(place.path()).status_code == 404
        assert member.post(place.path(), {}).status_code == 404
        assert client.get(place.path(membership)).status_code == 404
        assert client.delete(place.path(membership)).status_code == 404


class TestList:
    """GET …/members/"""

    def test_newest_first_with_filters(self, place: Place, client: ApiClient) -> None:
        """All members of this place and no others, by role, by search, in an order."""
        place.make()  # elsewhere
        members = [place.make(place.row, role=role) for role in ("admin", "member", "member")]
        listed = client.get(place.path(), count="true").json()
        assert [row["id"] for row in listed["results"][:3]] == [str(each.pk) for each in members[::-1]]
        assert listed["count"] == len(listed["results"]) == place.memberships().count()
        assert client.ids(place.path(), role="admin") == {str(members[0].pk)}
        assert client.ids(place.path(), role="lead") == set()
        email = members[1].user.email
        assert client.ids(place.path(), search=email.upper()) == {str(members[1].pk)}
        roles = [row["role"] for row in client.get(place.path(), ordering="role").json()["results"]]
        assert roles == sorted(roles)

    def test_pages_by_a_column_that_is_not_unique(self, place: Place, client: ApiClient) -> None:
        """Pages ordered by role neither repeat nor drop a member."""
        for _ in range(5):
            place.make(place.row, role="member")
        page = client.get(place.path(), ordering="role", page_size=2).json()
        seen = [row["id"] for row in page["results"]]
        while page["next"]:
            page = client.get(page["next"]).json()
            seen += [row["id"] for row in page["results"]]
        assert len(seen) == len(set(seen)) == place.memberships().count()


class TestRemoval:
    """What ends with a membership, and what stays."""

    def test_of_an_organization_ends_the_places_in_its_teams(
        self,
        make_team_membership: Any,
        make_organization: Any,
        make_user: Any,
        make_team: Any,
        client_for: Any,
    ) -> None:
        """I33: the places in this organization's teams end in the same request, those elsewhere stay."""
        owner = make_user()
        organization = make_organization(owner=owner)
        place = make_team_membership(make_team(organization=organization), role="lead")
        elsewhere = make_team_membership(user=place.membership.user)

        path = f"organizations/{organization.pk}/members/{place.membership_id}/"
        assert client_for(owner).delete(path).status_code == 204

        assert list(TeamMembership.objects.all()) == [elsewhere]
        assert client_for(owner).get(f"teams/{place.team_id}/").json()["member_count"] == 0

    def test_of_an_account_leaves_the_organizations(
        self,
        make_membership: Any,
        make_organization: Any,
        make_account: Any,
        make_user: Any,
        client_for: Any,
        make_account_membership: Any,
    ) -> None:
        """Whoever is taken out of an account keeps their own membership, and loses what came from the account."""
        owner = make_user()
        account = make_account(owner=owner)
        own, other = (make_organization(account=account) for _ in range(2))
        membership = make_membership(own, role="viewer")
        in_account = make_account_membership(account, user=membership.user, role="admin")
        client = client_for(membership.user)
        assert client.ids("organizations/") == {str(own.pk), str(other.pk)}

        assert client_for(owner).delete(f"accounts/{account.pk}/members/{in_account.pk}/").status_code == 204

        assert client.ids("organizations/") == {str(own.pk)}
        assert client.get(f"organizations/{own.pk}/").json()["role"] == "viewer"
        assert Membership.objects.filter(pk=membership.pk).exists()
        assert not AccountMembership.objects.filter(pk=in_account.pk).exists()


def test_account_s_role_ranks_in_the_organization(
    make_organization: Any, make_membership: Any, make_account_membership: Any, client_for: Any
) -> None:
    """I29: an account's admin counts as admin of its organizations: they touch members, and no owners."""
    organization = make_organization()
    owner = organization.memberships.get()
    member = make_membership(organization, role="member")
    admin = client_for(make_account_membership(organization.account, role="admin").user)
    path = f"organizations/{organization.pk}/members/"
    assert admin.patch(f"{path}{member.pk}/", {"role": "admin"}).status_code == 200
    assert _code(admin.patch(f"{path}{member.pk}/", {"role": "owner"})) == (403, "role_too_high")
    assert _code(admin.delete(f"{path}{owner.pk}/")) == (403, "role_too_high")
