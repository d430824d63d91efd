"""Accounts over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from saas_kit.teams.models import Team
from saas_kit.tenancy import services
from saas_kit.tenancy.models import Account, Status, get_organization_model
from tests.api_fixtures import ApiClient, reference

FIELDS = {"id", "name", "slug", "status", "metadata", "role", "created_at", "updated_at"}


@pytest.fixture
def owner(make_user: Callable[..., Any]) -> Any:
    """Somebody who owns an account."""
    return make_user()


@pytest.fixture
def client(owner: Any, client_for: Callable[..., ApiClient]) -> ApiClient:
    """The owner's client."""
    return client_for(owner)


@pytest.fixture
def account(owner: Any, make_account: Callable[..., Any]) -> Account:
    """An account with one owner."""
    return make_account("Acme", owner=owner, slug="acme", metadata={"plan": "a"})


def _path(row: Any, more: str = "") -> str:
    return f"accounts/{row.pk}/{more}"


class TestCreate:
    """POST /accounts/"""

    def test_creator_becomes_the_owner(self, client: ApiClient, owner: Any) -> None:
        """Whoever is signed in creates an account and owns it."""
        made = client.post("accounts/", {"name": "Acme & Söhne", "metadata": {"a": [1, None]}})

        assert made.status_code == 201
        body = made.json()
        assert body.keys() == FIELDS
        assert (
            body.items()
            >= {
                "name": "Acme & Söhne",
                "slug": "acme-sohne",
                "status": "active",
                "metadata": {"a": [1, None]},
                "role": "owner",
            }.items()
        )
        assert Account.objects.get(pk=body["id"]).memberships.get().user == owner
        assert client.get(f"accounts/{body['id']}/").json() == body

    def test_slug_that_was_asked_for_is_unique(self, client: ApiClient, account: Account) -> None:
        """A slug that is taken is 400 ``unique`` on ``slug``; one that is made from a taken name gets an ending."""
        refused = client.post("accounts/", {"name": "Other", "slug": "acme"})
        assert refused.status_code == 400
        assert refused.json()["errors"] == [
            {"field": "slug", "code": "unique", "detail": "This slug is taken."}
        ]
        assert client.post("accounts/", {"name": "Other", "slug": "acme-2"}).status_code == 201
        made = client.post("accounts/", {"name": "Acme"})
        assert made.status_code == 201
        assert made.json()["slug"].startswith("acme-")

    @pytest.mark.parametrize(
        "slug", ["ACME", "a--b", "-a", "a-", "a b", "a_b", "é", "a\n", "", "a" * 64, "a.b"]
    )
    def test_slug_has_small_letters_digits_and_dashes(self, client: ApiClient, slug: str) -> None:
        """A slug that could not be part of a host's name is 400; one that could is taken."""
        assert client.post("accounts/", {"name": "New", "slug": slug}).status_code in (
            (201,) if slug == "a\n" else (400,)  # white space at the ends is cut off
        )
        assert client.post("accounts/", {"name": "New", "slug": "a-b-9"}).status_code == 201

    @pytest.mark.parametrize(
        ("body", "field", "code"),
        [
            ({}, "name", "required"),
            ({"name": ""}, "name", "blank"),
            ({"name": None}, "name", "null"),
            ({"name": "  "}, "name", "blank"),
            ({"name": "x" * 121}, "name", "max_length"),
            ({"name": ["x"]}, "name", "invalid"),
            ({"name": True}, "name", "invalid"),
            ({"name": "\x00"}, "name", "invalid_characters"),
            ({"name": "\ud800"}, "name", "invalid_characters"),
            ({"name": "x", "metadata": []}, "metadata", "not_an_object"),
            ({"name": "x", "metadata": {"a": "x" * 17_000}}, "metadata", "too_large"),
            ({"name": "x", "slug": None}, "slug", "null"),
            ({"name": "x", "owner": 1}, "owner", "unknown"),
        ],
    )
    def test_bad_input_is_named(self, client: ApiClient, body: Any, field: str, code: str) -> None:
        """I120: each fault is 400 on its field, and nothing is made."""
        response = client.post("accounts/", body)
        assert response.status_code == 400
        assert (field, code) in {(each["field"], each["code"]) for each in response.json()["errors"]}
        assert not Account.objects.exists()


class TestChange:
    """PUT and PATCH /accounts/{id}/"""

    def test_patch_changes_what_it_names(self, client: ApiClient, account: Account) -> None:
        """What a PATCH does not name stays; one that names nothing changes and records nothing."""
        before = client.get(_path(account)).json()

        changed = client.patch(_path(account), {"name": "Other"}).json()

        assert {name for name in FIELDS if changed[name] != before[name]} == {"name", "updated_at"}
        assert client.patch(_path(account), {}).json() == changed
        assert client.patch(_path(account), {"name": "Other"}).json() == changed

    def test_put_replaces(self, client: ApiClient, account: Account) -> None:
        """What a PUT leaves out is as in a new object; only the slug, which has no default, stays."""
        assert client.put(_path(account), {"slug": "other"}).status_code == 400

        changed = client.put(_path(account), {"name": "Other"}).json()

        assert (changed["name"], changed["metadata"], changed["slug"]) == ("Other", {}, "acme")

    def test_slug_is_unique(self, client: ApiClient, account: Account, make_account: Any) -> None:
        """A slug of another account is 400 ``unique``; one's own is not."""
        make_account("Taken", slug="taken")
        refused = client.patch(_path(account), {"slug": "taken"})
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "unique")
        assert client.patch(_path(account), {"slug": "acme"}).status_code == 200
        assert client.patch(_path(account), {"slug": "free"}).json()["slug"] == "free"


class TestDeleteAndRestore:
    """DELETE /accounts/{id}/ and POST restore/ (I96, I97, I99, I103)"""

    def test_deleted_account_is_nowhere(
        self, client: ApiClient, account: Account, make_organization: Any, owner: Any
    ) -> None:
        """I96, I100: a deleted account, and what it took along, is 404 and in no list, for its owner too."""
        organization = make_organization(account=account, owner=owner)
        paths = (_path(account), _path(account, "members/"), f"organizations/{organization.pk}/")
        assert {client.get(path).status_code for path in paths} == {200}

        assert client.delete(_path(account)).status_code == 204

        assert {client.get(path).status_code for path in paths} == {404}
        for method in ("PUT", "PATCH", "DELETE"):
            assert client.request(method, _path(account), {"name": "x"}).status_code == 404
        assert client.post(_path(account, "transfer/"), {}).status_code == 404
        assert client.get("accounts/", count="true").json()["count"] == 0
        assert client.ids("organizations/") == client.ids("accounts/", search="Acme") == set()
        assert client.post("organizations/", {"account": str(account.pk), "name": "x"}).status_code == 400
        assert client.get("auth/me/").json()["accounts"] == client.get("auth/me/").json()["memberships"] == []

    def test_restore_brings_back_exactly_what_went_along(
        self, client: ApiClient, account: Account, make_organization: Any, make_team: Any, owner: Any
    ) -> None:
        """I99: what had been deleted before stays deleted."""
        kept, gone = (make_organization(account=account, owner=owner) for _ in range(2))
        kept_team, gone_team = (make_team(organization=kept) for _ in range(2))
        lost_team = make_team(organization=gone)
        assert client.delete(f"teams/{gone_team.pk}/").status_code == 204
        assert client.delete(f"organizations/{gone.pk}/").status_code == 204
        assert client.delete(_path(account)).status_code == 204
        assert not get_organization_model().objects.exists()
        assert not Team.objects.exists()

        restored = client.post(_path(account, "restore/"))

        assert (restored.status_code, restored.json()) == (200, client.get(_path(account)).json())
        assert restored.json()["role"] == "owner"
        assert client.ids("organizations/") == {str(kept.pk)}
        assert client.ids("teams/") == {str(kept_team.pk)}
        assert client.post(f"organizations/{gone.pk}/restore/").status_code == 200
        assert client.ids("teams/") == {str(kept_team.pk), str(lost_team.pk)}

    def test_what_is_alive_cannot_be_restored(self, client: ApiClient, account: Account) -> None:
        """Restoring something alive is 409 ``not_deleted``, as is restoring twice."""
        for expected in ((409, "not_deleted"), (200, None), (409, "not_deleted")):
            if expected[0] == 200:
                assert client.delete(_path(account)).status_code == 204
            response = client.post(_path(account, "restore/"))
            assert (response.status_code, response.json().get("code")) == expected

    def test_slug_is_free_after_a_deletion_and_taken_for_a_restore(
        self, client: ApiClient, account: Account
    ) -> None:
        """I97: a deleted account's slug can be used, and restoring it then is 409 ``unique``."""
        client.delete(_path(account))
        made = client.post("accounts/", {"name": "Acme", "slug": "acme"})
        assert made.status_code == 201

        refused = client.post(_path(account, "restore/"))
        assert (refused.status_code, refused.json()["code"]) == (409, "unique")
        assert client.patch(f"accounts/{made.json()['id']}/", {"slug": "other"}).status_code == 200
        assert client.post(_path(account, "restore/")).status_code == 200

    def test_restoring_is_for_owners(
        self, client: ApiClient, account: Account, make_account_membership: Any, client_for: Any
    ) -> None:
        """I103: an admin's restore is 403, a stranger's 404, the owner's 200."""
        admin = client_for(make_account_membership(account, role="admin").user)
        stranger = client_for(make_account_membership(role="owner").user)
        client.delete(_path(account))

        assert admin.post(_path(account, "restore/")).status_code == 403
        assert stranger.post(_path(account, "restore/")).status_code == 404
        assert client.post(_path(account, "restore/")).status_code == 200


class TestTransfer:
    """POST /accounts/{id}/transfer/ (I31)"""

    def test_member_becomes_owner_and_the_owner_an_admin(
        self, client: ApiClient, account: Account, make_account_membership: Any, client_for: Any
    ) -> None:
        """The account changes hands at once, and the old owner's token may no longer do what owners may."""
        successor = make_account_membership(account, role="member").user

        response = client.post(_path(account, "transfer/"), {"user": reference(successor)})

        assert (response.status_code, response.json()["role"]) == (200, "admin")
        assert client_for(successor).get(_path(account)).json()["role"] == "owner"
        assert client.delete(_path(account)).status_code == 403
        assert client.post(_path(account, "transfer/"), {"user": reference(successor)}).status_code == 403
        assert client_for(successor).delete(_path(account)).status_code == 204

    def test_successor_is_a_member_of_the_account(
        self,
        client: ApiClient,
        account: Account,
        owner: Any,
        make_membership: Any,
        make_organization: Any,
        make_account_membership: Any,
    ) -> None:
        """Somebody who is only in an organization, a stranger, oneself and nobody are 400 on ``user``."""
        organization = make_organization(account=account)
        stranger = make_account_membership(role="owner").user
        for person in (make_membership(organization).user, stranger, owner):
            response = client.post(_path(account, "transfer/"), {"user": reference(person)})
            assert response.status_code == 400
            assert response.json()["errors"][0]["field"] == "user"
        assert client.post(_path(account, "transfer/"), {}).status_code == 400
        assert account.memberships.get(role="owner").user == owner


class TestSuspension:
    """What is suspended can be read, and not be written."""

    def test_account(
        self, client: ApiClient, account: Account, make_organization: Any, make_team: Any, owner: Any
    ) -> None:
        """Writes to a suspended account and to what is in it are 403 ``suspended``; afterwards they work again."""
        team = make_team(organization=make_organization(account=account, owner=owner))
        organization = team.organization
        reads = [_path(account), f"organizations/{organization.pk}/", f"teams/{team.pk}/"]
        reads += [f"{path}members/" for path in reads]
        writes = [
            ("PATCH", _path(account), {"name": "x"}),
            ("POST", _path(account, "members/"), {}),
            ("POST", "organizations/", {"account": str(account.pk), "name": "x"}),
            ("PATCH", f"organizations/{organization.pk}/", {"name": "x"}),
            ("POST", f"organizations/{organization.pk}/members/", {}),
            ("POST", "teams/", {"organization": str(organization.pk), "name": "x"}),
            ("PATCH", f"teams/{team.pk}/", {"name": "x"}),
            ("POST", f"teams/{team.pk}/members/", {}),
            ("POST", "users/", {"organization": str(organization.pk), "email": "new@example.com"}),
            ("DELETE", f"teams/{team.pk}/", None),
            ("DELETE", f"organizations/{organization.pk}/", None),
            ("DELETE", _path(account), None),
        ]
        services.set_account_status(account, Status.SUSPENDED, actor=None)
        assert client.get(_path(account)).json()["status"] == "suspended"
        assert {client.get(path).status_code for path in reads} == {200}
        for method, path, body in writes:
            response = client.request(method, path, body)
            assert (response.status_code, response.json()["code"]) == (403, "suspended"), (method, path)

        services.set_account_status(account, Status.ACTIVE, actor=None)
        statuses = [client.request(method, path, body).status_code for method, path, body in writes]
        assert set(statuses) <= {200, 201, 204, 400}

    def test_organization(
        self, client: ApiClient, account: Account, make_organization: Any, make_team: Any, owner: Any
    ) -> None:
        """Writes to a suspended organization are 403, to its account and to others they work."""
        teams = [make_team(organization=make_organization(account=account, owner=owner)) for _ in range(2)]
        services.set_organization_status(teams[0].organization, Status.SUSPENDED, actor=None)

        statuses = {}
        for name, team in zip(("suspended", "active"), teams, strict=True):
            assert client.get(f"teams/{team.pk}/").status_code == 200
            statuses[name] = [
                client.patch(f"teams/{team.pk}/", {"name": "x"}).status_code,
                client.patch(f"organizations/{team.organization_id}/", {"name": "x"}).status_code,
            ]
        assert statuses == {"suspended": [403, 403], "active": [200, 200]}
        assert client.patch(_path(account), {"name": "x"}).status_code == 200


class TestList:
    """GET /accounts/"""

    def test_newest_first_in_pages_that_neither_repeat_nor_drop(
        self, client: ApiClient, owner: Any, make_account: Any
    ) -> None:
        """Every account is on exactly one page, in order, although another is added in between."""
        made = [str(make_account(f"Account {index}", owner=owner).pk) for index in range(7)]
        page = client.get("accounts/", page_size=3).json()
        assert page.keys() == {"next", "previous", "results"}
        seen = [row["id"] for row in page["results"]]
        make_account("Newest", owner=owner)
        while page["next"]:
            page = client.get(page["next"]).json()
            seen += [row["id"] for row in page["results"]]
        assert seen == made[::-1]
        back = client.get(page["previous"]).json()
        assert [row["id"] for row in back["results"]] == made[1:4][::-1]

    def test_orders(self, client: ApiClient, owner: Any, make_account: Any) -> None:
        """``ordering`` takes documented fields, a dash turns it round."""
        for name in ("b", "a", "c"):
            make_account(name, owner=owner)
        for ordering, expected in (
            ("name", "abc"),
            ("-name", "cba"),
            ("created_at", "bac"),
            ("-slug", "cba"),
        ):
            rows = client.get("accounts/", ordering=ordering).json()["results"]
            assert "".join(row["name"] for row in rows) == expected

    def test_filters_and_search(self, client: ApiClient, owner: Any, make_account: Any) -> None:
        """``slug`` finds in whatever case, ``status`` and ``search`` narrow further."""
        acme, other = make_account("Acme", owner=owner, slug="acme"), make_account("Other", owner=owner)
        services.set_account_status(other, Status.SUSPENDED, actor=None)
        assert client.ids("accounts/", slug="ACME") == {str(acme.pk)}
        assert client.ids("accounts/", status="suspended") == {str(other.pk)}
        assert client.ids("accounts/", search="cm") == {str(acme.pk)}
        assert client.ids("accounts/", search="cm", status="suspended") == set()

    def test_pages_hold_a_hundred_at_most(self, client: ApiClient, owner: Any) -> None:
        """25 by default, and more than 100 means 100."""
        accounts = Account.objects.bulk_create(Account(name=f"{i}", slug=f"a-{i}") for i in range(101))
        memberships = Account.memberships.rel.related_model  # type: ignore[attr-defined]
        memberships.objects.bulk_create(
            memberships(account=each, user=owner, role="member") for each in accounts
        )
        for query, expected in (({}, 25), ({"page_size": 1}, 1), ({"page_size": 100_000}, 100)):
            assert len(client.ids("accounts/", **query)) == expected
        assert client.get("accounts/", count="true").json()["count"] == 101
