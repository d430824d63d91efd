"""Who may do what with accounts, organizations and their members (I24, I25, I26, I38, T7)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api_fixtures import Operation, World, matrix_of, statuses_of
from tests.api_fixtures.catalog import TENANCY

MATRIX = matrix_of("""
                                                     ano out vie mem lea adm own tar acm aca aco bow sup sta
GET    accounts/                                     401 200 200 200 200 200 200 200 200 200 200 200 200 200
POST   accounts/                                     401 201 201 201 201 201 201 201 201 201 201 201 201 201
GET    accounts/{id}/                                401 404 404 404 404 404 404 404 200 200 200 404 404 200
PUT    accounts/{id}/                                401 404 404 404 404 404 404 404 403 200 200 404 404 200
PATCH  accounts/{id}/                                401 404 404 404 404 404 404 404 403 200 200 404 404 200
DELETE accounts/{id}/                                401 404 404 404 404 404 404 404 403 403 204 404 404 204
POST   accounts/{id}/restore/                        401 404 404 404 404 404 404 404 403 403 200 404 404 200
POST   accounts/{id}/transfer/                       401 404 404 404 404 404 404 404 403 403 200 404 404 200
GET    accounts/{account_id}/members/                401 404 404 404 404 404 404 404 200 200 200 404 404 200
POST   accounts/{account_id}/members/                401 404 404 404 404 404 404 404 403 201 201 404 404 201
GET    accounts/{account_id}/members/{id}/           401 404 404 404 404 404 404 404 200 200 200 404 404 200
PATCH  accounts/{account_id}/members/{id}/           401 404 404 404 404 404 404 404 403 200 200 404 404 200
DELETE accounts/{account_id}/members/{id}/           401 404 404 404 404 404 404 404 403 204 204 404 404 204
GET    organizations/                                401 200 200 200 200 200 200 200 200 200 200 200 200 200
POST   organizations/                                401 400 400 400 400 400 400 400 403 201 201 400 400 201
GET    organizations/{id}/                           401 404 200 200 200 200 200 200 404 200 200 404 404 200
PUT    organizations/{id}/                           401 404 403 403 403 200 200 403 404 200 200 404 404 200
PATCH  organizations/{id}/                           401 404 403 403 403 200 200 403 404 200 200 404 404 200
DELETE organizations/{id}/                           401 404 403 403 403 403 204 403 404 403 204 404 404 204
POST   organizations/{id}/restore/                   401 404 403 403 403 403 200 403 404 403 200 404 404 200
POST   organizations/{id}/leave/                     401 404 204 204 204 204 409 204 404 409 409 404 404 409
GET    organizations/{organization_id}/members/      401 404 200 200 200 200 200 200 404 200 200 404 404 200
POST   organizations/{organization_id}/members/      401 404 403 403 403 201 201 403 404 201 201 404 404 201
GET    organizations/{organization_id}/members/{id}/ 401 404 200 200 200 200 200 200 404 200 200 404 404 200
PATCH  organizations/{organization_id}/members/{id}/ 401 404 403 403 403 200 200 403 404 200 200 404 404 200
DELETE organizations/{organization_id}/members/{id}/ 401 404 403 403 403 204 204 403 404 204 204 404 404 204
GET    organizations/{organization_id}/domains/      401 404 403 403 403 200 200 403 404 200 200 404 404 200
POST   organizations/{organization_id}/domains/      401 404 403 403 403 201 201 403 404 201 201 404 404 201
GET    organizations/{organization_id}/domains/{id}/ 401 404 403 403 403 200 200 403 404 200 200 404 404 200
PATCH  organizations/{organization_id}/domains/{id}/ 401 404 403 403 403 200 200 403 404 200 200 404 404 200
DELETE organizations/{organization_id}/domains/{id}/ 401 404 403 403 403 204 204 403 404 204 204 404 404 204
POST   organizations/{organization_id}/domains/{id}/verify/ 401 404 403 403 403 200 200 403 404 200 200 404 404 200
GET    organizations/joinable/                       401 200 200 200 200 200 200 200 200 200 200 200 200 200
POST   organizations/{organization_id}/join/         401 201 409 409 409 409 409 409 404 404 404 404 404 404
GET    organizations/{organization_id}/invitations/  401 404 403 403 403 200 200 403 404 200 200 404 404 200
POST   organizations/{organization_id}/invitations/  401 404 403 403 403 201 201 403 404 201 201 404 404 201
GET    organizations/{organization_id}/invitations/{id}/ 401 404 403 403 403 200 200 403 404 200 200 404 404 200
DELETE organizations/{organization_id}/invitations/{id}/ 401 404 403 403 403 204 204 403 404 204 204 404 404 204
POST   organizations/{organization_id}/invitations/{id}/resend/ 401 404 403 403 403 200 200 403 404 200 200 404 404 200
POST   organizations/{organization_id}/invitations/bulk/ 401 404 403 403 403 200 200 403 404 200 200 404 404 200
GET    permissions/                                  401 200 200 200 200 200 200 200 200 200 200 200 200 200
""")


@pytest.mark.parametrize("operation", TENANCY, ids=lambda operation: operation.name)
def test_status_for_each_caller(operation: Operation, world: World, caplog: Any) -> None:
    """I24, I26, I38, T7: each caller gets the status that is written down, and a refusal changes nothing."""
    expected = MATRIX[operation.name]

    assert statuses_of(operation, world, list(expected), caplog) == expected


def test_every_operation_is_in_the_matrix(operations: list[str]) -> None:
    """I24: an operation of accounts, organizations or permissions without a written status fails here."""
    prefixes = ("accounts/", "organizations/", "permissions/")
    own = {name for name in operations if name.split()[1].startswith(prefixes)}

    assert own == set(MATRIX) == {operation.name for operation in TENANCY}
