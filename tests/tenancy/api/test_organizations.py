"""Organizations over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from saas_kit.teams.models import TeamMembership
from saas_kit.tenancy import services
from saas_kit.tenancy.models import Status, get_organization_model
from tests.api_fixtures import ApiClient

FIELDS = {"id", "account", "name", "slug", "status", "metadata", "role", "created_at", "updated_at"}


@pytest.fixture
def owner(make_user: Callable[..., Any]) -> Any:
    """Somebody who owns an organization and its account."""
    return make_user()


@pytest.fixture
def client(owner: Any, client_for: Callable[..., ApiClient]) -> ApiClient:
    """The owner's client."""
    return client_for(owner)


@pytest.fixture
def account(owner: Any, make_account: Callable[..., Any]) -> Any:
    """The owner's account."""
    return make_account("Acme", owner=owner)


@pytest.fixture
def organization(owner: Any, account: Any, make_organization: Callable[..., Any]) -> Any:
    """The owner's organization in it."""
    return make_organization("Acme Berlin", account=account, owner=owner, metadata={"a": 1})


def _path(row: Any, more: str = "") -> str:
    return f"organizations/{row.pk}/{more}"


def _errors(response: Any) -> list[tuple[str, str]]:
    assert response.status_code == 400, response.content
    return [(error["field"], error["code"]) for error in response.json()["errors"]]


class TestCreate:
    """POST /organizations/"""

    def test_creator_becomes_the_owner(self, client: ApiClient, account: Any, owner: Any) -> None:
        """In an account that they own or administer, people create organizations and own them."""
        made = client.post("organizations/", {"account": str(account.pk), "name": "Acme Paris"})

        assert made.status_code == 201
        body = made.json()
        assert body.keys() >= FIELDS
        assert (
            body.items()
            >= {
                "account": str(account.pk),
                "slug": "acme-paris",
                "status": "active",
                "metadata": {},
                "role": "owner",
            }.items()
        )
        assert get_organization_model().objects.get(pk=body["id"]).memberships.get().user == owner
        assert client.get(f"organizations/{body['id']}/").json() == body

    def test_account_can_be_left_out_by_whom_has_one(
        self, client: ApiClient, account: Any, owner: Any, make_account: Any, make_account_membership: Any
    ) -> None:
        """The caller's only account in which they may create is meant; of two none is, and of none it is 403."""
        make_account_membership(make_account(), user=owner, role="member")  # may not create there
        made = client.post("organizations/", {"name": "New"})
        assert (made.status_code, made.json()["account"]) == (201, str(account.pk))

        make_account(owner=owner)
        assert _errors(client.post("organizations/", {"name": "Newer"})) == [("account", "required")]

    def test_somebody_without_an_account_creates_none(
        self, client_for: Any, make_user: Any, make_account_membership: Any
    ) -> None:
        """Who is in no account, or a mere member of one, may not create an organization: 403."""
        for person in (make_user(), make_account_membership(role="member").user):
            assert client_for(person).post("organizations/", {"name": "New"}).status_code == 403
        admin = make_account_membership(role="admin").user
        assert client_for(admin).post("organizations/", {"name": "New"}).status_code == 201

    def test_slug_is_unique_everywhere(
        self, client: ApiClient, organization: Any, make_organization: Any
    ) -> None:
        """A slug is unique over all customers, as it may be part of a host's name: 400 ``unique``."""
        make_organization(slug="taken")
        for slug in ("taken", organization.slug):
            refused = client.post("organizations/", {"name": "x", "slug": slug})
            assert _errors(refused) == [("slug", "unique")]
        assert client.post("organizations/", {"name": "Taken"}).json()["slug"].startswith("taken-")


class TestChange:
    """PUT and PATCH /organizations/{id}/"""

    def test_put_replaces_and_patch_changes(self, client: ApiClient, organization: Any) -> None:
        """A PUT sets what it leaves out to what a new object has, a PATCH leaves it."""
        assert client.patch(_path(organization), {"name": "One"}).json()["metadata"] == {"a": 1}
        replaced = client.put(_path(organization), {"name": "Two"}).json()
        assert (replaced["name"], replaced["metadata"], replaced["slug"]) == ("Two", {}, organization.slug)
        assert _errors(client.put(_path(organization), {})) == [("name", "required")]

    def test_account_cannot_change(
        self, client: ApiClient, organization: Any, account: Any, owner: Any, make_account: Any
    ) -> None:
        """Another account is 400 ``immutable`` even where the caller owns it; the same one is no change."""
        other = make_account(owner=owner)
        for method, body in (("PATCH", {}), ("PUT", {"name": "x"})):
            refused = client.request(method, _path(organization), {**body, "account": str(other.pk)})
            assert _errors(refused) == [("account", "immutable")]
            same = client.request(method, _path(organization), {**body, "account": str(account.pk)})
            assert same.status_code == 200

    def test_role_is_the_caller_s(
        self,
        client: ApiClient,
        organization: Any,
        make_membership: Any,
        client_for: Any,
        make_account_membership: Any,
    ) -> None:
        """``role`` is the caller's own or the account's, whichever is higher."""
        assert client.get(_path(organization)).json()["role"] == "owner"
        for role in ("viewer", "member", "admin"):
            member = make_membership(organization, role=role).user
            assert client_for(member).get(_path(organization)).json()["role"] == role
            assert client_for(member).get("organizations/").json()["results"][0]["role"] == role
        admin = make_membership(organization, role="viewer").user
        make_account_membership(organization.account, user=admin, role="admin")
        assert client_for(admin).get(_path(organization)).json()["role"] == "admin"


class TestDeleteAndRestore:
    """DELETE /organizations/{id}/ and POST restore/"""

    def test_deleted_organization_is_nowhere(
        self, client: ApiClient, organization: Any, make_team: Any, make_membership: Any, client_for: Any
    ) -> None:
        """I96, I100: it, its members and its teams are 404 for each of its members, and in no list or body."""
        team = make_team(organization=organization)
        member = client_for(make_membership(organization).user)
        paths = (_path(organization), _path(organization, "members/"), f"teams/{team.pk}/")
        for each in (client, member):
            assert {each.get(path).status_code for path in paths} == {200}

        assert client.delete(_path(organization)).status_code == 204

        for each in (client, member):
            assert {each.get(path).status_code for path in paths} == {404}
            assert each.ids("organizations/") == each.ids("teams/") == set()
            assert each.get("auth/me/").json()["memberships"] == []
        body = {"organization": str(organization.pk), "name": "x"}
        assert _errors(client.post("teams/", body)) == [("organization", "does_not_exist")]
        header = {"X_Organization": str(organization.pk)}
        assert client.post("teams/", {"name": "x"}, **header).status_code == 404
        # those who shared nothing else no longer see each other
        assert len(client.ids("users/")) == len(member.ids("users/")) == 1

    def test_restore_brings_back_exactly_what_went_along(
        self, client: ApiClient, organization: Any, make_team: Any, make_membership: Any
    ) -> None:
        """I99: members and teams are there again, and a team that had been deleted before is not."""
        kept, gone = (make_team(organization=organization) for _ in range(2))
        make_membership(organization)
        members = client.ids(_path(organization, "members/"))
        client.delete(f"teams/{gone.pk}/")
        client.delete(_path(organization))

        restored = client.post(_path(organization, "restore/"))

        assert (restored.status_code, restored.json()) == (200, client.get(_path(organization)).json())
        assert client.ids("teams/") == {str(kept.pk)}
        assert client.ids(_path(organization, "members/")) == members
        assert client.post(f"teams/{gone.pk}/restore/").status_code == 200

    def test_what_cannot_be_restored(self, client: ApiClient, organization: Any, account: Any) -> None:
        """I97: what is alive and what has lost its slug are 409; what lost its account is 404 until that is back."""
        alive = client.post(_path(organization, "restore/"))
        assert (alive.status_code, alive.json()["code"]) == (409, "not_deleted")

        client.delete(_path(organization))
        other = client.post("organizations/", {"name": "x", "slug": organization.slug}).json()
        taken = client.post(_path(organization, "restore/"))
        assert (taken.status_code, taken.json()["code"]) == (409, "unique")

        client.delete(f"organizations/{other['id']}/")
        client.delete(f"accounts/{account.pk}/")
        assert client.post(_path(organization, "restore/")).status_code == 404
        client.post(f"accounts/{account.pk}/restore/")
        assert client.post(_path(organization, "restore/")).status_code == 200

    def test_restoring_is_for_owners(
        self, client: ApiClient, organization: Any, make_membership: Any, client_for: Any
    ) -> None:
        """I103: an admin's restore is 403, a stranger's 404, the owner's 200."""
        admin = client_for(make_membership(organization, role="admin").user)
        stranger = client_for(make_membership(role="owner").user)
        client.delete(_path(organization))
        assert admin.post(_path(organization, "restore/")).status_code == 403
        assert stranger.post(_path(organization, "restore/")).status_code == 404
        assert client.post(_path(organization, "restore/")).status_code == 200


class TestLeave:
    """POST /organizations/{id}/leave/"""

    def test_member_leaves_with_their_places_in_teams(
        self, organization: Any, make_team_membership: Any, make_team: Any, client_for: Any
    ) -> None:
        """I28, I33: whoever left sees nothing of it with the token that they had, and is in none of its teams."""
        place = make_team_membership(make_team(organization=organization), role="lead")
        member = client_for(place.membership.user)
        assert member.get(_path(organization)).status_code == 200

        left = member.post(_path(organization, "leave/"))

        assert (left.status_code, left.content) == (204, b"")
        assert member.get(_path(organization)).status_code == 404
        assert member.post(_path(organization, "leave/")).status_code == 404
        assert member.get(f"teams/{place.team_id}/").status_code == 404
        assert not TeamMembership.objects.filter(pk=place.pk).exists()

    def test_last_owner_stays(self, client: ApiClient, organization: Any, make_membership: Any) -> None:
        """I30: the only owner's leave is 409 ``last_owner``; one of two can go, and then sees it by the account."""
        refused = client.post(_path(organization, "leave/"))
        assert (refused.status_code, refused.json()["code"]) == (409, "last_owner")
        make_membership(organization, role="owner")
        assert client.post(_path(organization, "leave/")).status_code == 204
        assert client.get(_path(organization)).json()["role"] == "owner"

    def test_who_is_there_by_the_account_has_nothing_to_leave(
        self, organization: Any, make_account_membership: Any, client_for: Any
    ) -> None:
        """Somebody whose role comes from the account is told so: 409 ``not_a_member``."""
        admin = client_for(make_account_membership(organization.account, role="admin").user)
        refused = admin.post(_path(organization, "leave/"))
        assert (refused.status_code, refused.json()["code"]) == (409, "not_a_member")


class TestList:
    """GET /organizations/"""

    def test_all_that_the_caller_is_in(
        self, client: ApiClient, organization: Any, owner: Any, make_organization: Any, make_membership: Any
    ) -> None:
        """I2: those of the caller's own memberships and those of their accounts, each once, and no others."""
        through_account = make_organization(account=organization.account)
        elsewhere = make_membership(user=owner, role="viewer").organization
        make_organization()
        page = client.get("organizations/", count="true").json()
        expected = [str(each.pk) for each in (elsewhere, through_account, organization)]
        assert [row["id"] for row in page["results"]] == expected
        assert page["count"] == 3

    def test_filters(self, client: ApiClient, organization: Any, owner: Any, make_organization: Any) -> None:
        """By account, slug in whatever case, status, and by search in names and slugs."""
        other = make_organization("Other", owner=owner)
        services.set_organization_status(other, Status.SUSPENDED, actor=None)
        assert client.ids("organizations/", account=organization.account_id) == {str(organization.pk)}
        assert client.ids("organizations/", slug=organization.slug.upper()) == {str(organization.pk)}
        assert client.ids("organizations/", status="suspended") == {str(other.pk)}
        assert client.ids("organizations/", search="berl") == {str(organization.pk)}
        assert client.ids("organizations/", search="nothing") == set()


@pytest.mark.hosts("custom_organization")
class TestHostsOwnFields:
    """A host's organization has fields of its own, and its viewset the kit's rules."""

    def test_they_are_written_and_read(self, client: ApiClient, account: Any) -> None:
        """A field of the host's goes through the kit's services."""
        made = client.post("organizations/", {"name": "New", "vat_id": "DE1"})
        assert (made.status_code, made.json()["vat_id"]) == (201, "DE1")
        path = f"organizations/{made.json()['id']}/"
        assert client.patch(path, {"vat_id": "DE2"}).json()["vat_id"] == "DE2"
        assert client.get(path).json()["vat_id"] == "DE2"
