"""Who may do what with people (I24, I25, I26, I38, T7), and what anybody may do without signing in."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api_fixtures import ApiClient, Operation, World, matrix_of, statuses_of
from tests.api_fixtures.catalog import PUBLIC, USERS

MATRIX = matrix_of("""
                   ano out vie mem lea adm own tar acm aca aco bow sup sta
GET    users/      401 200 200 200 200 200 200 200 200 200 200 200 200 200
POST   users/      401 400 403 403 403 201 201 403 400 201 201 400 400 201
GET    users/{id}/ 401 404 200 200 200 200 200 200 404 200 200 404 404 200
PUT    users/{id}/ 401 404 403 403 403 403 403 200 404 403 403 404 404 200
PATCH  users/{id}/ 401 404 403 403 403 403 403 200 404 403 403 404 404 200
DELETE users/{id}/ 401 404 403 403 403 403 403 204 404 403 403 404 404 204
""")

TABLES = ("accounts/", "organizations/", "invitations/", "permissions/", "teams/", "users/", "auth/")


@pytest.mark.parametrize("operation", USERS, ids=lambda operation: operation.name)
def test_status_for_each_caller(operation: Operation, world: World, caplog: Any) -> None:
    """I24, I26, I38, T7: each caller gets the status that is written down, and a refusal changes nothing."""
    expected = MATRIX[operation.name]

    assert statuses_of(operation, world, list(expected), caplog) == expected


def test_every_operation_is_in_the_matrix(operations: list[str]) -> None:
    """I24: an operation of people without a written status fails here, as does a path that no table is about."""
    own = {name for name in operations if name.split()[1].startswith("users/")}

    assert own == set(MATRIX) == {operation.name for operation in USERS}
    assert not [name for name in operations if not name.split()[1].startswith(TABLES)]


def test_what_is_not_public_needs_somebody_signed_in(world: World, operations: list[str]) -> None:
    """I25: without a token everything is 401 with a challenge, but for what is public."""
    statuses = {}
    for name in operations:
        response = Operation(name).call(world, "anon")
        statuses[name] = response.status_code
        if name not in PUBLIC:
            assert response.headers["WWW-Authenticate"] == "Bearer", name
            assert response.headers["Content-Type"] == "application/problem+json", name

    assert {name: status for name, status in statuses.items() if status != 401} == PUBLIC


@pytest.mark.parametrize(
    "token",
    ["", "x", "a.b.c", "Bearer", "\x00", "é"],
    ids=["empty", "letter", "dots", "word", "nul", "accent"],
)
def test_what_is_no_token_opens_nothing(world: World, operations: list[str], token: str) -> None:
    """I25: what is no token of ours is answered as no token is: 401."""
    stranger = ApiClient()
    for name in set(operations) - set(PUBLIC):
        method, template = name.split()
        path = world.a.path(template)
        response = stranger.request(method, path, headers={"Authorization": f"Bearer {token}"})
        assert response.status_code == 401, name
