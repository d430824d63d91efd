"""Walking through pages while others add and remove rows."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from django.apps import apps
from django.core import signing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.conftest import fields_of

pytestmark = [pytest.mark.hosts("full"), pytest.mark.django_db]

ORDERINGS = [
    None,
    "created_at",
    "-created_at",
    "name",
    "-name",
    "size",
    "-size",
    "size,-name",
    "-size,created_at",
]


def _ids(pages):
    return [row["id"] for page in pages for row in page["results"]]


def _query(ordering, page_size):
    return {"page_size": page_size} | ({} if ordering is None else {"ordering": ordering})


def _cursor(link):
    [cursor] = parse_qs(urlsplit(link).query)["cursor"]
    return cursor


class TestPage:
    def test_one_page_has_no_links(self, api, make_widget):
        """What fits on one page is all there is."""
        widgets = [make_widget() for _ in range(3)]

        page = api.get("widgets/").json()

        assert (page["next"], page["previous"]) == (None, None)
        assert [row["id"] for row in page["results"]] == [str(each.pk) for each in reversed(widgets)]

    def test_empty_list(self, api):
        """Nothing is an empty page, not a missing one."""
        assert api.get("widgets/").json() == {"next": None, "previous": None, "results": []}

    @pytest.mark.parametrize(
        ("asked", "given_"),
        [(None, 25), ("1", 1), ("007", 7), ("0" * 20 + "3", 3), ("100", 100), ("101", 100)],
    )
    def test_page_size(self, api, owner, make_widget, asked, given_):
        """25 where nothing is asked for, 100 at most, and what was asked for between."""
        model = apps.get_model("widgets.Widget")
        model.objects.bulk_create(model(organization=owner.organization, name=f"w{n}") for n in range(103))

        page = api.get("widgets/", **({} if asked is None else {"page_size": asked})).json()

        assert len(page["results"]) == given_
        assert page["next"]

    def test_huge_page_size_is_the_largest(self, api, settings, make_widget):
        """I12: a number of any length means the maximum, which is a setting."""
        settings.SAAS_KIT_API_MAX_PAGE_SIZE = 2
        settings.SAAS_KIT_API_PAGE_SIZE = 1
        for _ in range(3):
            make_widget()

        assert len(api.get("widgets/", page_size="9" * 4000).json()["results"]) == 2
        assert len(api.get("widgets/").json()["results"]) == 1

    @pytest.mark.parametrize(
        "size", ["0", "00", "-1", "", "1.5", "x", "\uff11", "+1", " 1", "1e2", "\x00", "²"]
    )
    def test_senseless_page_size_is_refused(self, api, size):
        """I120: 400 on the parameter."""
        assert set(fields_of(api.get("widgets/", page_size=size))) == {"page_size"}

    def test_count_where_asked_for(self, api, make_widget, make_organization):
        """I2: the number of all rows that the caller may see, on every page, and only on request."""
        for _ in range(5):
            make_widget()
        make_widget(make_organization())

        pages = api.pages("widgets/", count="true", page_size=2)
        assert [page["count"] for page in pages] == [5, 5, 5]
        assert "count" not in api.get("widgets/", count="false").json()
        assert api.get("widgets/", count="true", size=7).json()["count"] == 0
        for value in ("", "1", "True", "yes"):
            assert set(fields_of(api.get("widgets/", count=value))) == {"count"}

    def test_links_keep_the_other_parameters(self, api, make_widget):
        """The next page is of the same search, filter and order."""
        for n in range(4):
            make_widget(name=f"find {n}", size=5)
        make_widget(name="find other", size=6)
        make_widget(name="hidden", size=5)

        pages = api.pages("widgets/", search="find", size=5, ordering="name", page_size=3)

        names = [row["name"] for page in pages for row in page["results"]]
        assert names == [f"find {n}" for n in range(4)]

    def test_number_of_statements_is_constant(self, api, make_widget, django_assert_max_num_queries):
        """A page costs the caller's statement and its own, and one more with a count."""
        for _ in range(50):
            make_widget()
        link = api.get("widgets/", page_size=10).json()["next"]

        with django_assert_max_num_queries(2):
            api.send("GET", link)
        with django_assert_max_num_queries(3):
            api.get("widgets/", page_size=50, count="true")


class TestCursor:
    @pytest.fixture
    def link(self, api, make_widget):
        for _ in range(3):
            make_widget()
        return api.get("widgets/", page_size=1).json()["next"]

    def _answer(self, api, cursor, **query):
        return api.get("widgets/", cursor=cursor, page_size=1, **query)

    def test_as_it_was_answered(self, api, link):
        """The cursor of the answer is good; that is the permitted twin of all below."""
        assert self._answer(api, _cursor(link)).status_code == 200

    @pytest.mark.parametrize(
        "tamper",
        {
            "empty": lambda cursor: "",
            "junk": lambda cursor: "x",
            "NUL": lambda cursor: "\x00",
            "surrogate escape": lambda cursor: cursor + "\udc80".encode("utf-8", "replace").decode(),
            "emoji": lambda cursor: "😀",
            "cut": lambda cursor: cursor[:-1],
            "longer": lambda cursor: cursor + "A",
            "first letter": lambda cursor: ("A" if cursor[0] != "A" else "B") + cursor[1:],
            "signature only": lambda cursor: cursor.rpartition(":")[2],
            "without signature": lambda cursor: cursor.rpartition(":")[0],
            "colons": lambda cursor: "::::",
            "long": lambda cursor: "A" * 5000,
            "other salt": lambda cursor: signing.dumps(json.loads('{"o": ["-id"], "v": [1], "b": false}')),
            "other key": lambda cursor: signing.dumps(
                {"o": ["-id"]}, key="x" * 50, salt="saas_kit.api.cursor"
            ),
        }.items(),
        ids=lambda item: item[0],
    )
    def test_tampered_with(self, api, link, tamper):
        """I12: whatever is not a cursor of the server's own is 400 `invalid_cursor`."""
        assert fields_of(self._answer(api, tamper[1](_cursor(link)))) == {"cursor": "invalid_cursor"}

    def test_of_another_order(self, api, link):
        """A cursor is good for the order in which it was made."""
        assert fields_of(self._answer(api, _cursor(link), ordering="name")) == {"cursor": "invalid_cursor"}

    def test_of_another_tenant(self, api, caller, make_membership, make_widget, link):
        """I12: another customer's cursor shows nothing but one's own rows."""
        stranger = make_membership(role="owner")
        own = [make_widget(stranger.organization) for _ in range(3)]
        make_widget()

        response = caller(stranger.user).get("widgets/", cursor=_cursor(link))

        assert response.status_code == 200
        assert {row["id"] for row in response.json()["results"]} <= {str(each.pk) for each in own}

    def test_names_no_row_in_plain_sight(self, link, make_widget):
        """The secret key signs it; a client has no use for reading it."""
        assert " " not in _cursor(link)


class TestWalk:
    @pytest.mark.parametrize("ordering", ORDERINGS)
    @pytest.mark.parametrize("page_size", [1, 2, 5])
    def test_forwards_and_backwards(self, api, make_widget, ordering, page_size):
        """Every row is on exactly one page, in order, with ties in the column; back it is the same."""
        for n in range(9):
            make_widget(name=f"Widget {n % 9}", size=n % 3)

        pages = api.pages("widgets/", **_query(ordering, page_size))

        ids = _ids(pages)
        everything = api.get("widgets/", **_query(ordering, 100)).json()["results"]
        assert ids == [row["id"] for row in everything]
        assert len(set(ids)) == 9
        assert pages[0]["previous"] is None
        back = [pages[-1]]
        while back[0]["previous"]:
            back.insert(0, api.send("GET", back[0]["previous"]).json())
            assert len(back) < 20, "the pages do not end"
        assert _ids(back) == ids

    def test_there_and_back_is_the_same_page(self, api, make_widget):
        """The page before the next one is this one."""
        for _ in range(7):
            make_widget()
        first = api.get("widgets/", page_size=3).json()
        second = api.send("GET", first["next"]).json()

        again = api.send("GET", second["previous"]).json()

        assert again["results"] == first["results"]
        assert again["previous"] is None
        assert api.send("GET", again["next"]).json()["results"] == second["results"]

    def test_page_that_has_gone_leads_back(self, api, make_widget):
        """Where all that was to come has been deleted, the page is empty and its way back drops nothing."""
        widgets = [make_widget() for _ in range(6)]
        first = api.get("widgets/", ordering="created_at", page_size=2).json()
        second = api.send("GET", first["next"]).json()
        for each in widgets[4:]:
            each.delete()

        third = api.send("GET", second["next"]).json()
        assert (third["results"], third["next"]) == ([], None)

        back = api.send("GET", third["previous"]).json()
        assert back["results"] == second["results"]
        assert api.send("GET", back["previous"]).json()["results"] == first["results"]

    def test_page_before_that_has_gone_leads_on(self, api, make_widget):
        """Nor does the way on, where all that was before has been deleted."""
        widgets = [make_widget() for _ in range(6)]
        second = api.send(
            "GET", api.get("widgets/", ordering="created_at", page_size=2).json()["next"]
        ).json()
        for each in widgets[:2]:
            each.delete()

        before = api.send("GET", second["previous"]).json()
        assert (before["results"], before["previous"]) == ([], None)
        assert api.send("GET", before["next"]).json()["results"] == second["results"]


ACTS = st.lists(
    st.tuples(st.sampled_from(["insert", "delete"]), st.integers(0, 3), st.integers(0, 30)), max_size=4
)


class TestWalkWhileOthersWrite:
    @settings(
        max_examples=60,
        deadline=None,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        database=None,
        derandomize=True,
    )
    @given(
        sizes=st.lists(st.integers(0, 3), min_size=1, max_size=12),
        ordering=st.sampled_from(ORDERINGS),
        page_size=st.integers(1, 4),
        backwards=st.booleans(),
        writes=st.lists(ACTS, max_size=8),
    )
    def test_no_row_is_repeated_and_none_dropped(
        self, api, owner, sizes, ordering, page_size, backwards, writes
    ):
        """Rows that existed throughout are seen exactly once, whatever is inserted and deleted between the pages."""
        model = apps.get_model("widgets.Widget")
        model.all_objects.all().purge()
        made = [self._insert(model, owner, n, size) for n, size in enumerate(sizes)]
        throughout = {str(each.pk) for each in made}
        page = api.get("widgets/", **_query(ordering, page_size)).json()
        link = "next"
        if backwards:
            page, link = api.pages("widgets/", **_query(ordering, page_size))[-1], "previous"
        seen = _ids([page])
        writes = iter(writes)
        while page[link]:
            for act, size, index in next(writes, ()):
                if act == "insert":
                    made.append(self._insert(model, owner, len(made), size))
                else:
                    victim = made[index % len(made)]
                    throughout.discard(str(victim.pk))
                    victim.delete()
            page = api.send("GET", page[link]).json()
            seen += _ids([page])
            assert len(seen) < 200, "the pages do not end"

        assert len(seen) == len(set(seen))
        assert throughout <= set(seen)

    def _insert(self, model, owner, number, size):
        return model.objects.create(organization=owner.organization, name=f"{size}-{number:03}", size=size)
