"""The guard on joins that start at models which belong to nobody, and what only row-level security hides."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.db import connection, models, transaction
from django.db.models import Count, Exists, F, FilteredRelation, OuterRef, Prefetch, Q

from saas_kit.tenancy import scope, unscoped
from saas_kit.tenancy.exceptions import ScopeRequired

pytestmark = [pytest.mark.without_scope, pytest.mark.django_db]


@pytest.fixture
def at(make_organization: Callable[..., Any]) -> Any:
    """Two organizations."""
    return SimpleNamespace(a=make_organization(), b=make_organization())


def all_of(rows: Any) -> list[Any]:
    """Iterate asynchronously."""

    async def collect() -> list[Any]:
        return [each async for each in rows]

    return async_to_sync(collect)()


class TestJoinsFromUnownedModels:
    """Queries that start at what belongs to nobody find what is joined to it within the scope only."""

    @pytest.fixture
    def teams(self, make_user: Any, make_organization: Any, make_membership: Any, make_team: Any) -> Any:
        """Somebody who leads a team of A and is a member of a team of B."""
        from saas_kit.teams.services import add_team_member
        from saas_kit.tenancy.models import Membership

        found = SimpleNamespace(a=make_organization(), b=make_organization(), person=make_user())
        for name, organization, role in (("a", found.a, "lead"), ("b", found.b, "member")):
            make_membership(organization, user=found.person)
            with scope(organization):
                team = make_team(f"Team {name}", organization=organization)
                add_team_member(team, found.person, role, actor=None)
        found.memberships = Membership.objects.filter(user=found.person)
        found.Membership = Membership
        return found

    READS: dict[str, tuple[Callable[[Any], Any], Any, Any]] = {
        "filter": (
            lambda at: at.memberships.filter(team_memberships__role="member").count(),
            0,
            1,
        ),
        "filter over two joins": (
            lambda at: at.memberships.filter(team_memberships__team__name__startswith="Team").count(),
            1,
            2,
        ),
        "exclude": (
            lambda at: at.memberships.exclude(team_memberships__role="member").count(),
            2,
            1,
        ),
        "without any": (lambda at: at.memberships.filter(team_memberships=None).count(), 1, 0),
        "order_by": (
            lambda at: len(at.memberships.order_by("team_memberships__team__name")),
            2,
            2,
        ),
        "annotate": (
            lambda at: sorted(
                at.memberships.annotate(n=Count("team_memberships")).values_list("n", flat=True)
            ),
            [0, 1],
            [1, 1],
        ),
        "values": (
            lambda at: set(at.memberships.values_list("team_memberships__team__name", flat=True)),
            {"Team a", None},
            {"Team a", "Team b"},
        ),
        "F": (
            lambda at: set(
                at.memberships.annotate(r=F("team_memberships__role")).values_list("r", flat=True)
            ),
            {"lead", None},
            {"lead", "member"},
        ),
        "aggregate": (
            lambda at: at.memberships.aggregate(n=Count("team_memberships__team")),
            {"n": 1},
            {"n": 2},
        ),
        "filtered relation": (
            lambda at: (
                at.memberships.annotate(
                    t=FilteredRelation("team_memberships", condition=~Q(team_memberships__role="x"))
                )
                .filter(t__isnull=False)
                .count()
            ),
            1,
            2,
        ),
        "Exists": (
            lambda at: at.memberships.filter(
                Exists(_team_memberships().filter(membership=OuterRef("pk")))
            ).count(),
            1,
            2,
        ),
        "in": (
            lambda at: at.memberships.filter(pk__in=_team_memberships().values("membership")).count(),
            1,
            2,
        ),
        "prefetched": (
            lambda at: sorted(
                len(each.team_memberships.all())
                for each in at.memberships.prefetch_related("team_memberships")
            ),
            [0, 1],
            [1, 1],
        ),
        "prefetched with a query set": (
            lambda at: sorted(
                len(each.team_memberships.all())
                for each in at.memberships.prefetch_related(
                    Prefetch("team_memberships", queryset=_team_memberships().select_related("team"))
                )
            ),
            [0, 1],
            [1, 1],
        ),
        "combined with |": (
            lambda at: (
                at.memberships.filter(team_memberships__role="member")
                | at.memberships.filter(team_memberships__role="lead")
            ).count(),
            1,
            2,
        ),
        "union": (
            lambda at: (
                at.memberships.filter(team_memberships__role="member")
                .union(at.memberships.filter(team_memberships__role="lead"))
                .count()
            ),
            1,
            2,
        ),
        "async": (
            lambda at: len(all_of(at.memberships.filter(team_memberships__role="member"))),
            0,
            1,
        ),
        "from organizations": (
            lambda at: (
                type(at.a).objects.filter(memberships__team_memberships__membership__user=at.person).count()
            ),
            1,
            2,
        ),
        "from accounts": (
            lambda at: (
                type(at.a.account)
                .objects.filter(organizations__memberships__team_memberships__role="member")
                .count()
            ),
            0,
            1,
        ),
        "from account memberships": (
            lambda at: (
                type(at.a.account.memberships.get())
                .objects.filter(account__organizations__memberships__team_memberships__role="member")
                .count()
            ),
            0,
            1,
        ),
    }

    @pytest.mark.parametrize(("read", "in_a", "of_all"), READS.values(), ids=READS)
    def test_reads(self, teams: Any, read: Callable[[Any], Any], in_a: Any, of_all: Any) -> None:
        """Without a scope they are refused; in one the row that is joined from stays, and what it joins is its own."""
        with pytest.raises(ScopeRequired, match="Team"):
            read(teams)
        with scope(teams.a):
            assert read(teams) == in_a
        with unscoped(reason="the twin"):
            assert read(teams) == of_all

    def test_what_joins_nothing_of_an_organization_needs_no_scope(self, teams: Any) -> None:
        """Who may have which scope is asked before there is one."""
        assert teams.memberships.select_related("organization__account", "user").count() == 2

    def test_update_by_what_is_joined(self, teams: Any) -> None:
        """A row is changed for what the scope holds of it."""
        chosen = teams.memberships.filter(team_memberships__role__in=["lead", "member"])
        with pytest.raises(ScopeRequired), transaction.atomic():
            chosen.update(role="viewer")
        with scope(teams.a):
            assert chosen.update(role="viewer") == 1
        assert teams.memberships.get(role="viewer").organization_id == teams.a.pk

    def test_from_a_model_of_somebody_else(self, teams: Any) -> None:
        """
        A limit: the guard does not see joins of a query that starts at a model whose manager is not the kit's.

        On PostgreSQL row-level security hides what is joined, with a scope and without.
        """
        plain: Any = models.QuerySet(teams.Membership).filter(user=teams.person)
        joined = plain.filter(team_memberships__role__in=["lead", "member"])
        if connection.vendor == "postgresql":
            assert joined.count() == 0
            with scope(teams.a):
                assert [each.organization_id for each in joined.all()] == [teams.a.pk]
        else:
            assert joined.count() == 2
        with unscoped(reason="the twin"):
            assert joined.count() == 2

    @pytest.mark.hosts("full")
    def test_from_a_model_of_the_host(self, at: Any) -> None:
        """The same limit for shipments, which are a host's own and hold widgets: PostgreSQL hides, SQLite does not."""
        from tests.hosts.full.widgets.models import Shipment, Widget

        widgets = []
        for organization in (at.a, at.b):
            with scope(organization):
                widgets.append(Widget.objects.create(name="w", size=5))
                Shipment.objects.create(widget=widgets[-1], address="here")
        reads: tuple[Callable[[], Any], ...] = (
            lambda: Shipment.objects.filter(widget__size=5).count(),
            lambda: len(Shipment.objects.select_related("widget")),
            lambda: Shipment.objects.values("widget__name").filter(widget__name="w").count(),
        )
        hides = connection.vendor == "postgresql"
        for read in reads:
            assert read() == (0 if hides else 2)
            with scope(at.a):
                assert read() == (1 if hides else 2)
            with unscoped(reason="the twin"):
                assert read() == 2
        # a query of its own is guarded, wherever it starts
        for found in (
            lambda: Shipment.objects.get(widget=widgets[0]).widget,
            lambda: list(Shipment.objects.prefetch_related("widget")),
        ):
            with pytest.raises(ScopeRequired, match="Widget"):
                found()


def _team_memberships() -> Any:
    from saas_kit.teams.models import TeamMembership

    return TeamMembership.objects.all()


class TestEmptyScope:
    def test_joins_nothing(self, make_team_membership: Any) -> None:
        """Somebody who is in no organization finds the rows that belong to nobody, and nothing joined to them."""
        from saas_kit.tenancy.models import Membership

        with unscoped(reason="test"):
            placed = make_team_membership(role="lead")
        memberships = Membership.objects.filter(pk=placed.membership_id)
        names = memberships.values_list("team_memberships__role", flat=True)

        with scope([]):
            assert list(names.all()) == [None]
            assert not memberships.filter(team_memberships__role="lead").exists()
        with scope(placed.organization_id):
            assert list(names.all()) == ["lead"]
