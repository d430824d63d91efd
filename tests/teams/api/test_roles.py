"""Who may do what with teams and their members (I24, I25, I26, I38, T7)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api_fixtures import Operation, World, matrix_of, statuses_of
from tests.api_fixtures.catalog import TEAMS

MATRIX = matrix_of("""
                                     ano out vie mem lea adm own tar acm aca aco bow sup sta
GET    teams/                        401 200 200 200 200 200 200 200 200 200 200 200 200 200
POST   teams/                        401 400 403 403 403 201 201 403 400 201 201 400 400 201
GET    teams/{id}/                   401 404 200 200 200 200 200 200 404 200 200 404 404 200
PUT    teams/{id}/                   401 404 403 403 403 200 200 403 404 200 200 404 404 200
PATCH  teams/{id}/                   401 404 403 403 403 200 200 403 404 200 200 404 404 200
DELETE teams/{id}/                   401 404 403 403 403 204 204 403 404 204 204 404 404 204
POST   teams/{id}/restore/           401 404 403 403 403 200 200 403 404 200 200 404 404 200
GET    teams/{team_id}/members/      401 404 200 200 200 200 200 200 404 200 200 404 404 200
POST   teams/{team_id}/members/      401 404 403 403 201 201 201 403 404 201 201 404 404 201
GET    teams/{team_id}/members/{id}/ 401 404 200 200 200 200 200 200 404 200 200 404 404 200
PATCH  teams/{team_id}/members/{id}/ 401 404 403 403 200 200 200 403 404 200 200 404 404 200
DELETE teams/{team_id}/members/{id}/ 401 404 403 403 204 204 204 403 404 204 204 404 404 204
""")


@pytest.mark.parametrize("operation", TEAMS, ids=lambda operation: operation.name)
def test_status_for_each_caller(operation: Operation, world: World, caplog: Any) -> None:
    """I24, I26, I38, T7: each caller gets the status that is written down, and a refusal changes nothing."""
    expected = MATRIX[operation.name]

    assert statuses_of(operation, world, list(expected), caplog) == expected


def test_every_operation_is_in_the_matrix(operations: list[str]) -> None:
    """I24: an operation of teams without a written status fails here."""
    own = {name for name in operations if name.split()[1].startswith("teams/")}

    assert own == set(MATRIX) == {operation.name for operation in TEAMS}
