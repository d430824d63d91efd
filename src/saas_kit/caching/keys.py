"""
The one pattern of keys: ``<prefix>:<version>:t:<organization>:<key>`` or ``<prefix>:<version>:g:<key>``.

Both functions can be the ``KEY_FUNCTION`` of an entry of ``CACHES``. The key comes last, so that no text in it can
make it another organization's.
"""

from __future__ import annotations

from saas_kit.caching.exceptions import TenantRequired
from saas_kit.core import context


def tenant_key(key: object, key_prefix: str, version: int | str) -> str:
    """
    Return the key of an entry that belongs to the one organization in scope.

    Raises:
        TenantRequired: The scope does not hold exactly one.
    """
    found = context.scope.get()
    organization_id = None if found is None else found.only
    if organization_id is None:
        raise TenantRequired(found)
    return f"{key_prefix}:{version}:t:{organization_id}:{key}"


def shared_key(key: object, key_prefix: str, version: int | str) -> str:
    """Return the key of an entry that belongs to no organization, whatever the scope is."""
    return f"{key_prefix}:{version}:g:{key}"
