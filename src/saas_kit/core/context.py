"""Facts about the work at hand that lower apps may read without importing the app that knows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Self
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Scope:
    """
    What the work at hand may touch.

    Attributes:
        organization_ids: The keys of the organizations; None where every organization may be touched.
        reason: Why every organization may be touched; empty where not every one may.
        outer: The scope that it was set inside, and that comes back after it.
    """

    organization_ids: frozenset[UUID] | None
    reason: str = ""
    outer: Self | None = field(default=None, compare=False, repr=False)

    @property
    def only(self) -> UUID | None:
        """The one organization that it holds; None where it holds none, several or all."""
        if self.organization_ids is None or len(self.organization_ids) != 1:
            return None
        return next(iter(self.organization_ids))


request_id: ContextVar[str | None] = ContextVar("saas_kit_request_id", default=None)
"""The id of the request being answered, as in its ``X-Request-ID``."""

ip_address: ContextVar[str | None] = ContextVar("saas_kit_ip_address", default=None)
"""The address of the client that the request came from; behind proxies that are trusted, the one that they saw."""

organization_id: ContextVar[UUID | None] = ContextVar("saas_kit_organization_id", default=None)
"""The organization that the request was narrowed to."""

staff_access: ContextVar[bool] = ContextVar("saas_kit_staff_access", default=False)
"""Whether a permission of this request was granted to the caller as platform staff."""

scope: ContextVar[Scope | None] = ContextVar("saas_kit_scope", default=None)
"""The organizations that the work at hand may touch; ``saas_kit.tenancy.scope()`` sets it."""

actor_id: ContextVar[str | None] = ContextVar("saas_kit_actor_id", default=None)
"""The key, as text, of the person for whom the work at hand is done."""


@contextmanager
def fresh_context(*, request: str | None = None, ip: str | None = None) -> Iterator[None]:
    """Run the block with the given facts and nothing else; what was there before comes back after it."""
    tokens = (
        (request_id, request_id.set(request)),
        (ip_address, ip_address.set(ip)),
        (organization_id, organization_id.set(None)),
        (staff_access, staff_access.set(False)),
        (scope, scope.set(None)),
        (actor_id, actor_id.set(None)),
    )
    try:
        yield
    finally:
        for variable, token in tokens:
            variable.reset(token)  # type: ignore[arg-type]


@contextmanager
def without_scope() -> Iterator[None]:
    """Run the block without a scope to begin with; what was before comes back after it."""
    token = scope.set(None)
    try:
        yield
    finally:
        scope.reset(token)
