"""Organizations that require a second factor, over HTTP: every route, with one and without."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.apps import apps
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, get_resolver

from saas_kit.api.views import ApiView
from saas_kit.auth.services import open_session
from saas_kit.tenancy.services import change_organization
from saas_kit.users.services import rotate_within
from tests.api_fixtures import ApiClient, Operation, World, rolled_back, rows
from tests.api_fixtures.catalog import ALL, BY_ADDRESS
from tests.api_fixtures.clients import PREFIX

CODE = "mfa_enrollment_required"

WIDGETS = (
    Operation("GET widgets/"),
    Operation("POST widgets/", lambda world: {"organization": str(world.a.organization.pk), "name": "New"}),
    Operation("GET widgets/{id}/"),
    Operation("PUT widgets/{id}/", lambda world: {"name": "Other"}),
    Operation("PATCH widgets/{id}/", lambda world: {"name": "Other"}),
    Operation("DELETE widgets/{id}/"),
    Operation("POST widgets/{id}/restore/"),
)
BY_PERSON = {"GET organizations/joinable/", BY_ADDRESS}
"""Operations for people who are not in the organization yet."""

OPERATIONS = (
    *(each for each in ALL if each.name not in BY_PERSON),
    *(WIDGETS if apps.is_installed("tests.hosts.full.widgets") else ()),
)

OUTSIDE = {
    # the account's, and no organization's
    *(each.name for each in ALL if each.template.startswith("accounts/")),
    "POST organizations/",
    "GET permissions/",
    # tells that the organization is there and what it requires
    "GET organizations/",
    "POST organizations/{id}/leave/",
    # spans organizations, and leaves out the rows of those that are closed
    "GET teams/",
    "GET users/",
    "GET widgets/",
}
"""Operations that are not inside one organization, and so are answered as ever."""

PEOPLE = {each.name for each in ALL if each.template == "users/{id}/"}
"""Operations on a person; platform staff find people wherever those are."""

CALLERS = (
    "outsider",
    "viewer",
    "member",
    "lead",
    "admin",
    "owner",
    "account_owner",
    "account_member",
    "staff",
)


def _routes(patterns: Any, prefix: str = "") -> Iterator[tuple[str, type[ApiView]]]:
    """Walk the URLs of the host: each operation below the prefix of the API, and its view."""
    for each in patterns:
        path = prefix + str(each.pattern)
        if not isinstance(each, URLPattern):
            yield from _routes(each.url_patterns, path)
            continue
        view: Any = getattr(each.callback, "cls", None) or getattr(each.callback, "view_class", None)
        if not path.startswith(PREFIX[1:]) or view is None:
            continue
        template = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", path.removeprefix(PREFIX[1:])).replace("{pk}", "{id}")
        methods = getattr(each.callback, "actions", None) or [
            method for method in view.http_method_names if hasattr(view, method)
        ]
        for method in methods:
            if method != "head" and method in view.http_method_names:
                yield f"{method.upper()} {template}", view


ROUTES = dict(_routes(get_resolver().url_patterns))


def enroll(person: Any) -> None:
    """Give somebody a second factor, as the end of setting one up does."""
    Authenticator.objects.create(user=person, type=Authenticator.Type.TOTP, data={})


def require(organization: Any) -> None:
    """Let an organization require a second factor."""
    change_organization(organization, require_mfa=True, actor=None)


@pytest.fixture
def widget(world: World) -> Any:
    """A widget of the first customer's, where the host has such."""
    if not apps.is_installed("tests.hosts.full.widgets"):
        return None
    from tests.hosts.full.widgets.services import create_widget

    return create_widget(world.a.organization, name="Widget", actor=None)


@pytest.fixture
def call(world: World, widget: Any) -> Callable[..., tuple[int, str | None]]:
    """
    Call an operation as somebody, undo it, and return the status with the code of a problem.

    What is refused must leave every row as it was.
    """

    def call(
        operation: Operation, caller: str, *, required: bool = True, enrolled: bool = False
    ) -> tuple[int, str | None]:
        path = None
        if operation.template.startswith("widgets/"):
            path = operation.template.replace("{id}", str(widget.pk))
        world.client(caller)
        with rolled_back(), override_settings(SAAS_KIT_TENANCY_STAFF_ACCESS=caller == "staff"):
            if required:
                require(world.a.organization)
            if enrolled:
                enroll(world.people[caller])
            if operation.prepare:
                operation.prepare(world)
            if operation.name == "POST widgets/{id}/restore/":
                from tests.hosts.full.widgets.services import delete_widget

                delete_widget(widget, actor=None)
            before = rows()
            answer = operation.call(world, caller, path=path)
            if answer.status_code >= 400:
                assert rows() == before
                return answer.status_code, answer.json()["code"]
            return answer.status_code, None

    return call


class TestEveryRoute:
    def test_none_is_forgotten(self) -> None:
        """what the URLs of the host lead to is either for people who are in no organization yet, or tried below."""
        of_nobodys = {name for name, view in ROUTES.items() if getattr(view, "needs_no_organization", False)}

        assert set(ROUTES) - of_nobodys == {each.name for each in OPERATIONS}
        assert all(name.split()[1].startswith(("auth/", "invitations/")) for name in of_nobodys - BY_PERSON)
        assert {each for each in OUTSIDE if "widgets" not in each} <= set(ROUTES)

    @pytest.mark.hosts("full")  # the rule is about routes, whatever the models
    @pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
    def test_asks_for_a_second_factor(self, operation: Operation, call: Any) -> None:
        """whoever is in the organization gets 403 with the code, strangers what they always got."""
        for caller in CALLERS:
            status, code = call(operation, caller, required=False)
            is_open = operation.name in OUTSIDE or (caller == "staff" and operation.name in PEOPLE)
            # nothing is there for a stranger, and no organization to name in a body
            is_strange = status == 404 or (status == 400 and operation.method == "POST")
            expected = (status, code) if is_open or is_strange else (403, CODE)

            assert call(operation, caller) == expected, caller

    @pytest.mark.hosts("full")  # the rule is about routes, whatever the models
    @pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
    def test_answers_as_ever_to_who_has_one(self, operation: Operation, call: Any) -> None:
        """The twin: with a second factor each answer is what it was before one was required."""
        for caller in CALLERS:
            before = call(operation, caller, required=False)

            assert call(operation, caller, enrolled=True) == before, caller

    @pytest.mark.parametrize("name", [each.name for each in OPERATIONS if "{" not in each.template])
    def test_narrowed_to_the_organization(self, name: str, world: World) -> None:
        """a request about it is 403 whatever it asks for, but for the list that tells of it."""
        require(world.a.organization)
        headers = {"X-Organization": str(world.a.organization.pk)}
        is_open = name == "GET organizations/"

        for caller in ("viewer", "owner", "account_owner"):
            answer = Operation(name).call(world, caller, headers=headers, body={})
            assert answer.status_code == (200 if is_open else 403), caller
            assert is_open or answer.json()["code"] == CODE
        assert Operation(name).call(world, "outsider", headers=headers, body={}).status_code == 404
        enroll(world.people["viewer"])
        assert Operation(name).call(world, "viewer", headers=headers, body={}).status_code in (
            200,
            201,
            400,
            403,
        )
        assert CODE not in Operation(name).call(world, "viewer", headers=headers, body={}).content.decode()


class TestWhatStays:
    @pytest.fixture(autouse=True)
    def _required(self, world: World) -> None:
        require(world.a.organization)

    def test_lists_leave_its_rows_out(self, world: World) -> None:
        """somebody who is in two organizations sees what the open one has, and nothing of the other."""
        dual = world.client("dual")

        assert dual.ids("teams/") == {str(world.b.team.pk)}
        assert dual.ids("teams/", organization=str(world.a.organization.pk)) == set()
        assert str(world.people["target"].pk) not in dual.ids("users/")
        assert dual.ids("users/", organization=str(world.a.organization.pk)) == set()

        enroll(world.people["dual"])

        assert dual.ids("teams/") == {str(world.a.team.pk), str(world.b.team.pk)}
        assert str(world.people["target"].pk) in dual.ids("users/")

    @pytest.mark.parametrize("narrowed", [False, True])
    def test_list_tells_what_is_required(self, world: World, narrowed: bool) -> None:
        """A client learns from the list of organizations, and from one's own profile, where it is needed."""
        headers = {"X-Organization": world.a.organization.slug} if narrowed else {}
        owner = world.client("owner")

        listed = owner.request("GET", "organizations/", headers=headers).json()["results"]

        required = {each["id"]: each["security"] for each in listed}
        assert required[str(world.a.organization.pk)] == {"require_mfa": True}
        assert narrowed or required[str(world.a2.organization.pk)] == {"require_mfa": False}
        own = owner.request("GET", "auth/me/", headers=headers).json()["memberships"]
        assert str(world.a.organization.pk) in {each["organization"] for each in own}

    @pytest.mark.parametrize("narrowed", [False, True])
    def test_can_be_left(self, world: World, narrowed: bool) -> None:
        """Nobody is held in an organization by what it requires."""
        headers = {"X-Organization": str(world.a.organization.pk)} if narrowed else {}
        path = f"organizations/{world.a.organization.pk}/leave/"

        assert world.client("member").request("POST", path, headers=headers).status_code == 204
        assert world.client("member").get("organizations/").json()["results"] == []
        assert world.client("outsider").request("POST", path, headers=headers).status_code == 404

    def test_own_profile_stays_with_the_header_and_with_a_bound_token(self, world: World) -> None:
        """All of signing in stays, so that a second factor can be set up, whatever the request names."""
        person, organization = world.people["member"], world.a.organization
        bound = ApiClient(rotate_within(open_session(person).refresh, organization.pk).access)

        assert bound.get("auth/me/").status_code == 200
        named = bound.request("GET", "auth/me/", headers={"X-Organization": organization.slug})
        assert named.status_code == 200
        refused = bound.get("teams/")
        assert (refused.status_code, refused.json()["code"]) == (403, CODE)

        enroll(person)

        assert bound.ids("teams/") == {str(world.a.team.pk)}

    def test_only_organization_is_named_when_it_is_left_out(self, world: World) -> None:
        """what is created goes where it would go with a second factor, and nowhere else."""
        refused = world.client("admin").post("teams/", {"name": "New"})
        assert (refused.status_code, refused.json()["code"]) == (403, CODE)

        both = world.client("dual").post("teams/", {"name": "New"})
        assert (both.status_code, both.json()["errors"][0]["field"]) == (400, "organization")

    def test_effective_on_the_next_request(self, world: World) -> None:
        """I27: what somebody sets up or takes down counts from the next request on."""
        client, path = world.client("owner"), f"organizations/{world.a.organization.pk}/"
        assert client.get(path).status_code == 403

        enroll(world.people["owner"])
        assert client.get(path).status_code == 200

        Authenticator.objects.filter(user=world.people["owner"]).delete()
        assert client.get(path).status_code == 403

    def test_costs_no_statement_more(self, world: World) -> None:
        """Who has a second factor pays for no question more; who has none pays for one more look."""
        path = f"teams/{world.a.team.pk}/"
        counts = []
        for caller in ("admin", "b_owner"):
            enroll(world.people[caller])
            own = world.a if caller == "admin" else world.b
            with CaptureQueriesContext(connection) as statements:
                assert world.client(caller).get(f"teams/{own.team.pk}/").status_code == 200
            counts.append(len(statements))
        with CaptureQueriesContext(connection) as refused:
            assert world.client("member").get(path).status_code == 403

        assert counts[0] == counts[1]
        assert len(refused) <= counts[0] + 1


class TestSetting:
    """`security` of an organization: who may write it, and what it takes."""

    @pytest.fixture
    def path(self, world: World) -> str:
        return f"organizations/{world.a.organization.pk}/"

    def test_turned_on_by_somebody_who_has_one(
        self, world: World, path: str, events: Any, fresh: Any
    ) -> None:
        """Without one it is 409, so that nobody locks themselves out; with one it counts for all."""
        admin = world.client("admin")
        refused = admin.patch(path, {"security": {"require_mfa": True}})
        assert (refused.status_code, refused.json()["code"]) == (409, CODE)
        assert fresh(world.a.organization).require_mfa is False

        enroll(world.people["admin"])
        answer = admin.patch(path, {"security": {"require_mfa": True}})

        assert answer.status_code == 200
        assert answer.json()["security"] == {"require_mfa": True}
        [event] = events("organization.changed")
        assert event.changes == {"require_mfa": [False, True]}
        assert world.client("owner").get(path).json()["code"] == CODE
        assert world.client("owner").patch(path, {"security": {"require_mfa": False}}).status_code == 403
        assert admin.patch(path, {"security": {"require_mfa": False}}).json()["security"] == {
            "require_mfa": False
        }
        assert world.client("owner").get(path).status_code == 200

    def test_only_by_who_may_change_the_organization(self, world: World, path: str, fresh: Any) -> None:
        """I24: a member is refused, a stranger finds nothing."""
        for caller, status in (("member", 403), ("outsider", 404)):
            enroll(world.people[caller])
            answer = world.client(caller).patch(path, {"security": {"require_mfa": True}})
            assert answer.status_code == status
            assert answer.json()["code"] != CODE
        assert fresh(world.a.organization).require_mfa is False

    def test_what_is_left_out_stays(self, world: World, path: str) -> None:
        """A change of the name, or a client that does not know of it, turns nothing off."""
        enroll(world.people["admin"])
        admin = world.client("admin")
        admin.patch(path, {"security": {"require_mfa": True}})

        for answer in (
            admin.patch(path, {"name": "Other"}),
            admin.patch(path, {"security": {}}),
            admin.put(path, {"name": "Other"}),
            admin.put(path, admin.get(path).json()),
        ):
            assert answer.status_code == 200, answer.content
            assert answer.json()["security"] == {"require_mfa": True}

    @pytest.mark.parametrize(
        ("value", "field", "code"),
        [
            ({"require_mfa": "perhaps"}, "security.require_mfa", "invalid"),
            ({"require_mfa": None}, "security.require_mfa", "null"),
            ({"require_mfa": {}}, "security.require_mfa", "invalid"),
            ({"require_mfa": True, "more": 1}, "security.more", "unknown"),
            (True, "security", "invalid"),
            (None, "security", "null"),
            ([], "security", "invalid"),
        ],
    )
    def test_bad_input_names_the_field(
        self, world: World, path: str, value: Any, field: str, code: str, fresh: Any
    ) -> None:
        """What is not understood is 400 and changes nothing."""
        enroll(world.people["admin"])
        answer = world.client("admin").patch(path, {"security": value})

        assert answer.status_code == 400, answer.content
        [error] = answer.json()["errors"]
        assert (error["field"].removesuffix(".non_field_errors"), error["code"]) == (field, code)
        assert fresh(world.a.organization).require_mfa is False

    def test_created_with_it(self, world: World) -> None:
        """The owner of a new organization needs one as well."""
        owner = world.client("account_owner")
        body = {"account": str(world.a.account.pk), "name": "Vault", "security": {"require_mfa": True}}
        refused = owner.post("organizations/", body)
        assert (refused.status_code, refused.json()["code"]) == (409, CODE)

        enroll(world.people["account_owner"])
        created = owner.post("organizations/", body)

        assert created.status_code == 201
        assert created.json()["security"] == {"require_mfa": True}


@pytest.mark.hosts("full")
@pytest.mark.without_scope
class TestCarelessHost:
    """A host's view that thinks of no organization leaks nothing of one that is closed to the caller."""

    @pytest.fixture
    def organization(self, make_organization: Any, make_user: Any, settings: Any) -> Any:
        from saas_kit.tenancy import scope
        from tests.hosts.full.widgets.models import Note, Widget

        settings.ROOT_URLCONF = "tests.tenancy.api.careless_views"
        person = make_user()
        strict, lax = make_organization("Strict", owner=person), make_organization("Lax", owner=person)
        for place, text in ((strict, "closed"), (lax, "open")):
            with scope(place):
                Note.objects.create(name=text)
                Widget.objects.create(name=text)
        require(strict)
        self.person, self.lax = person, lax
        return strict

    def test_finds_what_is_open(self, organization: Any, client_for: Any) -> None:
        """the scope of a caller holds the open organizations only; with a second factor, all."""
        client = client_for(self.person)

        def names() -> set[str]:
            return {each["name"] for each in client.get("notes/").json()["results"]}

        assert names() == {"open"}
        refused = client.request("GET", "notes/", headers={"X-Organization": organization.slug})
        assert (refused.status_code, refused.json()["code"]) == (403, CODE)

        enroll(self.person)
        assert names() == {"open", "closed"}

    def test_page_with_a_session(self, organization: Any) -> None:
        """a page about it is 403 as well, and a stranger's 404."""
        browser = Client()
        browser.force_login(self.person, "saas_kit.auth.backends.EmailBackend")

        assert browser.get("/page/", headers={"X-Organization": organization.slug}).status_code == 403
        assert browser.get("/page/", headers={"X-Organization": self.lax.slug}).json() == {"names": ["open"]}
        enroll(self.person)
        named = browser.get("/page/", headers={"X-Organization": organization.slug})
        assert named.json() == {"names": ["closed"]}
