"""Facts about the work at hand that lower apps may read without importing the app that knows them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID

request_id: ContextVar[str | None] = ContextVar("saas_kit_request_id", default=None)
"""The id of the request being answered, as in its ``X-Request-ID``."""

ip_address: ContextVar[str | None] = ContextVar("saas_kit_ip_address", default=None)
"""The address that the request came from."""

organization_id: ContextVar[UUID | None] = ContextVar("saas_kit_organization_id", default=None)
"""The organization that the request was narrowed to."""

staff_access: ContextVar[bool] = ContextVar("saas_kit_staff_access", default=False)
"""Whether a permission of this request was granted to the caller as platform staff."""


@contextmanager
def fresh_context(*, request: str | None = None, ip: str | None = None) -> Iterator[None]:
    """Run the block with the given facts and nothing else; what was there before comes back after it."""
    tokens = (
        (request_id, request_id.set(request)),
        (ip_address, ip_address.set(ip)),
        (organization_id, organization_id.set(None)),
        (staff_access, staff_access.set(False)),
    )
    try:
        yield
    finally:
        for variable, token in tokens:
            variable.reset(token)  # type: ignore[arg-type]
