"""People over HTTP: those one works with, new ones, and oneself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model

from saas_kit.auth.services import open_session
from saas_kit.email.models import OutboxMessage
from saas_kit.email.services import read_message
from saas_kit.tenancy.models import Account, AccountMembership, Membership
from tests.api_fixtures import ApiClient

PASSWORD = "a long enough password"

with_names = pytest.mark.hosts("full", "default_user")


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


def _code(response: Any) -> tuple[int, str]:
    body = response.json()
    return response.status_code, body["errors"][0]["code"] if "errors" in body else body["code"]


def two_seats(organization: Any) -> int:
    return 2


class TestList:
    """GET /users/"""

    def test_people_one_works_with_and_oneself(
        self,
        client: ApiClient,
        organization: Any,
        owner: Any,
        make_membership: Any,
        make_user: Any,
        client_for: Any,
    ) -> None:
        """I2: those who share an organization with the caller, each once; somebody in none sees themselves."""
        colleague = make_membership(organization).user
        make_membership(make_membership(user=colleague).organization, user=owner, role="viewer")
        make_membership()
        found = client.get("users/", count="true").json()
        ids = [row["id"] for row in found["results"]]
        assert {str(owner.pk), str(colleague.pk)} <= set(map(str, ids))
        assert len(ids) == len(set(ids)) == found["count"]
        nobody = make_user()
        assert client_for(nobody).ids("users/") == {str(nobody.pk)}

    def test_filters_and_search(
        self,
        client: ApiClient,
        organization: Any,
        owner: Any,
        make_membership: Any,
        make_team_membership: Any,
        make_team: Any,
    ) -> None:
        """By role, organization, team, whole address in whatever case, whether active, and by search."""
        viewer = make_membership(organization, role="viewer").user
        place = make_team_membership(make_team(organization=organization))
        inactive = make_membership(organization, role="admin").user
        type(inactive)._base_manager.filter(pk=inactive.pk).update(is_active=False)
        assert client.ids("users/", role="viewer") == {str(viewer.pk)}
        assert client.ids("users/", role="owner", organization=organization.pk) == {str(owner.pk)}
        assert client.ids("users/", team=place.team_id) == {str(place.membership.user_id)}
        assert client.ids("users/", email=viewer.email.title()) == {str(viewer.pk)}
        assert client.ids("users/", is_active="false") == {str(inactive.pk)}
        assert str(inactive.pk) not in client.ids("users/", is_active="true")
        assert client.ids("users/", search=viewer.email) == {str(viewer.pk)}

    def test_others_see_what_is_theirs_to_see(
        self, client: ApiClient, organization: Any, make_membership: Any
    ) -> None:
        """A person is shown with name and address, never with a password, privileges or memberships."""
        person = make_membership(organization).user
        row = client.get(f"users/{person.pk}/").json()
        known = {"id", "email", "first_name", "last_name", "is_active", "created_at", "updated_at"}
        assert {"id", "email", "is_active"} <= row.keys() <= known
        assert row in client.get("users/").json()["results"]

    def test_pages(self, client: ApiClient, organization: Any, make_membership: Any) -> None:
        """Pages neither repeat nor drop a person, in any order."""
        for _ in range(4):
            make_membership(organization)
        for ordering in ("", "email", "-email"):
            page = client.get("users/", page_size=2, **({"ordering": ordering} if ordering else {})).json()
            seen = [row["id"] for row in page["results"]]
            while page["next"]:
                page = client.get(page["next"]).json()
                seen += [row["id"] for row in page["results"]]
            assert len(seen) == len(set(seen)) == 5


class TestProvision:
    """POST /users/"""

    def test_new_person_becomes_a_member(self, client: ApiClient, organization: Any, client_for: Any) -> None:
        """The person is there with a membership, in nobody's account, and cannot sign in before they set a password."""
        made = client.post("users/", {"organization": str(organization.pk), "email": "New@Example.com"})

        assert made.status_code == 201
        body = made.json()
        assert (body["email"].lower(), body["is_active"]) == ("new@example.com", True)
        person = get_user_model()._default_manager.get(pk=body["id"])
        assert (person.memberships.get().organization, person.memberships.get().role) == (
            organization,
            "member",
        )
        assert not person.account_memberships.exists()
        assert not person.has_usable_password()
        assert client.get(f"users/{person.pk}/").json() == body
        login = client_for().post("auth/login/", {"email": "new@example.com", "password": ""})
        assert login.status_code in (400, 401)

    def test_what_is_sent(
        self, client: ApiClient, organization: Any, owner: Any, make_membership: Any, client_for: Any
    ) -> None:
        """A link to set a password, whose secret is in no answer; owners are told whom somebody else brings in."""
        made = client.post("users/", {"organization": str(organization.pk), "email": "new@example.com"})
        assert made.status_code == 201
        (row,) = OutboxMessage.objects.all()
        assert (row.kind, row.recipient) == ("saas_kit_auth.set_password", "new@example.com")
        message: Any = read_message(row)
        assert message.link == f"https://app.example.com/set-password#token={message.token}"
        assert message.token not in made.content.decode()

        admin = client_for(make_membership(organization, role="admin").user)
        body = {"organization": str(organization.pk), "email": "newer@example.com"}
        assert admin.post("users/", body).status_code == 201
        sent = OutboxMessage.objects.exclude(pk=row.pk).values_list("kind", "recipient")
        assert set(sent) == {
            ("saas_kit_auth.set_password", "newer@example.com"),
            ("saas_kit_tenancy.member_joined", owner.email),
        }

    def test_no_seats(
        self, client: ApiClient, organization: Any, make_invitation: Any, settings: Any
    ) -> None:
        """Open invitations hold seats; there is no person, and no message, where none is left."""
        make_invitation(organization)
        OutboxMessage.objects.all().delete()
        settings.SAAS_KIT_TENANCY_SEAT_LIMIT = f"{__name__}.two_seats"
        body = {"organization": str(organization.pk), "email": "new@example.com"}

        assert _code(client.post("users/", body)) == (409, "no_seats_left")
        assert not get_user_model()._default_manager.filter(email="new@example.com").exists()
        assert not OutboxMessage.objects.exists()

        settings.SAAS_KIT_TENANCY_SEAT_LIMIT = ""
        assert client.post("users/", body).status_code == 201

    def test_address_that_somebody_has_is_refused(
        self, client: ApiClient, organization: Any, make_user: Any
    ) -> None:
        """An address with an account, in whatever case, is 400 ``email_taken`` on ``email``; invite them."""
        make_user("taken@example.com")
        for email in ("taken@example.com", "TAKEN@Example.com"):
            refused = client.post("users/", {"organization": str(organization.pk), "email": email})
            assert _code(refused) == (400, "email_taken")
            assert refused.json()["errors"][0]["field"] == "email"
        assert organization.memberships.count() == 1

    def test_organization_asks_only_so_often(
        self, client: ApiClient, organization: Any, make_membership: Any, client_for: Any, settings: Any
    ) -> None:
        """Messages and the looks at who has an address are counted alike; another organization has its own."""
        settings.SAAS_KIT_TENANCY_RATE_LIMITS = {"provision": "2/h"}
        other = client_for(make_membership(role="owner").user)

        def ask(email: str, caller: ApiClient = client) -> Any:
            return caller.post("users/", {"email": email})

        taken = "taken@example.com"
        answers = [ask(taken), ask(taken), ask(taken), ask("new@example.com")]

        assert [each.status_code for each in answers] == [201, 400, 429, 429]
        assert 0 < int(answers[-1].headers["Retry-After"]) <= 3600
        assert not get_user_model()._default_manager.filter(email="new@example.com").exists()
        assert ask("new@example.com", other).status_code == 201

    def test_nobody_is_made_more_than_the_caller(
        self, organization: Any, make_membership: Any, client_for: Any
    ) -> None:
        """I29: an admin makes admins and no owners: 403 ``role_too_high``, and no person is left behind."""
        admin = client_for(make_membership(organization, role="admin").user)
        body = {"organization": str(organization.pk), "email": "new@example.com"}
        people = get_user_model()._default_manager
        before = people.count()
        assert _code(admin.post("users/", {**body, "role": "owner"})) == (403, "role_too_high")
        assert _code(admin.post("users/", {**body, "role": "nobody"})) == (400, "unknown_role")
        assert people.count() == before
        assert admin.post("users/", {**body, "role": "admin"}).status_code == 201

    @pytest.mark.parametrize(
        "email", [None, "", "x", "x@", "a b@example.com", 1, [], "x" * 250 + "@example.com"]
    )
    def test_bad_addresses_are_named(self, client: ApiClient, organization: Any, email: Any) -> None:
        """I120: what is no address is 400 on ``email``."""
        response = client.post("users/", {"organization": str(organization.pk), "email": email})
        assert response.status_code == 400
        assert response.json()["errors"][0]["field"] == "email"

    def test_member_s_account_is_not_enough(
        self, organization: Any, make_account_membership: Any, client_for: Any
    ) -> None:
        """A mere member of the account does not see its organizations; an admin of it provisions there."""
        body = {"organization": str(organization.pk), "email": "new@example.com"}
        for role, status in (("member", 400), ("admin", 201)):
            person = make_account_membership(organization.account, role=role).user
            assert client_for(person).post("users/", body).status_code == status


class TestChange:
    """PUT and PATCH /users/{id}/"""

    @with_names
    def test_people_change_their_own_names(self, client: ApiClient, owner: Any) -> None:
        """A PATCH changes what it names, a PUT sets the rest to what a new person has."""
        path = f"users/{owner.pk}/"
        assert client.patch(path, {"first_name": "Ada", "last_name": "L"}).json()["first_name"] == "Ada"
        assert client.patch(path, {"last_name": "Lovelace"}).json()["first_name"] == "Ada"
        replaced = client.put(path, {"email": owner.email, "first_name": "Grace"})
        assert (replaced.status_code, replaced.json()["last_name"]) == (200, "")
        assert client.patch(path, {"first_name": "x" * 151}).status_code == 400

    def test_address_cannot_change_here(self, client: ApiClient, owner: Any) -> None:
        """Another address is 400 ``immutable``, as it has to be verified first; the same one is no change."""
        path = f"users/{owner.pk}/"
        assert _code(client.patch(path, {"email": "other@example.com"})) == (400, "immutable")
        assert client.patch(path, {"email": owner.email}).status_code == 200

    def test_privileges_cannot_change(self, client: ApiClient, owner: Any) -> None:
        """T8: nobody makes themselves staff, and nobody reactivates or deactivates by a body."""
        path = f"users/{owner.pk}/"
        for name in ("is_staff", "is_superuser", "groups", "user_permissions", "password", "date_joined"):
            assert _code(client.patch(path, {name: True})) == (400, "unknown")
        assert client.patch(path, {"is_active": False}).json()["is_active"] is True
        owner.refresh_from_db()
        assert (owner.is_staff, owner.is_superuser, owner.is_active) == (False, False, True)


class TestDelete:
    """DELETE /users/{id}/ (I74, I101)"""

    def test_person_is_gone_from_everywhere(
        self,
        client: ApiClient,
        organization: Any,
        make_user: Any,
        make_membership: Any,
        client_for: Any,
        make_team_membership: Any,
        make_team: Any,
        make_account_membership: Any,
    ) -> None:
        """Memberships and places in teams end, all sessions are dead, and signing in is as with a wrong password."""
        person = make_user("leaver@example.com", password=PASSWORD)
        make_membership(organization, user=person)
        make_account_membership(organization.account, user=person)
        make_team_membership(make_team(organization=organization), user=person)
        first, second = client_for(person), client_for(person)
        tokens = open_session(person)
        credentials = {"email": "leaver@example.com", "password": PASSWORD}
        assert client_for().post("auth/login/", credentials).status_code == 200

        assert first.delete(f"users/{person.pk}/").status_code == 204

        assert {each.get("auth/me/").status_code for each in (first, second)} == {401}
        assert client_for().post("auth/refresh/", {"refresh": tokens.refresh}).status_code == 401
        wrong = client_for().post("auth/login/", {**credentials, "password": "wrong"})
        gone = client_for().post("auth/login/", credentials)
        assert _code(gone) == _code(wrong) == (401, "invalid_credentials")
        for model in (Membership, AccountMembership):
            assert not model.objects.filter(user=person).exists()
        assert client.get(f"users/{person.pk}/").status_code == 404
        assert str(person.pk) not in client.ids("users/")
        body = {"organization": str(organization.pk), "email": "leaver@example.com"}
        assert _code(client.post("users/", body)) == (400, "email_taken")  # until the purge

    def test_sessions_stay_dead(self, make_user: Any, client_for: Any) -> None:
        """I74: somebody who is let in again has to sign in; the tokens of before are of no use."""
        person = make_user()
        client = client_for(person)
        assert client.delete(f"users/{person.pk}/").status_code == 204
        type(person)._base_manager.filter(pk=person.pk).update(is_active=True)
        assert client.get("auth/me/").status_code == 401
        person.refresh_from_db()
        assert client_for(person).get("auth/me/").status_code == 200

    def test_only_owner_of_something_shared_stays(
        self, client: ApiClient, organization: Any, owner: Any, make_membership: Any
    ) -> None:
        """I30: it is 409 ``last_owner`` as long as others depend on the person, and nothing changes meanwhile."""
        make_membership(organization)
        refused = client.delete(f"users/{owner.pk}/")
        assert _code(refused) == (409, "last_owner")
        assert client.get("auth/me/").status_code == 200
        assert organization.memberships.get(role="owner").user == owner
        make_membership(organization, role="owner")
        assert client.delete(f"users/{owner.pk}/").status_code == 204

    def test_account_that_was_theirs_alone_is_deleted(
        self, make_user: Any, make_account: Any, make_organization: Any, make_team: Any, client_for: Any
    ) -> None:
        """An account that nobody else is in goes along with its organizations; a shared one stays."""
        person = make_user()
        alone = make_account(owner=person)
        team = make_team(organization=make_organization(account=alone, owner=person))

        assert client_for(person).delete(f"users/{person.pk}/").status_code == 204

        alone.refresh_from_db()
        assert alone.is_deleted
        assert not type(team).objects.filter(pk=team.pk).exists()
        assert not Account.objects.exists()

    def test_account_that_others_are_in_keeps_its_only_owner(
        self,
        make_user: Any,
        make_account: Any,
        make_organization: Any,
        make_account_membership: Any,
        client_for: Any,
    ) -> None:
        """I30: being in one of the organizations, or in the account, is being in what is shared: 409."""
        person = make_user()
        account = make_account(owner=person)
        make_organization(account=account)  # somebody else's
        client = client_for(person)
        assert _code(client.delete(f"users/{person.pk}/")) == (409, "last_owner")
        make_account_membership(account, role="owner")
        assert client.delete(f"users/{person.pk}/").status_code == 204
        assert Account.objects.get(pk=account.pk).memberships.count() == 1

    def test_colleagues_do_not_delete_each_other(
        self, client: ApiClient, organization: Any, make_membership: Any
    ) -> None:
        """An owner removes somebody from the organization, and not from the service: 403."""
        person = make_membership(organization).user
        assert client.delete(f"users/{person.pk}/").status_code == 403
        person.refresh_from_db()
        assert person.is_active


class TestMe:
    """GET /auth/me/ with memberships and accounts"""

    def test_where_one_belongs(
        self,
        client: ApiClient,
        organization: Any,
        owner: Any,
        make_account_membership: Any,
        make_membership: Any,
        make_organization: Any,
    ) -> None:
        """One's own memberships with role and permissions, and one's accounts, those that are alive."""
        account = make_account_membership(user=owner, role="admin").account
        viewer = make_membership(user=owner, role="viewer").organization
        gone = make_organization(owner=owner)
        assert client.delete(f"organizations/{gone.pk}/").status_code == 204
        me = client.get("auth/me/").json()
        assert str(me["id"]) == str(owner.pk)
        assert {"email_verified", "mfa_enabled", "memberships", "accounts"} <= me.keys()
        by_id = {each["organization"]: each for each in me["memberships"]}
        assert by_id.keys() == {str(organization.pk), str(viewer.pk)}
        own = by_id[str(organization.pk)]
        assert own.keys() == {"organization", "name", "slug", "role", "permissions"}
        assert (own["name"], own["slug"], own["role"]) == (organization.name, organization.slug, "owner")
        assert "saas_kit_tenancy.delete_organization" in own["permissions"]
        assert "saas_kit_tenancy.manage_members" not in by_id[str(viewer.pk)]["permissions"]
        (of_account,) = me["accounts"]
        assert (of_account["id"], of_account["role"]) == (str(account.pk), "admin")
        assert "saas_kit_tenancy.create_organization" in of_account["permissions"]
        assert "saas_kit_tenancy.delete_account" not in of_account["permissions"]

    def test_permissions_are_what_the_role_may(
        self, organization: Any, make_membership: Any, client_for: Any
    ) -> None:
        """I27: after a change of role the next read names other permissions, by the same token."""
        membership = make_membership(organization, role="admin")
        client = client_for(membership.user)
        assert "saas_kit_teams.create_team" in client.get("auth/me/").json()["memberships"][0]["permissions"]
        Membership.objects.filter(pk=membership.pk).update(role="viewer")
        own = client.get("auth/me/").json()["memberships"][0]
        assert own["role"] == "viewer"
        assert "saas_kit_teams.create_team" not in own["permissions"]


class TestRegister:
    """POST /auth/register/ with an account and an organization"""

    BODY = {"email": "ada@example.com", "password": PASSWORD}

    def test_account_and_organization_are_made(self, client_for: Any) -> None:
        """Whoever registers is signed in, and owns an account and an organization of the name that they gave."""
        made = client_for().post("auth/register/", {**self.BODY, "organization_name": "Acme"})

        assert made.status_code == 201
        body = made.json()
        assert {"access", "refresh", "user"} <= body.keys()
        client = ApiClient(body["access"])
        me = client.get("auth/me/").json()
        assert body["user"] == me
        assert [(each["name"], each["role"]) for each in me["memberships"]] == [("Acme", "owner")]
        assert [(each["name"], each["role"]) for each in me["accounts"]] == [("Acme", "owner")]
        organization = client.get(f"organizations/{me['memberships'][0]['organization']}/").json()
        assert (organization["account"], organization["slug"]) == (me["accounts"][0]["id"], "acme")
        assert client.post("teams/", {"name": "First"}).status_code == 201

    def test_without_a_name_they_are_named_after_the_person(self, client_for: Any) -> None:
        """Without a name, the person's own is taken, else what stands before the @ of the address."""
        me = client_for().post("auth/register/", self.BODY).json()["user"]
        assert me["memberships"][0]["name"] == me["accounts"][0]["name"] == "ada"

    @with_names
    def test_without_a_name_the_person_s_is_taken(self, client_for: Any) -> None:
        """The first and last name make the account's name, cut to what fits."""
        body = {**self.BODY, "first_name": "Ada", "last_name": "L" * 150}
        me = client_for().post("auth/register/", body).json()["user"]
        assert me["accounts"][0]["name"] == f"Ada {'L' * 116}"

    def test_what_fails_leaves_nothing(self, client_for: Any) -> None:
        """A weak password, a taken address or a bad name makes no person, no account and no organization."""
        assert client_for().post("auth/register/", self.BODY).status_code == 201
        counts = {model: model._base_manager.count() for model in (get_user_model(), Account, Membership)}
        for values, field in (
            ({}, "email"),
            ({"email": "ADA@example.com"}, "email"),
            ({"email": "new@example.com", "password": "short"}, "password"),
            ({"email": "new@example.com", "organization_name": "x" * 121}, "organization_name"),
            ({"email": "new@example.com", "organization_name": ""}, "organization_name"),
            ({"email": "new@example.com", "is_superuser": True}, "is_superuser"),
            ({"email": "new@example.com", "role": "owner"}, "role"),
        ):
            refused = client_for().post("auth/register/", {**self.BODY, **values})
            assert refused.status_code == 400
            assert refused.json()["errors"][0]["field"] == field
        assert {model: model._base_manager.count() for model in counts} == counts

    def test_two_who_give_the_same_name_are_strangers(self, client_for: Any) -> None:
        """Two organizations of one name have different slugs, and their owners do not see each other."""
        answers = [
            client_for()
            .post("auth/register/", {**self.BODY, "email": email, "organization_name": "Acme"})
            .json()
            for email in ("one@example.com", "two@example.com")
        ]
        slugs = {each["user"]["memberships"][0]["slug"] for each in answers}
        assert len(slugs) == 2
        for mine, other in (answers, answers[::-1]):
            client = ApiClient(mine["access"])
            assert client.ids("users/") == {str(mine["user"]["id"])}
            assert client.get(f"users/{other['user']['id']}/").status_code == 404
            theirs = other["user"]["memberships"][0]["organization"]
            assert client.get(f"organizations/{theirs}/").status_code == 404


class TestKeys:
    """I120: what cannot be the key of a person is nobody's, never an error of the server."""

    @pytest.mark.parametrize(
        "key", ["0", "-1", "9" * 40, "x", "1.5", "01920000-0000-7000-8000-00000000000", "%00", "é"]
    )
    def test_in_a_path(self, client: ApiClient, owner: Any, key: str) -> None:
        """A key that nobody can have is 404 for every verb; one's own is 200."""
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            assert client.request(method, f"users/{key}/", {}).status_code == 404
        assert client.get(f"users/{owner.pk}/").status_code == 200

    @pytest.mark.parametrize(
        "key", ["x", "1.5.5", "9" * 400, "1e999999999", "-1e999999999", "NaN", "\x00", "[]"]
    )
    def test_in_a_filter(self, client: ApiClient, owner: Any, key: str) -> None:
        """A key that nobody can have is 400, or finds nothing, at once."""
        response = client.get("teams/", member=key)
        assert response.status_code == 400 or response.json()["results"] == []
        assert client.get("teams/", member=owner.pk).status_code == 200
