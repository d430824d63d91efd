"""What can be wrong with a cache key."""

from __future__ import annotations

from saas_kit.core.context import Scope


class TenantRequired(RuntimeError):
    """
    The key of a tenant's cache entry was asked for where the scope does not hold exactly one organization.

    It is a mistake in the program, not something a client can do wrong: over HTTP it is a 500.
    """

    def __init__(self, scope: Scope | None) -> None:
        if scope is None:
            found = "there is no scope"
        elif scope.organization_ids is None:
            found = "every organization is in scope"
        else:
            found = f"{len(scope.organization_ids)} are in scope"
        super().__init__(
            f"The key of a tenant's cache entry needs one organization, and {found}. "
            "Use scope(organization), or shared_cache for what is no tenant's."
        )
