"""What somebody who looked for holes found, and what closed them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from saas_kit.core.deletion import _remove, purge
from saas_kit.teams.models import Team
from saas_kit.teams.services import delete_team
from saas_kit.tenancy.models import Account, Status, get_organization_model
from saas_kit.tenancy.services import delete_organization, restore_organization, set_organization_status

pytestmark = pytest.mark.django_db


class TestPeople:
    """I7: the id of somebody else's member is answered like one that nobody has."""

    @pytest.mark.parametrize("rest", [{}, {"role": "nope"}, {"role": "member", "zz": 1}, {"role": "member"}])
    @pytest.mark.parametrize("place", ["organization", "account", "team"])
    def test_stranger_is_answered_like_nobody(
        self, place: str, rest: dict[str, Any], make_team: Any, make_membership: Any, client_for: Any
    ) -> None:
        """Whatever else is wrong with the body, the answers are the same."""
        team = make_team()
        organization = team.organization
        owner = organization.account.memberships.get(role="owner").user
        stranger = make_membership().user
        path = {
            "organization": f"organizations/{organization.pk}/members/",
            "account": f"accounts/{organization.account_id}/members/",
            "team": f"teams/{team.pk}/members/",
        }[place]
        nobody = 987654321 if isinstance(stranger.pk, int) else str(uuid4())
        client = client_for(owner)

        known = client.post(path, {"user": _key(stranger), **rest})
        unknown = client.post(path, {"user": nobody, **rest})

        assert known.status_code == unknown.status_code == 400
        assert known.json()["errors"] == unknown.json()["errors"]
        assert "user" in {error["field"] for error in known.json()["errors"]}


def test_names_that_differ_in_case_only_are_one(make_team: Any, client_for: Any) -> None:
    """A letter that upper case folds into another, and lower case does not, is no server error."""
    team = make_team()
    client = client_for(team.organization.account.memberships.get(role="owner").user)
    body = {"organization": str(team.organization_id), "name": "k"}

    assert client.post("teams/", body).status_code == 201
    kelvin = client.post("teams/", {**body, "name": "\u212a"})

    assert kelvin.status_code in (201, 400)  # SQLite knows the case of ASCII only
    if kelvin.status_code == 400:
        assert [(error["field"], error["code"]) for error in kelvin.json()["errors"]] == [("name", "unique")]


class TestRestore:
    def test_ends_with_the_retention_time(self, make_team: Any, client_for: Any, settings: Any) -> None:
        """What was deleted longer ago is not found; the day before it is."""
        team = make_team()
        client = client_for(team.organization.account.memberships.get(role="owner").user)
        delete_team(team, actor=None)
        Team.all_objects.filter(pk=team.pk).update(deleted_at=timezone.now() - timedelta(days=20))

        settings.SAAS_KIT_TENANCY_RETENTION_DAYS = 19
        assert client.post(f"teams/{team.pk}/restore/").status_code == 404

        settings.SAAS_KIT_TENANCY_RETENTION_DAYS = 21
        assert client.post(f"teams/{team.pk}/restore/").status_code == 200

    def test_changes_nothing_in_a_suspended_organization(self, make_team: Any, client_for: Any) -> None:
        """A team comes back once its organization may be changed again."""
        team = make_team()
        client = client_for(team.organization.account.memberships.get(role="owner").user)
        delete_team(team, actor=None)
        set_organization_status(team.organization, Status.SUSPENDED, actor=None)

        refused = client.post(f"teams/{team.pk}/restore/")
        assert (refused.status_code, refused.json()["code"]) == (403, "suspended")

        set_organization_status(team.organization, Status.ACTIVE, actor=None)
        assert client.post(f"teams/{team.pk}/restore/").status_code == 200


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
class TestRaces:
    def test_purge_leaves_what_was_restored_meanwhile(self, make_organization: Any) -> None:
        """The rows are looked at again under the lock, so nothing alive is removed."""
        organization = make_organization()
        delete_organization(organization, actor=None)
        model = get_organization_model()
        due = model.all_objects.filter(deleted_at__lt=timezone.now() + timedelta(days=1))
        keys = list(due.values_list("pk", flat=True))
        restore_organization(model.all_objects.get(pk=organization.pk), actor=None)

        assert _remove(due, keys) == 0
        assert model.objects.filter(pk=organization.pk).exists()
        batches = purge(Account, deleted_before=timezone.now(), batch_size=10)
        assert list(batches) == []

    def test_versions_do_not_make_deadlocks(
        self, make_team: Any, client_for: Any, race: Callable[..., list[Any]]
    ) -> None:
        """A change under If-Match and one without wait for each other in one order."""
        team = make_team()
        owner = team.organization.account.memberships.get(role="owner").user
        first, second = client_for(owner), client_for(owner)
        path = f"teams/{team.pk}/"

        for number in range(15):
            statuses = [
                answer.status_code
                for answer in race(
                    lambda n=number: first.patch(path, {"name": f"a{n}"}, If_Match="*"),
                    lambda n=number: second.patch(path, {"name": f"b{n}"}),
                )
            ]
            assert statuses == [200, 200]


def _key(user: Any) -> Any:
    return user.pk if isinstance(user.pk, int) else str(user.pk)
