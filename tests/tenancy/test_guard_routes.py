"""The guard on every other way to a row: relations, prefetching, subqueries, set operations and bulk writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import DatabaseError, IntegrityError, connection, models, transaction
from django.db.models import (
    Avg,
    Count,
    Exists,
    F,
    FilteredRelation,
    Max,
    OuterRef,
    Prefetch,
    Q,
    Subquery,
    Sum,
    Window,
)
from django.db.models.functions import RowNumber
from django.test.utils import CaptureQueriesContext

from saas_kit.tenancy import scope, unscoped
from saas_kit.tenancy.exceptions import OrganizationFixed, OutOfScope, ScopeRequired

pytestmark = [pytest.mark.without_scope, pytest.mark.hosts("full"), pytest.mark.django_db]


@pytest.fixture
def at(make_organization: Callable[..., Any]) -> Any:
    """Notes ``a1`` and its reply ``a2`` in A, ``b1`` and its reply ``b2`` in B; B's are ten times as large."""
    from tests.hosts.full.widgets.models import Note

    found = SimpleNamespace(Note=Note, a=make_organization(), b=make_organization())
    for name, organization, factor in (("a", found.a, 1), ("b", found.b, 10)):
        with scope(organization):
            first = Note.objects.create(name=f"{name}1", size=factor)
            reply = Note.objects.create(name=f"{name}2", size=2 * factor, reply_to=first)
        setattr(found, f"{name}1", first)
        setattr(found, f"{name}2", reply)
    return found


def stored(model: Any) -> list[tuple[Any, ...]]:
    """Read all notes as they are in the database."""
    with unscoped(reason="the test looks at all rows"):
        rows = model.objects.order_by("name").values_list("name", "size", "organization", "reply_to__name")
        return list(rows)


def names(rows: Iterable[Any]) -> list[str]:
    return sorted(row.name for row in rows)


def wait_for(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """Call an asynchronous function; what it does in threads it does on the connection of the test."""

    async def call() -> Any:
        return await function(*args, **kwargs)

    return async_to_sync(call)()


def all_of(rows: Any) -> list[Any]:
    """Iterate asynchronously."""

    async def collect() -> list[Any]:
        return [each async for each in rows]

    return async_to_sync(collect)()


def _unlinked(at: Any) -> Any:
    return at.Note.objects.filter(reply_to=None)


# a way to read; what it finds in A; what it finds where all is in scope
READS: dict[str, tuple[Callable[[Any], Any], Any, Any]] = {
    "reverse": (lambda at: names(at.b1.replies.all()), [], ["b2"]),
    "reverse of one's own": (lambda at: names(at.a1.replies.all()), ["a2"], ["a2"]),
    "reverse, filtered": (lambda at: names(at.b1.replies.filter(size__gt=0)), [], ["b2"]),
    "reverse, counted": (lambda at: at.b1.replies.count(), 0, 1),
    "reverse, async": (lambda at: names(all_of(at.b1.replies.all())), [], ["b2"]),
    "reverse, asked for async": (lambda at: wait_for(at.b1.replies.aexists), False, True),
    "base manager": (lambda at: names(at.Note._base_manager.all()), ["a1", "a2"], ["a1", "a2", "b1", "b2"]),
    "default manager": (lambda at: at.Note._default_manager.count(), 2, 4),
    "from a model's class": (lambda at: at.Note.all_objects.filter(name="b1").exists(), False, True),
    "prefetched": (
        lambda at: {n.name: names(n.replies.all()) for n in _unlinked(at).prefetch_related("replies")},
        {"a1": ["a2"]},
        {"a1": ["a2"], "b1": ["b2"]},
    ),
    "prefetched with a query set": (
        lambda at: {
            n.name: names(n.found)
            for n in _unlinked(at).prefetch_related(
                Prefetch("replies", queryset=at.Note.objects.exclude(name="x"), to_attr="found")
            )
        },
        {"a1": ["a2"]},
        {"a1": ["a2"], "b1": ["b2"]},
    ),
    "prefetched forwards": (
        lambda at: sorted(n.reply_to.name for n in _linked(at).prefetch_related("reply_to")),
        ["a1"],
        ["a1", "b1"],
    ),
    "prefetched async": (
        lambda at: [names(n.replies.all()) for n in all_of(_unlinked(at).prefetch_related("replies"))],
        [["a2"]],
        [["a2"], ["b2"]],
    ),
    "select_related": (
        lambda at: sorted(n.reply_to.name for n in _linked(at).select_related("reply_to")),
        ["a1"],
        ["a1", "b1"],
    ),
    "Exists": (
        lambda at: _unlinked(at).filter(Exists(at.Note.objects.filter(reply_to=OuterRef("pk")))).count(),
        1,
        2,
    ),
    "Subquery of what is B's": (
        lambda at: set(
            at.Note.objects.annotate(
                other=Subquery(at.Note.objects.filter(pk=at.b1.pk).values("name")[:1])
            ).values_list("other", flat=True)
        ),
        {None},
        {"b1"},
    ),
    "in": (
        lambda at: names(at.Note.objects.filter(pk__in=at.Note.objects.values("reply_to"))),
        ["a1"],
        ["a1", "b1"],
    ),
    "not in": (
        lambda at: names(at.Note.objects.exclude(pk__in=_linked(at).values("reply_to"))),
        ["a2"],
        ["a2", "b2"],
    ),
    "or": (
        lambda at: names(at.Note.objects.filter(Q(name="a1") | Q(pk=at.b1.pk))),
        ["a1"],
        ["a1", "b1"],
    ),
    "exclude across a reverse relation": (
        lambda at: names(at.Note.objects.exclude(replies__name__in=["a2", "x"])),
        ["a2"],
        ["a2", "b1", "b2"],
    ),
    "exclude by what is B's": (
        lambda at: names(at.Note.objects.exclude(replies__name="b2")),
        ["a1", "a2"],
        ["a1", "a2", "b2"],
    ),
    "exclude across relations there and back": (
        lambda at: names(at.Note.objects.exclude(reply_to__replies__name="a2")),
        ["a1"],
        ["a1", "b1", "b2"],
    ),
    "exclude across two reverse relations": (
        lambda at: names(
            at.Note.objects.exclude(replies__replies__name="x").exclude(replies__reply_to__size=1)
        ),
        ["a2"],
        ["a2", "b1", "b2"],
    ),
    "exclude one or the other": (
        lambda at: names(at.Note.objects.exclude(Q(replies__name="b2") | Q(reply_to__name="a1"))),
        ["a1"],
        ["a1", "b2"],
    ),
    "combined with |": (
        lambda at: names(at.Note.objects.filter(name="a1") | at.Note.objects.filter(pk=at.b1.pk)),
        ["a1"],
        ["a1", "b1"],
    ),
    "union": (lambda at: names(_unlinked(at).union(_linked(at))), ["a1", "a2"], ["a1", "a2", "b1", "b2"]),
    "union, sliced": (
        lambda at: len(_unlinked(at).union(_linked(at), all=True).order_by("name")[:3]),
        2,
        3,
    ),
    "union, counted": (lambda at: _unlinked(at).union(_linked(at)).count(), 2, 4),
    "intersection": (
        lambda at: names(at.Note.objects.all().intersection(_linked(at))),
        ["a2"],
        ["a2", "b2"],
    ),
    "difference": (lambda at: names(at.Note.objects.all().difference(_linked(at))), ["a1"], ["a1", "b1"]),
    "in_bulk": (lambda at: sorted(n.name for n in _in_bulk(at).values()), ["a1"], ["a1", "b1"]),
    "in_bulk, async": (
        lambda at: len(wait_for(at.Note.objects.ain_bulk, [at.a1.pk, at.b1.pk])),
        1,
        2,
    ),
    "iterator": (
        lambda at: names(at.Note.objects.iterator(chunk_size=1)),
        ["a1", "a2"],
        ["a1", "a2", "b1", "b2"],
    ),
    "iterator, async": (lambda at: len(all_of(at.Note.objects.aiterator(chunk_size=1))), 2, 4),
    "aggregate": (
        lambda at: at.Note.objects.aggregate(n=Count("pk"), total=Sum("size"), top=Max("size")),
        {"n": 2, "total": 3, "top": 2},
        {"n": 4, "total": 33, "top": 20},
    ),
    "aggregate of distinct rows": (
        lambda at: at.Note.objects.values("size").distinct().aggregate(mean=Avg("size")),
        {"mean": 1.5},
        {"mean": 8.25},
    ),
    "aggregate, async": (lambda at: wait_for(at.Note.objects.aaggregate, n=Count("pk")), {"n": 2}, {"n": 4}),
    "aggregate across a relation": (
        lambda at: at.Note.objects.aggregate(n=Count("replies"), most=Max("replies__size")),
        {"n": 1, "most": 2},
        {"n": 2, "most": 20},
    ),
    "group by": (
        lambda at: list(
            at.Note.objects.values("reply_to__name")
            .annotate(n=Count("pk"))
            .order_by(F("reply_to__name").asc(nulls_first=True))
            .values_list("reply_to__name", "n")
        ),
        [(None, 1), ("a1", 1)],
        [(None, 2), ("a1", 1), ("b1", 1)],
    ),
    "window": (
        lambda at: list(
            at.Note.objects.annotate(
                place=Window(RowNumber(), order_by="name"), total=Window(Sum("size"))
            ).values_list("place", "total")
        ),
        [(1, 3), (2, 3)],
        [(n, 33) for n in (1, 2, 3, 4)],
    ),
    "explain": (lambda at: bool(at.Note.objects.explain()), True, True),
    "order_by across": (
        lambda at: [n.name for n in _linked(at).order_by("-reply_to__name")],
        ["a2"],
        ["b2", "a2"],
    ),
    "filtered relation": (
        lambda at: names(
            at.Note.objects.annotate(
                large=FilteredRelation("replies", condition=Q(replies__size__gte=2))
            ).filter(large__isnull=False)
        ),
        ["a1"],
        ["a1", "b1"],
    ),
    "select_for_update": (
        lambda at: names(at.Note.objects.select_for_update().all()),
        ["a1", "a2"],
        ["a1", "a2", "b1", "b2"],
    ),
    "dates": (lambda at: len(at.Note.objects.filter(name__startswith="b").dates("created_at", "year")), 0, 1),
}


def _linked(at: Any) -> Any:
    return at.Note.objects.exclude(reply_to=None)


def _in_bulk(at: Any) -> dict[Any, Any]:
    found: dict[Any, Any] = at.Note.objects.in_bulk([at.a1.pk, at.b1.pk])
    return found


@pytest.mark.parametrize(("read", "in_a", "of_all"), READS.values(), ids=READS)
def test_reads(at: Any, read: Callable[[Any], Any], in_a: Any, of_all: Any) -> None:
    """Without a scope it is refused before any statement; in A it finds A's rows, and all where all is in scope."""
    with CaptureQueriesContext(connection) as statements, pytest.raises(ScopeRequired, match="Note"):
        read(at)
    assert [each["sql"] for each in statements if "widgets_note" in each["sql"]] == []
    with scope(at.a):
        assert read(at) == in_a
    with unscoped(reason="the twin"):
        assert read(at) == of_all


class TestInstances:
    def test_are_read_anew_in_their_scope_only(self, at: Any) -> None:
        """``refresh_from_db()``, deferred columns and a row made from values lead to no query without a scope."""
        with unscoped(reason="the test needs rows"):
            deferred = at.Note.objects.only("name").get(pk=at.b1.pk)
            left_out = at.Note.objects.defer("size").get(pk=at.b1.pk)
        known = at.Note.from_db("default", ["id", "name"], [at.b1.pk, "b1"])
        reads = (
            at.b1.refresh_from_db,
            lambda: wait_for(at.b1.arefresh_from_db),
            lambda: deferred.size,
            lambda: left_out.size,
            lambda: known.organization_id,
        )
        for read in reads:
            with pytest.raises(ScopeRequired, match="Note"):
                read()
            with scope(at.a), pytest.raises(at.Note.DoesNotExist):
                read()
        with scope(at.b):
            assert (deferred.size, left_out.size, known.organization_id) == (10, 10, at.b.pk)

    def test_raw_queries_need_all(self, at: Any) -> None:
        """SQL of one's own is refused in a scope too, as nothing can restrict it."""
        text = "SELECT * FROM widgets_note"
        for manager in (at.Note.objects, at.Note._base_manager, at.b1.replies):
            with pytest.raises(ScopeRequired):
                manager.raw(text)
            with scope(at.a), pytest.raises(ScopeRequired):
                manager.raw(text)
            with unscoped(reason="the twin"):
                assert len(list(manager.raw(text))) == 4


# how the methods of a reverse manager are called
CALLS: dict[str, Callable[[Any], tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "add": lambda at: ((at.b2,), {}),
    "set": lambda at: (([at.b1],), {}),
    "remove": lambda at: ((at.b2,), {}),
    "clear": lambda at: ((), {}),
    "create": lambda at: ((), {"name": "new"}),
    "get_or_create": lambda at: ((), {"name": "new"}),
    "update_or_create": lambda at: ((), {"name": "new"}),
}
RELATED = sorted([*CALLS, *(f"a{name}" for name in CALLS)])


class TestReverseManager:
    def _call(self, at: Any, name: str) -> None:
        positional, named = CALLS[name.removeprefix("a") if name not in CALLS else name](at)
        method = getattr(at.b1.replies, name)
        if name in CALLS:
            method(*positional, **named)
        else:
            wait_for(method, *positional, **named)

    def test_has_no_other_methods_that_write(self, at: Any) -> None:
        """The calls below are all that a reverse manager adds to the manager of its model."""
        own = set(dir(type(at.b1.replies))) - set(dir(type(at.Note.objects)))
        queries = {"get_prefetch_querysets", "get_prefetch_queryset", "do_not_call_in_templates"}

        added = {name for name in own if not name.startswith("_")} - queries
        assert added == {
            *("add", "set", "remove", "clear", "aadd", "aset", "aremove", "aclear"),
        }

    @pytest.mark.parametrize("name", RELATED)
    def test_without_a_scope_is_refused(self, at: Any, name: str) -> None:
        """Nothing is read or written."""
        before = stored(at.Note)
        with (
            CaptureQueriesContext(connection) as statements,
            pytest.raises(ScopeRequired),
            transaction.atomic(),
        ):
            self._call(at, name)
        assert [each["sql"] for each in statements if "widgets_note" in each["sql"]] == []
        assert stored(at.Note) == before

    @pytest.mark.parametrize("name", RELATED)
    def test_in_another_scope_leaves_all_as_it_was(self, at: Any, name: str) -> None:
        """In A, the relation of a row of B is empty, and what is B's stays as it was; in B it changes."""
        at.b1.reply_to = at.b2
        before = [row for row in stored(at.Note) if row[2] == at.b.pk]
        with scope(at.a):
            try:
                with transaction.atomic():
                    self._call(at, name)
                    connection.check_constraints()
            except (OutOfScope, IntegrityError):
                pass  # refused by the guard, or on PostgreSQL by the key that a reference cannot leave
        assert [row for row in stored(at.Note) if row[2] == at.b.pk] == before
        with scope(at.b):
            self._call(at, name)
        if name not in ("add", "aadd"):  # what is added is there already
            assert [row for row in stored(at.Note) if row[2] == at.b.pk] != before


class TestWrites:
    def test_update_with_expressions(self, at: Any) -> None:
        """``F()``, subqueries and conditions across relations change rows of the scope, from rows of the scope."""
        theirs = at.Note.objects.filter(pk=at.b1.pk).values("size")[:1]
        everything = at.Note.objects.filter(Q(reply_to__size__gte=1) | Q(pk=at.b2.pk))
        with pytest.raises(ScopeRequired), transaction.atomic():
            everything.update(size=F("size") + 1)
        with scope(at.a):
            assert everything.update(size=F("size") + 1) == 1
            assert at.Note.objects.update(size=models.functions.Coalesce(Subquery(theirs), 7)) == 2
            assert wait_for(at.Note.objects.aupdate, size=F("size") + 1) == 2
        assert [row[:2] for row in stored(at.Note)] == [("a1", 8), ("a2", 8), ("b1", 10), ("b2", 20)]

    @pytest.mark.parametrize("way", ["bulk_update", "abulk_update"])
    def test_bulk_update(self, at: Any, way: str) -> None:
        """Rows of another organization among the objects are passed over; the organization is no column to set."""
        method = getattr(at.Note.objects, way)
        call = method if way == "bulk_update" else lambda *args: wait_for(method, *args)
        at.a1.size = at.b1.size = 99
        with pytest.raises(ScopeRequired), transaction.atomic():
            call([at.a1, at.b1], ["size"])
        with scope(at.a):
            assert call([at.a1, at.b1], ["size"]) == 1
            with pytest.raises(OrganizationFixed), transaction.atomic():
                call([at.a1], ["organization"])
        assert [row[:2] for row in stored(at.Note)] == [("a1", 99), ("a2", 2), ("b1", 10), ("b2", 20)]

    def test_get_or_create_and_update_or_create(self, at: Any) -> None:
        """What is only in B is created in A, and B's stays as it was; what is in A is found."""
        with scope(at.a):
            made, created = at.Note.objects.get_or_create(name="b1")
            assert (created, made.organization_id) == (True, at.a.pk)
            changed, created = at.Note.objects.update_or_create(name="b2", defaults={"size": 5})
            assert (created, changed.organization_id) == (True, at.a.pk)
            assert at.Note.objects.update_or_create(name="a1", defaults={"size": 6}) == (at.a1, False)
            with pytest.raises(IntegrityError), transaction.atomic():
                at.Note.objects.update_or_create(pk=at.b1.pk, defaults={"size": 5, "name": "taken"})
        assert [row[:2] for row in stored(at.Note) if row[2] == at.b.pk] == [("b1", 10), ("b2", 20)]

    @pytest.mark.parametrize("way", ["named", "in order", "async"])
    def test_bulk_create_does_not_overwrite(self, at: Any, way: str) -> None:
        """A conflict with another organization's row is refused; one with the organization's own changes it."""

        def upsert(unique: list[str], row: Any) -> Any:
            if way == "named":
                return at.Note.objects.bulk_create(
                    [row], update_conflicts=True, update_fields=["size"], unique_fields=unique
                )
            if way == "in order":
                return at.Note.objects.bulk_create(*([row], None, False, True, ["size"], unique))
            return wait_for(
                at.Note.objects.abulk_create,
                [row],
                update_conflicts=True,
                update_fields=["size"],
                unique_fields=unique,
            )

        with scope(at.a):
            for unique in (["pk"], ["id"]):
                with pytest.raises(OutOfScope), transaction.atomic():
                    upsert(unique, at.Note(pk=at.b1.pk, name="x", size=99))
        with pytest.raises(ScopeRequired), transaction.atomic():
            upsert(["pk"], at.Note(pk=at.b1.pk, name="x", size=99, organization=at.a))
        assert stored(at.Note)[2][:2] == ("b1", 10)
        with unscoped(reason="the twin"):
            upsert(["pk"], at.Note(pk=at.b1.pk, name="b1", size=99, organization=at.b))
        assert stored(at.Note)[2][:2] == ("b1", 99)

    @pytest.mark.parametrize("way", ["named", "in order"])
    def test_bulk_create_ignores_conflicts_elsewhere(self, at: Any, way: str) -> None:
        """A key that another organization's row has is passed over, and that row stays as it was."""
        row = at.Note(pk=at.b1.pk, name="x", size=99)
        with scope(at.a):
            if way == "named":
                at.Note.objects.bulk_create([row], ignore_conflicts=True)
            else:
                at.Note.objects.bulk_create(*([row], None, True))
        assert stored(at.Note)[2][:3] == ("b1", 10, at.b.pk)

    def test_save_with_the_key_of_another(self, at: Any) -> None:
        """Neither saving over another organization's row nor forcing an update changes it."""
        for options in ({}, {"force_update": True}, {"update_fields": ["size"]}):
            for organization in (at.a, at.b, None):
                row = at.Note(pk=at.b1.pk, name="x", size=99, organization=organization)
                row._state.adding = False
                with scope(at.a), pytest.raises((OutOfScope, DatabaseError)), transaction.atomic():
                    row.save(**options)
        assert stored(at.Note)[2][:3] == ("b1", 10, at.b.pk)
