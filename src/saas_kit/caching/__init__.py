"""Cache entries whose keys say whose they are: one organization's, or shared on purpose."""

from saas_kit.caching.exceptions import TenantRequired
from saas_kit.caching.handlers import shared_cache, tenant_cache
from saas_kit.caching.keys import shared_key, tenant_key

__all__ = ["TenantRequired", "shared_cache", "shared_key", "tenant_cache", "tenant_key"]
