"""The guard where rows are removed by what they hang on, and where a model inherits from a tenant-owned one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.admin.utils import NestedObjects
from django.db import IntegrityError, connection, models, transaction
from django.db.models.deletion import Collector
from django.test.utils import isolate_apps

from saas_kit.tenancy import scope, unscoped
from saas_kit.tenancy.exceptions import OutOfScope, ScopeRequired
from saas_kit.tenancy.models import OrganizationOwned

pytestmark = [
    pytest.mark.without_scope,
    pytest.mark.hosts("full"),
    pytest.mark.django_db(transaction=True),  # constraints are looked at when a transaction ends
]


@pytest.fixture
def at(make_organization: Callable[..., Any]) -> Any:
    """Notes ``a1`` and its reply ``a2`` in A, ``b1`` and its reply ``b2`` in B."""
    from tests.hosts.full.widgets.models import Note

    found = SimpleNamespace(Note=Note, a=make_organization(), b=make_organization())
    for name, organization in (("a", found.a), ("b", found.b)):
        with scope(organization):
            first = Note.objects.create(name=f"{name}1")
            setattr(found, f"{name}1", first)
            setattr(found, f"{name}2", Note.objects.create(name=f"{name}2", reply_to=first))
    return found


@pytest.fixture
def teams(make_user: Any, make_organization: Any, make_membership: Any, make_team: Any) -> Any:
    """Somebody who is in a team of A and in one of B."""
    from saas_kit.teams.services import add_team_member
    from saas_kit.tenancy.models import Membership

    found = SimpleNamespace(a=make_organization(), b=make_organization(), person=make_user())
    for organization in (found.a, found.b):
        make_membership(organization, user=found.person)
        with scope(organization):
            add_team_member(make_team(organization=organization), found.person, "member", actor=None)
    found.memberships = Membership.objects.filter(user=found.person)
    return found


def stored(model: Any, *columns: str) -> list[Any]:
    """Read a column of all rows as they are in the database."""
    with unscoped(reason="the test looks at all rows"):
        rows = model._base_manager.order_by(*columns).values_list(*columns, flat=len(columns) == 1)
        return list(rows)


def in_teams() -> list[Any]:
    from saas_kit.teams.models import TeamMembership

    return sorted(stored(TeamMembership, "organization"))


class TestCascades:
    @pytest.mark.parametrize("way", ["delete", "adelete"])
    def test_from_rows_of_ones_own(self, at: Any, way: str) -> None:
        """A query set removes the rows in scope with what hangs on them, sync and async."""

        def remove() -> Any:
            rows = at.Note.objects.filter(reply_to=None)
            return rows.delete() if way == "delete" else async_to_sync(rows.adelete)()

        with pytest.raises(ScopeRequired):
            remove()
        with scope(at.a):
            assert remove()[0] == 2
        assert stored(at.Note, "name") == ["b1", "b2"]

    @pytest.mark.parametrize("way", ["delete", "adelete"])
    def test_from_an_instance(self, at: Any, way: str) -> None:
        """An instance of another organization is refused, however it was come by."""

        def remove(row: Any) -> Any:
            return row.delete() if way == "delete" else async_to_sync(row.adelete)()

        with pytest.raises(ScopeRequired):
            remove(at.b2)
        with scope(at.a):
            with pytest.raises(OutOfScope):
                remove(at.b2)
            assert remove(at.a1)[0] == 2
        assert stored(at.Note, "name") == ["b1", "b2"]

    def test_of_a_relation_past_the_collector(self, at: Any) -> None:
        """What Django deletes in one statement is guarded as well."""
        with pytest.raises(ScopeRequired):
            at.b1.replies.all()._raw_delete("default")
        with scope(at.a):
            assert at.b1.replies.all()._raw_delete("default") == 0
            assert at.a1.replies.all()._raw_delete("default") == 1
        assert stored(at.Note, "name") == ["a1", "b1", "b2"]

    def test_from_a_membership(self, teams: Any) -> None:
        """A membership takes along what it has in the scope; without a scope, or in another, it stays whole."""
        a, b = (teams.memberships.get(organization=each) for each in (teams.a, teams.b))
        for remove in (b.delete, teams.memberships.delete, async_to_sync(b.adelete)):
            with pytest.raises(ScopeRequired):
                remove()
        with scope(teams.a), suppress(IntegrityError):  # PostgreSQL finds no row; SQLite refuses the orphan
            b.delete()
        assert in_teams() == sorted([teams.a.pk, teams.b.pk])
        assert teams.memberships.count() == 2
        with scope(teams.a):
            a.delete()
        assert in_teams() == [teams.b.pk]
        assert teams.memberships.get().organization_id == teams.b.pk

    def test_from_an_organization(self, at: Any) -> None:
        """An organization is removed in its own scope, with its rows; nowhere else, and B's stay."""
        everything = type(at.a).all_objects
        with pytest.raises(ScopeRequired):
            everything.filter(pk=at.a.pk).purge()
        with scope(at.b), pytest.raises(IntegrityError):
            everything.filter(pk=at.a.pk).purge()
        assert stored(at.Note, "name") == ["a1", "a2", "b1", "b2"]
        with scope(at.a):
            everything.filter(pk=at.a.pk).purge()
        assert stored(at.Note, "name") == ["b1", "b2"]
        assert not everything.filter(pk=at.a.pk).exists()

    def test_collected_as_the_admin_does(self, teams: Any) -> None:
        """What the admin lists before it deletes is collected through the guard."""
        with pytest.raises(ScopeRequired):
            NestedObjects(using="default").collect([teams.person])
        found = {}
        for name, entered in (("a", scope(teams.a)), ("all", unscoped(reason="the twin"))):
            with entered:
                collector = NestedObjects(using="default")
                collector.collect([teams.person])
                rows: Any = {model.__name__: list(each) for model, each in collector.data.items()}
                found[name] = sorted(each.organization_id for each in rows["TeamMembership"])
        assert found == {"a": [teams.a.pk], "all": sorted([teams.a.pk, teams.b.pk])}

    def test_collected_from_an_instance_at_hand(self, at: Any) -> None:
        """
        A limit: a collector that is handed an instance removes it by its key, past every manager.

        What hangs on it is looked for through the guard. On PostgreSQL row-level security keeps the row itself.
        """

        def remove(row: Any) -> None:
            collector = Collector(using="default")
            collector.collect([row])
            collector.delete()

        with pytest.raises(ScopeRequired), transaction.atomic():
            remove(at.b1)
        kept = connection.vendor == "postgresql"
        with scope(at.a):
            remove(at.b2)
        assert ("b2" in stored(at.Note, "name")) is kept
        with scope(at.a):
            remove(at.a1)
        assert [name for name in stored(at.Note, "name") if name != "b2"] == ["b1"]


@contextmanager
def tables(*made: Any) -> Iterator[None]:
    """Make the tables of models that no migration knows, for as long as the block runs."""
    with connection.schema_editor() as editor:
        for model in made:
            editor.create_model(model)
    try:
        yield
    finally:
        with connection.schema_editor() as editor:
            for model in reversed(made):
                editor.delete_model(model)


class TestOtherModels:
    """Models of a host that the suite's hosts do not have; ``widgets`` is what they say they are of."""

    @pytest.fixture
    def labelled(self, at: Any) -> Iterator[Any]:
        """What belongs to organizations, and loses its label when that is removed."""
        with isolate_apps("tests.hosts.full.widgets") as registry:

            class Label(models.Model):
                class Meta:
                    app_label = "widgets"

                def __str__(self) -> str:
                    return str(self.pk)

            class Labelled(OrganizationOwned):
                label = models.ForeignKey(Label, on_delete=models.SET_NULL, null=True)

                class Meta(OrganizationOwned.Meta):
                    app_label = "widgets"

                def __str__(self) -> str:
                    return str(self.pk)

            assert registry is not None
            registry.do_pending_operations(type(at.a))
        with tables(Label, Labelled):
            yield Label, Labelled

    def test_that_are_set_to_null(self, at: Any, labelled: Any) -> None:
        """SET_NULL changes the rows in scope; where others point there too, nothing is removed."""
        label_model, model = labelled
        shared, own = label_model.objects.create(), label_model.objects.create()
        for organization, label in ((at.a, shared), (at.b, shared), (at.a, own)):
            with scope(organization):
                model.objects.create(label=label)
        before = stored(model, "organization", "label")

        for remove in (own.delete, label_model.objects.filter(pk=own.pk).delete):
            with pytest.raises(ScopeRequired):
                remove()
        with scope(at.a), pytest.raises(IntegrityError):
            shared.delete()
        assert stored(model, "organization", "label") == before
        with scope(at.a):
            own.delete()
        with unscoped(reason="the twin"):
            shared.delete()
        assert {label for _, label in stored(model, "organization", "label")} == {None}

    @pytest.fixture
    def letter(self, at: Any) -> Iterator[Any]:
        """A note with a table of its own beside it, and a note by another name."""
        with isolate_apps("tests.hosts.full.widgets") as registry:

            class Letter(at.Note):  # type: ignore[misc]
                pages = models.PositiveIntegerField(default=1)

                class Meta(OrganizationOwned.Meta):
                    app_label = "widgets"

            class Reminder(at.Note):  # type: ignore[misc]
                class Meta:
                    app_label = "widgets"
                    proxy = True

            assert registry is not None
            registry.do_pending_operations(at.Note)
        with tables(Letter):
            yield Letter, Reminder
        del at.Note.letter

    def test_that_inherit_a_table(self, at: Any, letter: Any) -> None:
        """A child of a tenant-owned model is guarded by the column in its parent's table."""
        model, _ = letter
        for name, organization in (("a3", at.a), ("b3", at.b)):
            with scope(organization):
                assert model.objects.create(name=name, pages=3).organization_id == organization.pk
        theirs = _first(model, name="b3")
        queries: tuple[Callable[[], Any], ...] = (
            lambda: [each.name for each in model.objects.all()],
            lambda: [each.name for each in model._base_manager.filter(pages=3)],
            lambda: list(model.objects.filter(pages__gte=1).values_list("name", flat=True)),
        )
        for read in (
            *queries,
            model.objects.count,
            theirs.refresh_from_db,
            lambda: model.objects.update(pages=9),
        ):
            with pytest.raises(ScopeRequired):
                read()
        for remove in (theirs.delete, model.objects.filter(pages=3).delete, theirs.save):
            with pytest.raises(ScopeRequired):
                remove()
        with scope(at.a):
            assert [read() for read in queries] == [["a3"]] * 3
            assert model.objects.exclude(name="a3").count() == 0
            assert model.objects.update(pages=4) == 1
            assert model.objects.update(size=4) == 1
            for write in (
                theirs.delete,
                theirs.save,
                lambda: model.objects.create(name="x", organization=at.b),
            ):
                with pytest.raises(OutOfScope), transaction.atomic():
                    write()
            assert model.objects.filter(pages__gte=1).delete()[0] == 2
        assert stored(model, "name", "pages", "size") == [("b3", 3, 1)]

    def test_that_are_proxies(self, at: Any, letter: Any) -> None:
        """Another name for a tenant-owned model is guarded as the model is."""
        _, model = letter
        with pytest.raises(ScopeRequired):
            list(model.objects.all())
        with scope(at.a):
            assert {each.name for each in model.objects.all()} == {"a1", "a2"}
            with pytest.raises(OutOfScope):
                _first(model, name="b1").delete()
            assert model.objects.filter(reply_to__name="a1").update(size=2) == 1


def _first(model: Any, **named: Any) -> Any:
    with unscoped(reason="the test needs a row"):
        return model.objects.get(**named)
