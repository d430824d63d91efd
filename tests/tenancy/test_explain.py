"""Tenant-owned tables are found through the organization: 100,000 rows of 1,000 organizations, policies on."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from django.db import connection, transaction
from django.db.models import Count, F, Value
from django.test import Client
from django.test.utils import CaptureQueriesContext

from saas_kit.tenancy import scope, unscoped
from saas_kit.tenancy.guard import FIELD, owned_models

pytestmark = [pytest.mark.without_scope, pytest.mark.django_db]

ORGANIZATIONS, ROWS = 1000, 100_000
PER_ORGANIZATION = ROWS // ORGANIZATIONS
MINE = 25

# Rows of one organization stand apart, as they do that were added over time by all of them; where they stood together,
# which the join above them decided, to read all and sort them cost as little as to read them in order.
_FILL = """
INSERT INTO saas_kit_auth_user (id, password, is_superuser, is_staff, is_active, email, first_name,
    last_name, created_at, updated_at)
SELECT gen_random_uuid(), '!', false, false, true, 'person' || number || '@example.com', '', '', now(), now()
FROM generate_series(1, 1000) number;
INSERT INTO saas_kit_tenancy_account (id, created_at, updated_at, name, slug, status, metadata)
VALUES (gen_random_uuid(), now(), now(), 'Account', 'account', 'active', '{}');
INSERT INTO saas_kit_tenancy_organization
    (id, created_at, updated_at, name, slug, status, require_mfa, metadata, account_id)
SELECT gen_random_uuid(), now(), now(), 'Organization ' || number, 'organization-' || number, 'active', false, '{}',
    (SELECT id FROM saas_kit_tenancy_account)
FROM generate_series(1, %(organizations)s) number;
CREATE TEMPORARY TABLE organizations ON COMMIT DROP AS
    SELECT id, row_number() OVER () AS number FROM saas_kit_tenancy_organization;
CREATE TEMPORARY TABLE people ON COMMIT DROP AS
    SELECT id, row_number() OVER () - 1 AS number FROM saas_kit_auth_user;
INSERT INTO saas_kit_tenancy_membership (id, created_at, updated_at, organization_id, user_id, role)
SELECT gen_random_uuid(), now(), now(), organizations.id, people.id, 'member'
FROM organizations CROSS JOIN generate_series(0, %(mine)s - 1) own
JOIN people ON people.number = (organizations.number * 7 + own) %% 1000;
INSERT INTO widgets_widget (id, created_at, updated_at, name, size, organization_id)
SELECT gen_random_uuid(), now() - number * interval '1 minute', now(), 'Widget ' || number, number, organizations.id
FROM generate_series(1, %(rows)s / %(organizations)s) number, saas_kit_tenancy_organization organizations
ORDER BY number, organizations.id;
INSERT INTO saas_kit_teams_team (id, created_at, updated_at, organization_id, name, slug, description)
SELECT gen_random_uuid(), now(), now(), organizations.id, 'Team ' || number, 'team-' || number, ''
FROM generate_series(1, 5) number, saas_kit_tenancy_organization organizations;
INSERT INTO saas_kit_teams_teammembership (id, created_at, updated_at, organization_id, team_id, membership_id, role)
SELECT gen_random_uuid(), now(), now(), team.organization_id, team.id, membership.id, 'member'
FROM saas_kit_teams_team team JOIN LATERAL (
    SELECT id FROM saas_kit_tenancy_membership WHERE organization_id = team.organization_id LIMIT 4
) membership ON true;
"""


@dataclass(frozen=True)
class Plan:
    """How a statement was run."""

    nodes: list[dict[str, Any]]
    blocks: int

    @classmethod
    def read(cls, text: str) -> Plan:
        """Read what ``EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON)`` answers."""
        root = json.loads(text)[0]["Plan"]
        return cls(list(_below(root)), root["Shared Hit Blocks"] + root["Shared Read Blocks"])

    def scans(self, table: str) -> set[str]:
        """Return the ways in which a table was read."""
        kinds = {each["Node Type"] for each in self.nodes if each.get("Relation Name") == table} - {
            "ModifyTable"
        }
        # a bitmap is made by a node of its own, which names the index and not the table
        return {kind.replace("Bitmap Heap Scan", "Bitmap Index Scan") for kind in kinds}

    @property
    def sorted_rows(self) -> int:
        """The rows that were sorted, at most."""
        sorts = [each for each in self.nodes if each["Node Type"] in ("Sort", "Incremental Sort")]
        return max((each["Plans"][0]["Actual Rows"] for each in sorts), default=0)


def _below(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for each in node.get("Plans", []):
        yield from _below(each)


def explain(queryset: Any) -> Plan:
    """Run a query as it stands, and read its plan."""
    return Plan.read(queryset.explain(format="json", analyze=True, buffers=True))


@pytest.fixture(scope="module")
def person(django_db_setup: None, django_db_blocker: Any) -> Iterator[Any]:
    """Somebody in 25 of 1,000 organizations, which hold 100,000 widgets, and teams."""
    from django.contrib.auth import get_user_model

    with django_db_blocker.unblock(), transaction.atomic():
        _fill()
        yield get_user_model()._base_manager.get(email="person500@example.com")
        transaction.set_rollback(True)


@unscoped(reason="a test's rows")
def _fill() -> None:
    size = {"organizations": ORGANIZATIONS, "rows": ROWS, "mine": MINE}
    with connection.cursor() as cursor:
        for statement in _FILL.strip().split(";\n"):
            cursor.execute(statement, size)
        cursor.execute("ANALYZE")


@pytest.fixture(autouse=True)
def _constraints_unchecked(db: None) -> Iterator[None]:
    """Leave out what ends a test on PostgreSQL: the check of each of these rows' foreign keys."""
    yield
    transaction.set_rollback(True)


@pytest.fixture
def mine(person: Any) -> list[UUID]:
    """The organizations that the person is in."""
    from saas_kit.tenancy.models import Membership

    with unscoped(reason="a test"):
        found = list(Membership.objects.filter(user=person).values_list("organization_id", flat=True))
    assert len(found) == MINE
    return found


@pytest.mark.hosts("full")
@pytest.mark.postgresql
class TestQueries:
    """What a host's own code asks within a scope, and nothing more than that."""

    TABLE = "widgets_widget"

    @pytest.fixture
    def widgets(self, person: Any) -> Any:
        from tests.hosts.full.widgets.models import Widget

        return Widget.objects

    def test_policies_are_in_force(self, mine):
        """Without a scope, and with that of another, SQL of one's own finds nothing: the plans below have policies."""
        counts = []
        for around in (scope([]), scope(mine[0]), unscoped(reason="a test")):
            with around, connection.cursor() as cursor:
                cursor.execute(f"SELECT count(*) FROM {self.TABLE}")
                counts.append(cursor.fetchone()[0])

        assert counts == [0, PER_ORGANIZATION, ROWS]

    def test_list(self, widgets, mine):
        with scope(mine[0]):
            plan = explain(widgets.order_by("-id")[:26])

        assert plan.scans(self.TABLE) == {"Index Scan"}
        assert plan.sorted_rows == 0
        assert plan.blocks < 40

    def test_list_in_another_order(self, widgets, mine):
        """What no index gives is sorted, but only the organization's own rows."""
        with scope(mine[0]):
            plan = explain(widgets.order_by("created_at", "pk")[:26])

        assert plan.scans(self.TABLE) <= {"Index Scan", "Bitmap Index Scan"}
        assert plan.sorted_rows <= PER_ORGANIZATION
        assert plan.blocks < PER_ORGANIZATION + 20

    def test_row(self, widgets, mine):
        with scope(mine[0]):
            key = widgets.values_list("pk", flat=True)[0]
            plan = explain(widgets.filter(pk=key))

        assert plan.scans(self.TABLE) == {"Index Scan"}
        assert plan.blocks < 10

    def test_row_of_another(self, widgets, mine):
        with scope(mine[1]):
            key = widgets.values_list("pk", flat=True)[0]
        with scope(mine[0]):
            plan = explain(widgets.filter(pk=key))

        assert plan.nodes[0]["Actual Rows"] == 0
        assert plan.scans(self.TABLE) == {"Index Scan"}
        assert plan.blocks < 10

    def test_count(self, widgets, mine):
        """As the database runs ``count()``."""
        with scope(mine[0]):
            plan = explain(widgets.order_by().annotate(one=Value(1)).values("one").annotate(Count("pk")))

        assert plan.scans(self.TABLE) <= {"Index Scan", "Index Only Scan", "Bitmap Index Scan"}
        assert plan.blocks < PER_ORGANIZATION + 20

    def test_list_of_many_organizations(self, widgets, mine):
        """At most the rows of the 25 are looked at, and not those of the thousand."""
        with scope(mine):
            plan = explain(widgets.order_by("-id")[:26])

        assert plan.scans(self.TABLE) <= {"Index Scan", "Bitmap Index Scan"}
        assert plan.sorted_rows <= MINE * PER_ORGANIZATION
        assert plan.blocks < MINE * PER_ORGANIZATION + 100

    def test_list_of_all(self, widgets):
        """``unscoped()`` reads the newest by the primary key."""
        with unscoped(reason="a test"):
            plan = explain(widgets.order_by("-id")[:26])

        assert plan.scans(self.TABLE) == {"Index Scan"}
        assert plan.sorted_rows == 0
        assert plan.blocks < 40

    def test_change_and_removal(self, widgets, mine):
        """UPDATE and DELETE go the same way, as the database runs them."""
        with scope(mine[0]):
            key = widgets.values_list("pk", flat=True)[0]
            with CaptureQueriesContext(connection) as statements, transaction.atomic():
                widgets.filter(pk=key).update(size=F("size") + 1)
                widgets.filter(pk=key).purge()
                transaction.set_rollback(True)
            plans = [explain_statement(each) for each in touching(statements, self.TABLE)]

        assert len(plans) >= 2
        for plan in plans:
            assert plan.scans(self.TABLE) <= {"Index Scan"}
            assert plan.blocks < 60


def touching(statements: Any, table: str) -> list[str]:
    """Return the statements of a block that have to do with a table, without what they were sent with."""
    texts = [re.sub(r"^SET LOCAL [^;]*; ", "", each["sql"]) for each in statements]
    return [each for each in texts if re.match("SELECT|UPDATE|DELETE", each) and f'"{table}"' in each]


def explain_statement(statement: str) -> Plan:
    """Run a statement in the present scope, and read its plan."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}")
        plan = Plan.read(json.dumps(cursor.fetchone()[0]))
        transaction.set_rollback(True)
    return plan


@pytest.mark.hosts("full")
@pytest.mark.postgresql
class TestRequests:
    """What the API asks, in the scope that it asks in."""

    @pytest.fixture
    def plans_of(self, person: Any) -> Callable[..., list[Plan]]:
        from saas_kit.auth.services import open_session

        client = Client(headers={"Authorization": f"Bearer {open_session(person).access}"})

        def answer(path: str, table: str, within: Any, **headers: str) -> list[Plan]:
            with CaptureQueriesContext(connection) as statements:
                response = client.get(f"/api/v1/{path}", headers=headers)
            assert response.status_code == 200, response.content
            with scope(within):
                plans = [explain_statement(each) for each in touching(statements, table)]
            assert plans
            return plans

        return answer

    @pytest.mark.parametrize("order", ["", "?ordering=created_at", "?count=true"])
    def test_list_of_one_organization(self, plans_of, mine, order):
        plans = plans_of(f"widgets/{order}", "widgets_widget", mine[0], **{"X-Organization": str(mine[0])})

        for plan in plans:
            assert plan.scans("widgets_widget") <= {"Index Scan", "Index Only Scan", "Bitmap Index Scan"}
            assert plan.sorted_rows <= (PER_ORGANIZATION if "ordering" in order else MINE)
            assert plan.blocks < PER_ORGANIZATION + 150

    @pytest.mark.parametrize("order", ["", "?ordering=created_at", "?count=true"])
    def test_list_of_many_organizations(self, plans_of, mine, order):
        for plan in plans_of(f"widgets/{order}", "widgets_widget", mine):
            assert plan.scans("widgets_widget") <= {"Index Scan", "Index Only Scan", "Bitmap Index Scan"}
            assert plan.sorted_rows <= MINE * PER_ORGANIZATION
            assert plan.blocks < MINE * PER_ORGANIZATION + 250

    def test_row(self, plans_of, mine):
        from tests.hosts.full.widgets.models import Widget

        with scope(mine[0]):
            key = Widget.objects.values_list("pk", flat=True)[0]
        (plan,) = plans_of(f"widgets/{key}/", "widgets_widget", mine)

        assert plan.scans("widgets_widget") == {"Index Scan"}
        assert plan.blocks < 150

    def test_nested_list(self, plans_of, mine):
        """The members of a team: 4 of 20,000."""
        from saas_kit.teams.models import Team

        with scope(mine[0]):
            key = Team.objects.values_list("pk", flat=True)[0]
        *_, plan = plans_of(f"teams/{key}/members/", "saas_kit_teams_teammembership", mine[0])

        assert plan.scans("saas_kit_teams_teammembership") <= {"Index Scan", "Bitmap Index Scan"}
        assert plan.scans("saas_kit_teams_team") <= {"Index Scan"}
        assert plan.blocks < 150


class TestIndexes:
    def test_begin_with_the_organization(self):
        """Each tenant-owned table can be read one organization at a time, whatever database it is in."""
        from saas_kit.tenancy.policies import has_own_column

        without = []
        with connection.cursor() as cursor:
            for model in owned_models():
                if not (has_own_column(model) and model._meta.managed):
                    continue
                column = model._meta.get_field(FIELD).column
                constraints = connection.introspection.get_constraints(cursor, model._meta.db_table).values()
                indexes = [each for each in constraints if each["index"] or each["unique"]]
                if not any(each["columns"][:1] == [column] for each in indexes):
                    without.append(model._meta.label)

        assert without == []
