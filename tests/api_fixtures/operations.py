"""The operations of the API, and who may call them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from django.core import mail
from django.test import override_settings

from tests.api_fixtures.clients import PREFIX
from tests.api_fixtures.rows import rolled_back, rows
from tests.api_fixtures.world import World

CALLERS = {
    "ano": "anon",
    "out": "outsider",
    "vie": "viewer",
    "mem": "member",
    "lea": "lead",
    "adm": "admin",
    "own": "owner",
    "tar": "target",
    "acm": "account_member",
    "aca": "account_admin",
    "aco": "account_owner",
    "bow": "b_owner",
    "sup": "superuser",
    "sta": "staff",
}
"""The callers of a matrix: what its columns are headed by, and who that is in the world."""


@dataclass(frozen=True)
class Operation:
    """
    A method of a path, and what to call it with.

    Attributes:
        name: The method and the path's template, as in the schema.
        body: Makes a body that is good where the caller may do it; None of no body.
        prepare: What has to be so before the call.
    """

    name: str
    body: Callable[[World], Any] | None = None
    prepare: Callable[[World], Any] | None = None

    @property
    def method(self) -> str:
        return self.name.split()[0]

    @property
    def template(self) -> str:
        return self.name.split()[1]

    def call(self, world: World, caller: str, **arguments: Any) -> Any:
        """Call it as somebody, on the first customer's objects unless a path is given."""
        path = arguments.pop("path", None) or world.a.path(self.template)
        body = self.body(world) if self.body else None
        return world.client(caller).request(self.method, path, arguments.pop("body", body), **arguments)


@cache
def schema() -> dict[str, Any]:
    """Return the OpenAPI document."""
    from drf_spectacular.generators import SchemaGenerator

    return SchemaGenerator().get_schema(request=None, public=True)


@pytest.fixture
def operations() -> list[str]:
    """Every operation of the OpenAPI document, as ``METHOD path``; the path is the one below the prefix."""
    return [
        f"{method.upper()} {path.removeprefix(PREFIX)}"
        for path, methods in schema()["paths"].items()
        for method in methods
    ]


def matrix_of(table: str) -> dict[str, dict[str, int]]:
    """Return a written table of statuses: for each operation the status for each caller."""
    header, *lines = [line.split() for line in table.strip().splitlines()]
    callers = [CALLERS[code] for code in header]
    matrix = {}
    for method, path, *statuses in lines:
        matrix[f"{method} {path}"] = dict(zip(callers, map(int, statuses), strict=True))
    return matrix


def statuses_of(operation: Operation, world: World, callers: list[str], caplog: Any) -> dict[str, int]:
    """
    Call an operation as everybody in turn, each on the same state, and return the statuses.

    What is refused must leave every row as it was, and a refusal by policy one line in the log.
    """
    found = {}
    for caller in callers:
        world.client(caller)
        with rolled_back(), override_settings(SAAS_KIT_TENANCY_STAFF_ACCESS=caller == "staff"):
            if operation.prepare:
                operation.prepare(world)
            before = rows()
            caplog.clear()
            with caplog.at_level(logging.WARNING, logger="saas_kit.security"):
                status = found[caller] = operation.call(world, caller).status_code
            denials = [each for each in caplog.records if each.name == "saas_kit.security"]
            assert len(denials) == (status in (403, 404)), f"{caller}: {denials}"
            if status >= 400:
                assert rows() == before, f"{caller} was answered {status}, and something changed"
                assert mail.outbox == [], f"{caller} was answered {status}, and a mail was sent"
    return found
