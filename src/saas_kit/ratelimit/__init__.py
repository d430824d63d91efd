"""How often something may be tried, counted in the cache that all processes share."""

from saas_kit.ratelimit.limits import Limit, forget, hit, network_of

__all__ = ["Limit", "forget", "hit", "network_of"]
