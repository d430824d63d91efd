"""The guard: no route of a query set reaches the database without a scope, nor outside it."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest
from django.apps import apps
from django.core.exceptions import MultipleObjectsReturned, ObjectDoesNotExist
from django.db import IntegrityError, connection, transaction
from django.db.models import Count, Exists, OuterRef, Q, QuerySet, Subquery
from django.test.utils import CaptureQueriesContext

from saas_kit.tenancy.exceptions import OrganizationFixed, OutOfScope, ScopeRequired
from saas_kit.tenancy.scoping import scope, unscoped

pytestmark = [pytest.mark.without_scope, pytest.mark.hosts("full"), pytest.mark.django_db]

# how to call what cannot be called without arguments
ARGUMENTS: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "aggregate": ((Count("pk"),), {}),
    "bulk_create": ((lambda model: [model(name="x")],), {}),
    "bulk_update": ((lambda model: existing(model)[:], ["name"]), {}),
    "contains": ((lambda model: existing(model)[0],), {}),
    "create": ((), {"name": "x"}),
    "dates": (("created_at", "year"), {}),
    "datetimes": (("created_at", "year"), {}),
    "get_or_create": ((), {"name": "x"}),
    "get": ((), {"name": "a1"}),
    "update": ((), {"name": "x"}),
    "update_or_create": ((), {"name": "x"}),
    "raw": (("SELECT * FROM widgets_note",), {}),
    "earliest": (("created_at",), {}),
    "latest": (("created_at",), {}),
    "select_related": (("reply_to",), {}),
    "values_list": (("pk",), {}),
    "_update": ((lambda model: [(model._meta.get_field("name"), None, "x")],), {}),
    "_raw_delete": (("default",), {}),
}


@pytest.fixture
def notes(make_organization) -> Any:
    from tests.hosts.full.widgets.models import Note

    a, b = make_organization(), make_organization()
    for organization, texts in ((a, ("a1", "a2")), (b, ("b1",))):
        with scope(organization):
            for text in texts:
                Note.objects.create(name=text)
    return Note, a, b


def rows(model: Any) -> Any:
    return model.objects.all()


def existing(model: Any) -> list[Any]:
    with unscoped(reason="the test needs rows"):
        return list(model.objects.order_by("name"))


def guarded() -> Any:
    return rows(apps.get_model("widgets.Note"))


def _routes() -> list[str]:
    return sorted(
        name
        for name, member in inspect.getmembers(QuerySet)
        if callable(member) and (not name.startswith("__") or name in ("__iter__", "__len__", "__bool__"))
    )


def _consume(value: Any) -> Any:
    if inspect.isawaitable(value):
        return _run(value)
    if hasattr(value, "__aiter__") and not hasattr(value, "__iter__"):
        return _run(_all(value))
    return list(value) if hasattr(value, "__iter__") and not isinstance(value, str | dict | bytes) else value


async def _all(value: Any) -> list[Any]:
    return [each async for each in value]


def _run(value: Any) -> Any:
    async def main() -> Any:
        return await value

    return asyncio.run(main())


SYNC_ROUTES = [
    each
    for each in _routes()
    if not each.startswith("a") or each in ("aggregate", "alias", "all", "annotate")
]


def touching_statements(queryset: Any, route: str) -> list[str]:
    """Call a method of a query set, undo what it did, and return its statements on the table."""
    positional, named = ARGUMENTS.get(route, ((), {}))
    positional = tuple(each(queryset.model) if callable(each) else each for each in positional)
    errors = (ScopeRequired, TypeError, ValueError, AttributeError, NotImplementedError, ObjectDoesNotExist)
    errors += (MultipleObjectsReturned, IntegrityError)
    with transaction.atomic(), CaptureQueriesContext(connection) as statements:
        try:
            with transaction.atomic():
                _consume(getattr(queryset, route)(*positional, **named))
        except errors:
            pass  # refused, or wanting other arguments; the twin below tells which
        transaction.set_rollback(True)
    return [each["sql"] for each in statements if "widgets_note" in each["sql"]]


class TestEveryRoute:
    @pytest.mark.parametrize("route", SYNC_ROUTES)
    def test_without_a_scope_runs_no_statement(self, notes, route):
        """Each method of QuerySet, called with no scope, leaves the table alone."""
        model, _, _ = notes

        assert touching_statements(rows(model), route) == []

    def test_the_same_calls_reach_the_table_where_all_is_in_scope(self, notes):
        """The twin of the test above: its arguments are good enough for the routes to run."""
        model, _, _ = notes

        with unscoped(reason="the test shows that its calls run"):
            reaching = {each for each in SYNC_ROUTES if touching_statements(rows(model), each)}

        assert reaching >= {
            *("aggregate", "bulk_create", "bulk_update", "contains", "count", "create", "dates", "datetimes"),
            *(
                "delete",
                "earliest",
                "exists",
                "explain",
                "first",
                "get",
                "get_or_create",
                "in_bulk",
                "iterator",
            ),
            *("last", "latest", "raw", "update", "update_or_create", "_raw_delete", "_update"),
            *(
                "all",
                "exclude",
                "filter",
                "union",
                "values",
                "values_list",
                "__iter__",
                "__len__",
                "__bool__",
            ),
        }

    @pytest.mark.parametrize(
        "build",
        [
            pytest.param(lambda q, _: q[:1], id="slice"),
            pytest.param(lambda q, _: q.union(q), id="union"),
            pytest.param(lambda q, o: o.filter(pk__in=q.values("organization")), id="in"),
            pytest.param(lambda _, o: o.filter(Exists(guarded())), id="exists"),
            pytest.param(
                lambda _, o: o.annotate(
                    n=Subquery(guarded().filter(organization=OuterRef("pk")).values("name")[:1])
                ),
                id="subquery",
            ),
        ],
    )
    def test_without_a_scope_is_refused_inside_other_queries(self, notes, build):
        """A part of another query is guarded as a query of its own, and answers where all is in scope."""
        model, a, _ = notes
        queryset = build(rows(model), type(a).objects)

        with pytest.raises(ScopeRequired, match="Note"):
            list(queryset)
        with unscoped(reason="the test looks at all"):
            assert list(queryset.all())

    @pytest.mark.parametrize(
        "route",
        ["acount", "aexists", "aexplain", "afirst", "alast", "aiterator", "ain_bulk", "__aiter__", "adelete"],
    )
    @pytest.mark.django_db(transaction=True)
    def test_async_without_a_scope_is_refused(self, notes, route):
        """The asynchronous routes are no other way in."""
        model, _, _ = notes
        queryset = rows(model).exclude(name="x")

        with pytest.raises(ScopeRequired):
            _consume(queryset.__aiter__() if route == "__aiter__" else getattr(queryset, route)())


class TestScoped:
    def test_reads_stay_inside(self, notes):
        """The same queries answer, with the scope's rows only."""
        model, a, b = notes
        names = lambda queryset: sorted(queryset.values_list("name", flat=True))  # noqa: E731

        with scope(a):
            assert names(rows(model)) == ["a1", "a2"]
            assert names(rows(model).filter(Q(name="a1") | Q(name="b1"))) == ["a1"]
            assert names(rows(model).exclude(name="a1")) == ["a2"]
            assert names(rows(model).filter(organization=b)) == []
            assert rows(model).count() == 2
            assert rows(model).aggregate(n=Count("pk")) == {"n": 2}
            assert len(rows(model).order_by("name")[1:]) == 1
            assert rows(model).filter(name="a1").union(rows(model).filter(name="b1")).count() == 1
            assert not rows(model).filter(name="b1").exists()
        with scope([a, b]):
            assert names(rows(model)) == ["a1", "a2", "b1"]
        with scope([]):
            assert names(rows(model)) == []
        with unscoped(reason="the test counts all"):
            assert names(rows(model)) == ["a1", "a2", "b1"]

    def test_a_query_set_takes_the_scope_that_it_runs_in(self, notes):
        """A query set made in one scope does not carry it into another."""
        model, a, b = notes
        queryset = rows(model).all()
        with scope(a):
            assert queryset.count() == 2
        with scope(b):
            assert queryset.count() == 1
        with pytest.raises(ScopeRequired):
            queryset.count()

    def test_writes_stay_inside(self, notes):
        """UPDATE and DELETE reach no other organization's rows."""
        model, a, _ = notes
        with scope(a):
            assert rows(model).filter(Q(name="b1") | Q(name="a1")).update(size=7) == 1
            assert rows(model).filter(name="b1")._raw_delete("default") == 0
            assert rows(model).filter(name="a2")._raw_delete("default") == 1
        assert existing(model)[-1].size == 1

    def test_creates_in_the_scope(self, notes):
        """The organization comes from the scope; another one is refused, and so is a choice of several."""
        model, a, b = notes
        with scope(a):
            assert rows(model).bulk_create([model(name="new")])[0].organization_id == a.pk
            with pytest.raises(OutOfScope):
                rows(model).bulk_create([model(name="other", organization=b)])
        with scope([a, b]), pytest.raises(OutOfScope):
            rows(model).bulk_create([model(name="whose")])
        assert [each.name for each in existing(model)] == ["a1", "a2", "b1", "new"]

    def test_rows_do_not_move(self, notes):
        """An update cannot give a row to another organization."""
        model, a, b = notes
        with scope([a, b]), pytest.raises(OrganizationFixed):
            rows(model).update(organization=b)

    def test_raw_needs_unscoped(self, notes):
        """Nothing can restrict SQL of one's own, so a scope is not enough for it."""
        model, a, _ = notes
        with scope(a), pytest.raises(ScopeRequired):
            rows(model).raw("SELECT * FROM widgets_note")
        with unscoped(reason="raw"):
            assert len(list(rows(model).raw("SELECT * FROM widgets_note"))) == 3


class TestInstances:
    def test_relations_and_refresh_are_guarded(self, notes):
        """The base manager is guarded: neither a relation nor a refresh leads out of the scope."""
        model, a, b = notes
        mine, _, theirs = existing(model)
        with unscoped(reason="the test crosses the boundary"):
            QuerySet(model).filter(pk=mine.pk).update(reply_to=theirs)
        mine.reply_to_id = theirs.pk

        for read in (mine.refresh_from_db, lambda: mine.reply_to, lambda: list(theirs.replies.all())):
            with pytest.raises(ScopeRequired):
                read()
        with scope(a):
            mine.refresh_from_db()
            with pytest.raises(model.DoesNotExist):
                _ = mine.reply_to
            with pytest.raises(model.DoesNotExist):
                theirs.refresh_from_db()
            assert list(model.objects.filter(pk=mine.pk).prefetch_related("reply_to"))
        with scope(b):
            assert list(theirs.replies.all()) == []
        with unscoped(reason="the test crosses the boundary"):
            QuerySet(model).filter(pk=mine.pk).update(reply_to=None)

    def test_saves_only_inside(self, notes):
        """Saving a row of another organization, or moving one, changes nothing."""
        model, a, b = notes
        mine, _, theirs = existing(model)
        theirs.size = mine.size = 9

        with pytest.raises(ScopeRequired), transaction.atomic():
            mine.save()
        with scope(a):
            mine.save()
            with pytest.raises(OutOfScope), transaction.atomic():
                theirs.save()
            mine.organization = b
            with pytest.raises(OrganizationFixed), transaction.atomic():
                mine.save()
        with scope([a, b]), pytest.raises(OrganizationFixed), transaction.atomic():
            mine.save()

        assert [(each.name, each.size, each.organization_id) for each in existing(model)] == [
            ("a1", 9, a.pk),
            ("a2", 1, a.pk),
            ("b1", 1, b.pk),
        ]

    def test_deletes_only_inside(self, notes):
        """Deleting an instance asks for the scope, with what cascades from it too."""
        model, a, _ = notes
        mine, _, theirs = existing(model)

        with pytest.raises(ScopeRequired):
            mine.delete()
        with scope(a):
            with pytest.raises(OutOfScope):
                theirs.delete()
            mine.delete()

        assert [each.name for each in existing(model)] == ["a2", "b1"]

    def test_deletes_what_the_row_says(self, notes):
        """An instance that was given another organization by hand does not open the door to its row."""
        model, a, b = notes
        theirs = existing(model)[-1]

        with scope(a), pytest.raises(OutOfScope):
            model(pk=theirs.pk, organization_id=a.pk).delete()
        with scope(b):
            assert model(pk=theirs.pk, organization_id=b.pk).delete()[0] == 1

    def test_a_bulk_insert_that_moves_rows_is_refused(self, notes):
        """The organization is among what a conflict may not update, in one's own scope too."""
        model, a, _ = notes
        with scope(a), pytest.raises(OrganizationFixed):
            model.objects.bulk_create(
                [model(name="x")],
                update_conflicts=True,
                unique_fields=["organization", "id"],
                update_fields=["name", "organization"],
            )

    def test_a_new_row_takes_the_scope(self, notes):
        """`save()` of a new row fills the organization from the scope."""
        model, a, b = notes
        with scope(a):
            note = model(name="new")
            note.save()
            with pytest.raises(OutOfScope), transaction.atomic():
                model(name="other", organization=b).save()

        assert note.organization_id == a.pk
        assert [each.name for each in existing(model)] == ["a1", "a2", "b1", "new"]
