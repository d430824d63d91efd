"""
What tests of the API share: people with real tokens, two customers, and what each may reach.

It is a plugin of pytest, for its fixtures.
"""

from __future__ import annotations

from tests.api_fixtures.clients import ApiClient, client_for
from tests.api_fixtures.operations import Operation, matrix_of, operations, schema, statuses_of
from tests.api_fixtures.rows import reference, rolled_back, rows
from tests.api_fixtures.world import Tenant, World, _built, world

__all__ = [
    "ApiClient",
    "Operation",
    "Tenant",
    "World",
    "_built",
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
