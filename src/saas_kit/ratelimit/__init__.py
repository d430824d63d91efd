"""How often something may be tried, counted in the cache that all processes share."""

from saas_kit.ratelimit.limits import Limit, forget, hit, network_of
from saas_kit.ratelimit.tables import LimitTable, network

__all__ = ["Limit", "LimitTable", "forget", "hit", "network", "network_of"]
