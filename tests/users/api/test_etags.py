"""Nobody overwrites what they have not seen: ``ETag`` and ``If-Match`` (I121)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.api_fixtures import ApiClient, World

# a path, a change, another change, and who may make them
CHANGES = [
    ("accounts/{id}/", {"name": "One"}, {"name": "Two"}, "account_owner"),
    ("organizations/{id}/", {"name": "One"}, {"name": "Two"}, "owner"),
    ("teams/{id}/", {"name": "One"}, {"name": "Two"}, "owner"),
    ("accounts/{account_id}/members/{id}/", {"role": "admin"}, {"role": "member"}, "account_owner"),
    ("organizations/{organization_id}/members/{id}/", {"role": "viewer"}, {"role": "admin"}, "owner"),
    ("teams/{team_id}/members/{id}/", {"role": "lead"}, {"role": "member"}, "owner"),
    pytest.param(
        "users/{id}/",
        {"last_name": "One"},
        {"last_name": "Two"},
        "target",
        marks=pytest.mark.hosts("full", "default_user"),
    ),
]


@pytest.mark.parametrize(("template", "change", "other", "caller"), CHANGES)
class TestIfMatch:
    """``If-Match`` lets a change through as long as nobody made another."""

    def test_present_version_is_changed(
        self, template: str, change: Any, other: Any, caller: str, world: World
    ) -> None:
        """I121: with the present ETag a change is made, and answers the ETag that the next read has."""
        client, path = world.client(caller), world.a.path(template)
        etag = client.get(path).headers["ETag"]

        changed = client.patch(path, change, If_Match=etag)

        assert changed.status_code == 200
        assert changed.json().items() >= change.items()
        assert changed.headers["ETag"] == client.get(path).headers["ETag"] != etag
        assert client.patch(path, other, If_Match=changed.headers["ETag"]).status_code == 200

    def test_stale_version_is_not(
        self, template: str, change: Any, other: Any, caller: str, world: World
    ) -> None:
        """I121: with an ETag from before another change it is 412 for every verb, and nothing happens."""
        client, path = world.client(caller), world.a.path(template)
        stale = client.get(path).headers["ETag"]
        assert client.patch(path, change).status_code == 200
        present = client.get(path).headers["ETag"]

        refused = client.patch(path, other, If_Match=stale)
        assert (refused.status_code, refused.json()["code"]) == (412, "stale")
        assert client.delete(path, If_Match=stale).status_code == 412
        if "members" not in template:
            assert client.put(path, {**client.get(path).json(), **other}, If_Match=stale).status_code == 412
        assert client.get(path).headers["ETag"] == present

    def test_any_version_and_lists_of_versions(
        self, template: str, change: Any, other: Any, caller: str, world: World
    ) -> None:
        """I121: ``*`` is whatever version there is, and a list has to hold the present one."""
        client, path = world.client(caller), world.a.path(template)
        etag = client.get(path).headers["ETag"]
        assert client.patch(path, {}, If_Match='"x"').status_code == 412
        assert client.patch(path, {}, If_Match=etag.strip('"')).status_code == 412
        assert client.patch(path, {}, If_Match=f'"x", {etag}').status_code == 200
        assert client.patch(path, change, If_Match="*").status_code == 200
        assert client.delete(path, If_Match="*").status_code == 204

    def test_refusals_come_first(
        self, template: str, change: Any, other: Any, caller: str, world: World
    ) -> None:
        """A stranger's stale ETag is 404, as their right one: 412 would tell that the object is there."""
        path = world.a.path(template)
        etag = world.client(caller).get(path).headers["ETag"]
        for value in (etag, '"x"', "*"):
            assert world.client("b_owner").patch(path, change, If_Match=value).status_code == 404
            assert world.client("b_owner").delete(path, If_Match=value).status_code == 404

    @pytest.mark.postgresql
    @pytest.mark.django_db(transaction=True)
    def test_one_of_ten_at_the_same_moment(
        self,
        template: str,
        change: Any,
        other: Any,
        caller: str,
        world: World,
        race: Callable[..., list[Any]],
    ) -> None:
        """I121: of ten changes at once with the same ETag exactly one is made, and nine are 412."""
        path = world.a.path(template)
        etag = world.client(caller).get(path).headers["ETag"]
        token = world.client(caller).token

        def act() -> int:
            return ApiClient(token).patch(path, change, If_Match=etag).status_code

        assert sorted(race(*[act] * 10)) == [200] + [412] * 9


@pytest.mark.parametrize(
    ("path", "body"),
    [("accounts/", {"name": "New"}), ("organizations/", {"name": "New"}), ("teams/", {"name": "New"})],
)
def test_what_was_created_has_the_etag_that_it_is_read_with(path: str, body: Any, world: World) -> None:
    """I121: the answer to a POST carries the ETag of the new object."""
    caller = "b_owner"
    made = world.client(caller).post(path, body)
    assert made.status_code == 201, made.content
    assert made.headers["ETag"] == world.client(caller).get(f"{path}{made.json()['id']}/").headers["ETag"]


def test_answers_are_nobody_else_s_to_keep(world: World) -> None:
    """I115: what somebody may see is not to be stored by others."""
    for path in ("accounts/", "organizations/", "teams/", "users/", "auth/me/"):
        assert world.client("owner").get(path).headers["Cache-Control"] == "private, no-store"
