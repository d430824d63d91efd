"""A value that a filter cannot have is 400: it never returns everything, and is never an error of the server."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api_fixtures import World


@pytest.mark.parametrize("value", ["maybe", "", "1", "0", "TRUE", "yes", "null", "\x00"])
def test_is_active_is_true_or_false(world: World, value: str) -> None:
    """I11: any other word is 400 on the parameter; both words find what they say."""
    owner = world.client("owner")

    refused = owner.request("GET", "users/", query={"is_active": value})

    assert refused.status_code == 400
    assert refused.json()["errors"] == [
        {"field": "is_active", "code": "invalid", "detail": "Enter true or false."}
    ]
    everybody = owner.ids("users/")
    active, inactive = owner.ids("users/", is_active="true"), owner.ids("users/", is_active="false")
    assert active
    assert (active | inactive, active & inactive) == (everybody, set())


@pytest.mark.parametrize(
    "value", ["99999999999999999999", "-99999999999999999999", "1e40", "1.5", "nan", "x"]
)
def test_member_is_a_key(world: World, value: Any) -> None:
    """I11, I120: what cannot be the key of a person is 400, whatever keys the host's people have."""
    owner, person = world.client("owner"), world.a.person

    refused = owner.request("GET", "teams/", query={"member": value})

    assert refused.status_code == 400
    assert refused.json()["errors"][0]["field"] == "member"
    assert owner.ids("teams/", member=person.pk) == {str(world.a.team.pk)}


@pytest.mark.hosts("default_user")
@pytest.mark.parametrize("value", ["9223372036854775807", "0", "-1"])
def test_member_that_there_is_not(world: World, value: str) -> None:
    """A number of 64 bits that is nobody's key finds nothing."""
    assert world.client("owner").ids("teams/", member=value) == set()
