"""Over HTTP, code that does not think of organizations cannot leak: it fails, or it finds the caller's own rows."""

from __future__ import annotations

import inspect
import json
import logging
import re
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection, models, transaction
from django.test import Client

from saas_kit.tenancy import current_scope
from saas_kit.tenancy.exceptions import OutOfScope, ScopeRequired
from tests.api_fixtures import rolled_back

pytestmark = [pytest.mark.hosts("full"), pytest.mark.django_db]

CANARY = "canary-7f3a"


@pytest.fixture
def at(settings: Any, make_user: Any, make_organization: Any, make_membership: Any, client_for: Any) -> Any:
    """
    Notes of A, of A2 and of B, each with a reply; ``owner`` owns A alone, ``both`` A and A2.

    ``about_a`` are the headers of a request about A.
    """
    from tests.hosts.full.widgets.models import Note, Widget

    settings.ROOT_URLCONF = "tests.tenancy.api.careless_views"
    people = make_user(), make_user()
    found = SimpleNamespace(Note=Note, Widget=Widget, about_a={})
    for name, owner, text in (("a", people[0], "ours"), ("a2", people[1], "second"), ("b", None, CANARY)):
        organization = make_organization(f"The {text} organization", owner=owner or make_user())
        note = Note.objects.create(organization=organization, name=text)
        Note.objects.create(organization=organization, name=f"{text} reply", reply_to=note)
        Widget.objects.create(organization=organization, name=f"{text} widget")
        setattr(found, name, organization)
        setattr(found, f"{name}_note", note)
    make_membership(found.a, user=people[1], role="owner")
    found.owner, found.both = (client_for(each) for each in people)
    found.about_a = {"X-Organization": str(found.a.pk)}
    found.person = people[0]
    return found


def of_others(at: Any) -> Any:
    """Return the rows of A2 and of B as they are in the database."""
    return list(at.Note.objects.exclude(organization=at.a).order_by("pk").values())


def words(response: Any, *sent: Any) -> Any:
    """Return an answer without what has to differ: the request's id, and what was sent."""
    text = response.content.decode()
    for each in sent:
        text = text.replace(str(each), "<sent>")
    assert CANARY not in text
    return response.status_code, re.sub(r'"request_id":"[^"]*"', "", text)


class TestForgottenScope:
    """A view that asks for rows without a scope is a 500 that tells nothing, and the log tells where."""

    def _refused(self, response: Any, caplog: Any, function: Any) -> None:
        assert response.status_code == 500
        assert response["Content-Type"] == "application/problem+json"
        document = json.loads(response.content)
        assert set(document) == {"type", "title", "status", "detail", "code", "request_id"}
        assert document["code"] == "internal_server_error"
        inside = (
            CANARY,
            "ours",
            "widget",
            "Widget",
            "Scope",
            "scope",
            "SELECT",
            "organization",
            ".py",
            "Error:",
        )
        assert [word for word in inside if word in response.content.decode()] == []
        (record,) = (each for each in caplog.records if each.name == "django.request" and each.exc_info)
        kind, _, trace = record.exc_info
        assert kind is ScopeRequired
        text = logging.Formatter().formatException(record.exc_info)
        lines, first = inspect.getsourcelines(function)
        numbers = "|".join(
            str(first + offset) for offset, line in enumerate(lines) if "Widget.objects" in line
        )
        assert re.search(rf'careless_views\.py", line ({numbers}), in {function.__name__}\n', text)
        assert trace is not None
        assert current_scope() is not None, "the test's own scope"

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_in_a_view_of_the_api(self, at: Any, caplog: Any, method: str) -> None:
        """Nobody is signed in, so nothing is in scope; somebody who is finds their own and makes it there."""
        from tests.tenancy.api.careless_views import PublicView

        client = Client(raise_request_exception=False)
        body: dict[str, Any] = {"data": {"name": "new"}, "content_type": "application/json"}
        with rolled_back():
            refused = getattr(client, method)("/api/v1/public/", **(body if method == "post" else {}))

        self._refused(refused, caplog, getattr(PublicView, method))
        assert not at.Widget.objects.filter(name="new").exists()
        if method == "get":
            assert at.owner.get("public/").json() == {"names": ["ours widget"]}
            assert at.both.get("public/").json() == {"names": ["ours widget", "second widget"]}
        else:
            made = at.owner.post("public/", {"name": "new"})
            assert (made.status_code, at.Widget.objects.get(name="new").organization) == (201, at.a)

    def test_in_a_page(self, at: Any, caplog: Any) -> None:
        """The same for a view of Django's, below the API's paths."""
        from tests.tenancy.api.careless_views import page

        client = Client(raise_request_exception=False)
        self._refused(client.get("/api/v1/page/"), caplog, page)
        caplog.clear()
        client.force_login(at.person)
        self._refused(client.get("/api/v1/page/"), caplog, page)
        named = client.get("/api/v1/page/", headers=at.about_a)
        assert named.json() == {"names": ["ours widget"]}

    def test_outside_the_api(self, at: Any, caplog: Any) -> None:
        """Django's own page for a 500 tells nothing either."""
        response = Client(raise_request_exception=False).get("/page/")

        assert response.status_code == 500
        for word in (CANARY, "ours", "Widget", "Scope", "SELECT", ".py"):
            assert word not in response.content.decode()
        assert any(each.exc_info and each.exc_info[0] is ScopeRequired for each in caplog.records)

    def test_for_whoever_is_in_several(self, at: Any) -> None:
        """Where a new row would be is not guessed: a mistake of the view's, and nothing is made."""
        with pytest.raises(OutOfScope), transaction.atomic():
            at.both.post("public/", {"name": "new"})
        assert not at.Widget.objects.filter(name="new").exists()
        made = at.both.request("POST", "public/", {"name": "new"}, headers=at.about_a)
        assert (made.status_code, at.Widget.objects.get(name="new").organization) == (201, at.a)


# a collection; the body that refers to a row; the field that is at fault
RELATIONS: dict[str, tuple[str, Callable[[Any], Any], str]] = {
    "foreign key": ("notes/", lambda key: {"name": "n", "reply_to": key}, "reply_to"),
    "many": ("notes/", lambda key: {"name": "n", "replies": [key]}, "replies"),
    "nested": (
        "nested/",
        lambda key: {"name": "n", "replies": [{"name": "c", "reply_to": key}]},
        "replies.0.reply_to",
    ),
}


class TestRelatedFields:
    """I7, T3: REST framework's own fields look up through the scope."""

    @pytest.mark.parametrize(("path", "body", "field"), RELATIONS.values(), ids=RELATIONS)
    def test_foreign_id_is_answered_as_an_unknown_one(
        self, at: Any, path: str, body: Any, field: str
    ) -> None:
        """B's id is 400 in the words for an unknown one, and A2's in a request about A, for somebody in both."""
        before = of_others(at)
        for client, foreign in (
            (at.owner, at.b_note),
            (at.owner, at.a2_note),
            (at.both, at.a2_note),
            (at.both, at.b_note),
        ):
            unknown = uuid4()
            refused = client.request("POST", path, body(str(foreign.pk)), headers=at.about_a)
            compared = client.request("POST", path, body(str(unknown)), headers=at.about_a)
            assert words(refused, foreign.pk) == words(compared, unknown)
            (error,) = refused.json()["errors"]
            assert (refused.status_code, error["field"], error["code"]) == (400, field, "does_not_exist")
        assert not at.Note.objects.filter(name__in=["n", "c"]).exists()
        assert of_others(at) == before
        made = at.both.request("POST", path, body(str(at.a_note.pk)), headers=at.about_a)
        assert made.status_code == 201
        assert {each.organization for each in at.Note.objects.filter(name__in=["n", "c"])} == {at.a}

    def test_one_foreign_id_among_many_applies_nothing(self, at: Any) -> None:
        """I8: an array with B's id beside A's is 400, and A's rows stay as they were."""
        ids = [str(at.a_note.pk), str(at.b_note.pk)]
        before = list(at.Note.objects.order_by("pk").values())

        refused = at.owner.post("notes/", {"name": "n", "replies": ids})

        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "does_not_exist")
        assert list(at.Note.objects.order_by("pk").values()) == before
        assert at.owner.post("notes/", {"name": "n", "replies": ids[:1]}).status_code == 201
        assert at.Note.objects.get(pk=at.a_note.pk).reply_to.name == "n"

    @pytest.mark.parametrize("method", ["put", "patch"])
    def test_changes(self, at: Any, method: str) -> None:
        """The same where a row is changed: its own relations stay within reach only."""
        send, path = getattr(at.owner, method), f"notes/{at.a_note.pk}/"
        unknown = uuid4()
        for name in ("reply_to", "replies"):
            value: Any = (lambda key: [str(key)]) if name == "replies" else str
            refused = send(path, {"name": "n", name: value(at.b_note.pk)})
            assert words(refused, at.b_note.pk) == words(
                send(path, {"name": "n", name: value(unknown)}), unknown
            )
            assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "does_not_exist")
        assert at.Note.objects.get(pk=at.a_note.pk).name == "ours"
        assert send(path, {"name": "n", "reply_to": str(at.a_note.pk), "replies": []}).status_code == 200

    def test_foreign_row_in_the_path(self, at: Any) -> None:
        """I3, T1: a view without a thought of organizations answers 404 for B's row, as for an unknown one."""
        before = of_others(at)
        unknown = uuid4()
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            body = None if method == "GET" else {"name": "n"}
            foreign = at.owner.request(method, f"notes/{at.b_note.pk}/", body)
            assert words(foreign) == words(at.owner.request(method, f"notes/{unknown}/", body))
            assert foreign.status_code == 404
        assert of_others(at) == before
        assert at.owner.get(f"notes/{at.a_note.pk}/").status_code == 200
        assert at.owner.delete(f"notes/{at.a_note.pk}/").status_code == 204

    def test_by_something_else_than_the_id(self, at: Any) -> None:
        """A name that only B has does not exist."""
        refused = at.owner.post("by-name/", {"name": "n", "reply_to": CANARY})
        compared = at.owner.post("by-name/", {"name": "n", "reply_to": "no such note"})

        assert words(refused, CANARY) == words(compared, "no such note")
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "does_not_exist")
        assert at.owner.post("by-name/", {"name": "n", "reply_to": "ours"}).status_code == 201

    def test_same_name_elsewhere_is_not_ambiguous(self, at: Any) -> None:
        """A name that A and B both have is A's."""
        at.Note.objects.create(organization=at.b, name="ours")
        made = at.owner.post("by-name/", {"name": "n", "reply_to": "ours"})
        assert made.status_code == 201
        assert at.Note.objects.get(name="n").reply_to == at.a_note

    def test_children_that_are_there(self, at: Any) -> None:
        """A nested id of B's changes nothing of B; A's own is changed."""
        before = of_others(at)
        child = {"id": str(at.b_note.pk), "name": "taken"}
        assert at.owner.post("nested/", {"name": "n", "replies": [child]}).status_code == 201
        assert of_others(at) == before
        assert not at.Note.objects.filter(name="taken").exists()
        child["id"] = str(at.a_note.pk)
        assert at.owner.post("nested/", {"name": "n2", "replies": [child]}).status_code == 201
        assert at.Note.objects.get(name="taken").pk == at.a_note.pk

    def test_by_the_kits_bases(self, at: Any) -> None:
        """I5, I7: without a header, what a body names is in the organization of the row, or that the body names."""
        both, a_note, a2_note = at.both, str(at.a_note.pk), str(at.a2_note.pk)
        before = of_others(at)
        for send, path, more in (
            (both.post, "kit/", {"organization": str(at.a.pk)}),
            (both.patch, f"kit/{a_note}/", {}),
            (both.put, f"kit/{a_note}/", {}),
        ):
            for foreign in (a2_note, str(at.b_note.pk)):
                refused = send(path, {"name": "n", "reply_to": foreign, **more})
                unknown = str(uuid4())
                compared = send(path, {"name": "n", "reply_to": unknown, **more})
                assert words(refused, foreign) == words(compared, unknown)
                assert [each["field"] for each in refused.json()["errors"]] == ["reply_to"]
            assert send(path, {"name": "n", "reply_to": a_note, **more}).status_code in (200, 201)
        assert of_others(at) == before


class TestUniqueness:
    """I22: validators do not tell of another organization's values."""

    @pytest.mark.parametrize(
        ("path", "body"),
        [("unique/", lambda name: {"name": name}), ("together/", lambda name: {"name": name, "size": 1})],
        ids=["UniqueValidator", "UniqueTogetherValidator"],
    )
    def test_a_value_used_elsewhere_is_free(self, at: Any, path: str, body: Any) -> None:
        """A value of B, or of A2 in a request about A, is accepted; one of A's own is 400 ``unique``."""
        assert at.owner.post(path, body(CANARY)).status_code == 201
        assert at.both.request("POST", path, body("second"), headers=at.about_a).status_code == 201
        refused = at.owner.post(path, body("ours"))
        assert (refused.status_code, refused.json()["errors"][0]["code"]) == (400, "unique")


class TestLists:
    """I11, I13, T6: what a filter, a search or an order reaches across a relation is in scope as well."""

    @pytest.fixture(autouse=True)
    def _link_that_leaves(self, at: Any) -> None:
        """Let a note of A point at B's, where the database does not refuse it."""
        if connection.vendor != "postgresql":
            models.QuerySet(at.Note).filter(name="ours reply").update(reply_to=at.b_note)
        at.Note.objects.create(organization=at.a, name="third", reply_to=at.a_note)

    def test_filters(self, at: Any) -> None:
        """A filter by B's values finds nothing, and leaves out nothing; by A's own it does."""
        for query, found in (
            ({}, {"ours", "ours reply", "third"}),
            ({"parent": CANARY}, set()),
            ({"parent": "ours"}, {"third"} if connection.vendor != "postgresql" else {"third", "ours reply"}),
            ({"reply": CANARY}, set()),
            ({"reply": "third"}, {"ours"}),
            ({"lonely": CANARY}, {"ours", "ours reply", "third"}),
            ({"search": CANARY}, set()),
            ({"search": "third"}, {"third"}),
        ):
            response = at.owner.get("notes/", count="true", **query)
            rows = response.json()["results"]
            assert {each["name"] for each in rows} == found, query
            assert response.json()["count"] == len(found)

    def test_choices(self, at: Any) -> None:
        """B's id in a filter by relation is 400 as a random one is; A's filters."""
        unknown = uuid4()
        refused = at.owner.get("notes/", reply_to=str(at.b_note.pk))
        assert words(refused, at.b_note.pk) == words(at.owner.get("notes/", reply_to=str(unknown)), unknown)
        assert refused.status_code == 400
        found = at.owner.get("notes/", reply_to=str(at.a_note.pk)).json()["results"]
        assert "third" in {each["name"] for each in found}

    @pytest.mark.parametrize("order", ["name", "reply_to__name", "-reply_to__name", "replies__size"])
    def test_orders(self, at: Any, order: str) -> None:
        """An order across a relation shows the same rows, and B's values do not take part in it."""
        names = [each["name"] for each in at.owner.get("notes/", ordering=order).json()["results"]]
        assert set(names) == {"ours", "ours reply", "third"}
        if order == "reply_to__name" and connection.vendor != "postgresql":
            # the note that points at B's sorts among those that point at none
            assert names.index("third") == 2

    def test_pages(self, at: Any) -> None:
        """I12: somebody else's cursor shows one's own rows at most."""
        page = at.both.get("notes/", page_size=1, ordering="name").json()
        cursor = re.search(r"cursor=([^&]+)", page["next"])
        assert cursor is not None
        response = at.owner.get("notes/", cursor=cursor[1], ordering="name")
        rows = response.json().get("results", [])
        assert {each["name"] for each in rows} <= {"ours", "ours reply", "third"}


class TestBulkWrites:
    """I8, I9: what writes many rows at once reaches the scope's only."""

    def test_create(self, at: Any) -> None:
        """A row for B among those of A creates none; those of A alone are made in A."""
        before = at.Note.objects.count()
        mine = {"name": "n"}
        for other in (at.b, at.a2):
            with pytest.raises(OutOfScope):
                at.owner.post("bulk/", [mine, {"name": "n", "organization_id": str(other.pk)}])
        assert at.Note.objects.count() == before
        assert at.owner.post("bulk/", [mine, mine]).json() == {"count": 2}
        assert {each.organization for each in at.Note.objects.filter(name="n")} == {at.a}

    def test_change(self, at: Any) -> None:
        """B's rows among those to change are passed over, whichever way they are changed."""
        before = of_others(at)
        rows = [{"id": str(each.pk), "name": "changed"} for each in (at.a_note, at.b_note, at.a2_note)]
        assert at.owner.put("bulk/", rows).json() == {"count": 1}
        assert at.both.request("PUT", "bulk/", rows, headers=at.about_a).json() == {"count": 1}
        ids = {"ids": [each["id"] for each in rows], "size": 9}
        assert at.owner.patch("bulk/", ids).json() == {"count": 1}
        assert of_others(at) == before
        assert at.Note.objects.get(pk=at.a_note.pk).size == 9

    def test_delete(self, at: Any) -> None:
        """B's rows stay; A's go, with what hangs on them."""
        before = of_others(at)
        ids = [str(each.pk) for each in (at.a_note, at.b_note, at.a2_note)]
        assert at.owner.request("DELETE", "bulk/", {"ids": ids}).json() == {"count": 2}
        assert of_others(at) == before
