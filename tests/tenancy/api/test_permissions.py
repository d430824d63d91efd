"""Permissions over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from saas_kit.core.permissions import registered
from tests.api_fixtures import ApiClient


@pytest.fixture
def client(make_user: Callable[..., Any], client_for: Callable[..., ApiClient]) -> ApiClient:
    """Somebody's client."""
    return client_for(make_user())


def _codenames(response: Any) -> list[str]:
    assert response.status_code == 200, response.content
    return [row["codename"] for row in response.json()["results"]]


def test_all_are_on_one_page(client: ApiClient) -> None:
    """Every registered permission, in the shape of a list; counted for who asks."""
    page = client.get("permissions/").json()
    assert page.keys() == {"next", "previous", "results"}
    assert [row["codename"] for row in page["results"]] == [each.codename for each in registered()]
    assert client.get("permissions/", count="true").json() == {**page, "count": len(page["results"])}
    assert client.get("permissions/", count="false").json() == page


def test_search(client: ApiClient) -> None:
    """I11: every word has to be in the codename or the label, whatever its case."""
    assert "saas_kit_tenancy.manage_members" in _codenames(
        client.get("permissions/", search="MANAGE_members")
    )
    found = client.get("permissions/", search="tenancy members", count="true").json()
    assert 0 < found["count"] == len(found["results"]) < len(registered())
    assert all("tenancy" in row["codename"] for row in found["results"])
    label = registered()[0].label
    assert registered()[0].codename in _codenames(client.get("permissions/", search=str(label).upper()))
    assert _codenames(client.get("permissions/", search="no such words")) == []


@pytest.mark.parametrize("name", ["cuont", "page_size", "cursor", "ordering", "level", "format"])
def test_unknown_parameters_are_refused(client: ApiClient, name: str) -> None:
    """I10, I11: what the list does not document is 400, so that a typo never returns everything."""
    refused = client.get("permissions/", **{name: "1"})
    assert refused.status_code == 400
    assert [(each["field"], each["code"]) for each in refused.json()["errors"]] == [
        (name, "unknown_parameter")
    ]


@pytest.mark.parametrize(
    ("name", "value"), [("count", "maybe"), ("count", ""), ("search", "\x00"), ("search", "x" * 201)]
)
def test_bad_values_are_refused(client: ApiClient, name: str, value: str) -> None:
    """I120: a value that a parameter cannot have is 400."""
    refused = client.get("permissions/", **{name: value})
    assert refused.status_code == 400
    assert [(each["field"], each["code"]) for each in refused.json()["errors"]] == [(name, "invalid")]
