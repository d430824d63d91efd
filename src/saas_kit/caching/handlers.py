"""Django's default cache, once with the keys of tenants and once with shared ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from asgiref.local import Local
from django.core.cache import DEFAULT_CACHE_ALIAS, BaseCache, CacheHandler
from django.core.signals import request_finished, setting_changed
from django.utils.connection import ConnectionProxy

from saas_kit.caching.keys import shared_key, tenant_key


class KeyedCaches(CacheHandler):
    """
    The caches of ``CACHES``, with another function that makes their keys.

    Every backend makes each key with the ``KEY_FUNCTION`` that it is constructed with, so nothing that a cache can
    do needs to be known here.
    """

    def __init__(self, key_function: Callable[[object, str, int | str], str]) -> None:
        super().__init__()
        self._key_function = key_function
        request_finished.connect(self._close)
        setting_changed.connect(self._forget)

    def configure_settings(self, settings: Any) -> Any:
        configured = super().configure_settings(settings)
        return {
            alias: {**parameters, "KEY_FUNCTION": self._key_function}
            for alias, parameters in configured.items()
        }

    def _close(self, **kwargs: object) -> None:
        self.close_all()

    def _forget(self, *, setting: str, **kwargs: object) -> None:
        # tests change settings, as they do for Django's own handler
        if setting == "CACHES":
            self.close_all()
            self.__dict__.pop("settings", None)
            self._settings = None
            self._connections = Local()


tenant_cache = cast("BaseCache", ConnectionProxy(KeyedCaches(tenant_key), DEFAULT_CACHE_ALIAS))
"""
The default cache of ``CACHES``, seen by the one organization in scope.

It has the interface of ``django.core.cache.cache``. Where the scope does not hold exactly one organization, whatever
needs a key raises ``TenantRequired``. ``clear()`` needs none and empties the whole cache, for everybody.
"""

shared_cache = cast("BaseCache", ConnectionProxy(KeyedCaches(shared_key), DEFAULT_CACHE_ALIAS))
"""
The default cache of ``CACHES``, the same for every organization; what is in it must be no organization's.

It has the interface of ``django.core.cache.cache``.
"""
