"""System checks of the cache that requests learn from who the caller is."""

from __future__ import annotations

import re

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as CheckWarning
from django.utils.module_loading import import_string

from saas_kit.auth.conf import AuthSettings

_REDIS = ("django.core.cache.backends.redis.RedisCache", "django_redis.cache.RedisCache")
_UNSHARED = (
    "django.core.cache.backends.locmem.LocMemCache",
    "django.core.cache.backends.dummy.DummyCache",
    "django.core.cache.backends.filebased.FileBasedCache",
    "django.core.cache.backends.db.DatabaseCache",
)
_SHARED = f'CACHES = {{"default": {{"BACKEND": "{_REDIS[0]}", "LOCATION": "redis://127.0.0.1:6379/0"}}}}'


def check_access_cache(**kwargs: object) -> list[CheckMessage]:
    """E020: a process that does not see what others remove from the cache goes on serving who was shut out."""
    if not AuthSettings.CACHE_ACCESS or not _default_cache_is(_UNSHARED):
        return []
    return [
        Error(
            f"SAAS_KIT_AUTH_CACHE_ACCESS is on, and {settings.CACHES['default']['BACKEND']} is no fast cache that all "
            "processes share.",
            hint=f"Set {_SHARED}, or SAAS_KIT_AUTH_CACHE_ACCESS = False.",
            id="saas_kit_auth.E020",
        )
    ]


def check_access_cache_replicas(**kwargs: object) -> list[CheckMessage]:
    """W020: replicas of Redis learn of a revocation late."""
    location = settings.CACHES["default"].get("LOCATION", "")
    servers = location if isinstance(location, list | tuple) else re.split("[;,]", location)
    if not AuthSettings.CACHE_ACCESS or len(servers) == 1 or not _default_cache_is(_REDIS):
        return []
    return [
        CheckWarning(
            "SAAS_KIT_AUTH_CACHE_ACCESS is on, and the cache is read from replicas, which learn of a revocation late.",
            hint=f"Name the primary alone in LOCATION, as in {_SHARED}.",
            id="saas_kit_auth.W020",
        )
    ]


def _default_cache_is(names: tuple[str, ...]) -> bool:
    cls = import_string(settings.CACHES["default"]["BACKEND"])
    return not {f"{each.__module__}.{each.__qualname__}" for each in cls.__mro__}.isdisjoint(names)


ALL = (check_access_cache,)
DEPLOY = (check_access_cache_replicas,)
