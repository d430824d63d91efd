"""What tests of the API share: people with real tokens, two customers, and what each may reach."""

from __future__ import annotations

from tests.api_fixtures.clients import ApiClient, client_for
from tests.api_fixtures.operations import Operation, matrix_of, operations, schema, statuses_of
from tests.api_fixtures.rows import reference, rolled_back, rows
from tests.api_fixtures.world import Tenant, World, world

__all__ = [
    "ApiClient",
    "Operation",
    "Tenant",
    "World",
    "client_for",
    "matrix_of",
    "operations",
    "reference",
    "rolled_back",
    "rows",
    "schema",
    "statuses_of",
    "world",
]
