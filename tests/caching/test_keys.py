"""Cache entries are one organization's, or shared on purpose; a key never leaves that open."""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from contextlib import nullcontext
from pathlib import Path
from threading import Barrier, Thread
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.conf import settings as django_settings
from django.core.cache import BaseCache, caches
from django.http import HttpResponse
from django.template import engines
from django.test import RequestFactory
from django.views.decorators.cache import cache_page

import saas_kit
from saas_kit.caching import TenantRequired, shared_cache, tenant_cache
from saas_kit.tenancy import scope, unscoped

pytestmark = pytest.mark.without_scope

PACKAGE = Path(saas_kit.__file__).parent
UUID_TEXT = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
PATTERN = re.compile(
    rf"(?P<prefix>[\w.-]*):(?P<version>\d+):(?:g|t:(?P<tenant>{UUID_TEXT})):(?P<key>.+)", re.DOTALL
)

A, B = UUID("01920000-0000-7000-8000-00000000000a"), UUID("01920000-0000-7000-8000-00000000000b")

VALUES = {"key": "count", "keys": ["count"], "data": {"count": 1}, "value": 1, "default": 1}
NO_KEY = {"clear", "aclear", "close", "aclose", "get_backend_timeout", "validate_key"}
ROUTES = sorted(
    name
    for name, function in inspect.getmembers(BaseCache, inspect.isfunction)
    if not name.startswith("_") and name not in NO_KEY
)
NOT_ONE = {
    "nothing": nullcontext,
    "none": lambda: scope([]),
    "two": lambda: scope([A, B]),
    "all": lambda: unscoped(reason="a test"),
}


@pytest.fixture(autouse=True)
def _own_cache(settings: Any) -> None:
    """A prefix of the test's own, and an alias whose keys carry the tenant for what takes an alias."""
    default = {**settings.CACHES["default"], "KEY_PREFIX": f"test-{uuid4().hex}"}
    tenants = {**default, "KEY_FUNCTION": "saas_kit.caching.tenant_key"}
    shared = {**default, "KEY_FUNCTION": "saas_kit.caching.shared_key"}
    settings.CACHES = {"default": shared, "tenants": tenants}


def call(cache: Any, route: str) -> Any:
    """Call a method of a cache with arguments by their names, and wait for what it returns."""
    parameters = inspect.signature(getattr(BaseCache, route)).parameters.values()
    named = {
        each.name: VALUES[each.name]
        for each in parameters
        if each.name in ("key", "keys", "data") or (each.name in VALUES and each.default is each.empty)
    }
    result = getattr(cache, route)(**named)
    return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result


async def _awaited(value: Any) -> Any:
    return await value


class TestOneOrganization:
    @pytest.mark.parametrize("route", ROUTES)
    @pytest.mark.parametrize("around", NOT_ONE.values(), ids=NOT_ONE)
    def test_is_needed_by_whatever_takes_a_key(self, around, route):
        """I111: without exactly one organization in scope there is no key, on any way to the cache."""
        with around(), pytest.raises(TenantRequired):
            call(tenant_cache, route)

    @pytest.mark.parametrize("route", ROUTES)
    def test_is_enough(self, route):
        """I111: the same calls pass with one."""
        with scope(A):
            tenant_cache.set("count", 1)
            call(tenant_cache, route)

    @pytest.mark.parametrize("around", NOT_ONE.values(), ids=NOT_ONE)
    def test_is_not_needed_by_what_is_shared(self, around):
        with around():
            shared_cache.set("count", 1)
        with scope(A):
            assert shared_cache.get("count") == 1

    def test_error_tells_what_was_in_scope(self):
        with pytest.raises(TenantRequired, match="there is no scope"):
            tenant_cache.get("count")
        with scope([A, B]), pytest.raises(TenantRequired, match="2 are in scope"):
            tenant_cache.get("count")
        with unscoped(reason="a test"), pytest.raises(TenantRequired, match="every organization is in scope"):
            tenant_cache.get("count")


class TestKeys:
    def test_hold_prefix_version_and_organization(self):
        """I111: the environment, the version and the tenant, or the marker that there is none."""
        with scope(A):
            own = PATTERN.fullmatch(tenant_cache.make_key("count", version=7))
            shared = PATTERN.fullmatch(shared_cache.make_key("count"))

        prefix = django_settings.CACHES["default"]["KEY_PREFIX"]
        assert own is not None
        assert own.groupdict() == {"prefix": prefix, "version": "7", "tenant": str(A), "key": "count"}
        assert shared is not None
        assert shared.groupdict() == {"prefix": prefix, "version": "1", "tenant": None, "key": "count"}

    @pytest.mark.parametrize("key", ["x", f"t:{B}:x", f":1:t:{B}:x", "g:x", "x\x00", ""])
    @pytest.mark.filterwarnings("ignore:Cache key contains characters")
    def test_that_look_like_others_are_not(self, key):
        """T10: no text in a key makes it another organization's, or a shared one."""
        with scope(A):
            tenant_cache.set(key, "of A")
        for around, cache in ((scope(B), tenant_cache), (nullcontext(), shared_cache)):
            with around:
                for other in (key, "x", f"t:{A}:{key}"):
                    assert cache.get(other) is None
        with scope(A):
            assert tenant_cache.get(key) == "of A"

    def test_are_gone_only_where_they_were_deleted(self):
        """A write of one organization never changes the entry of another."""
        for each in (A, B):
            with scope(each):
                tenant_cache.set("count", 1)
        with scope(A):
            tenant_cache.incr("count")
            tenant_cache.delete_many(["count"])
        with scope(B):
            assert tenant_cache.get_many(["count"]) == {"count": 1}

    def test_follow_the_settings(self, settings):
        settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": "changed", "VERSION": 3}}
        with scope(A):
            assert tenant_cache.make_key("x") == f"changed:3:t:{A}:x"
            assert shared_cache.make_key("x") == "changed:3:g:x"

    @pytest.mark.redis
    @pytest.mark.parametrize(
        "backend", ["django.core.cache.backends.redis.RedisCache", "django_redis.cache.RedisCache"]
    )
    def test_in_redis_are_of_the_documented_pattern(self, settings, backend):
        """T10: every key that Redis holds afterwards says whose it is."""
        settings.CACHES = {name: {**each, "BACKEND": backend} for name, each in settings.CACHES.items()}
        before = _keys_in_redis()
        for each in (A, B):
            with scope(each):
                for route in ROUTES:
                    for cache in (tenant_cache, shared_cache):
                        cache.set("count", 1)
                        call(cache, route)
                tenant_cache.set("count", 1)
                _page(RequestFactory().get("/report/"))
                _fragment()
        shared_cache.set("rates", 1)
        caches["default"].set("of-another-package", 1)

        written = {key: PATTERN.fullmatch(key) for key in _keys_in_redis() - before}

        assert len(written) >= 10
        assert [key for key, match in written.items() if match is None] == []
        assert {match["tenant"] for match in written.values() if match} == {str(A), str(B), None}


def _keys_in_redis() -> set[str]:
    import redis

    with redis.Redis.from_url(django_settings.REDIS_URL) as client:
        return {key.decode() for key in client.scan_iter()}


class TestReads:
    def test_never_mix(self):
        """I112: the same key in A and in B, 1000 reads by turns, cold and warm: 0 mixed."""
        mixed = []
        for turn in range(1000):
            organization = (A, B)[turn % 2]
            with scope(organization):
                if turn % 10 in (0, 5):  # cold, for each of the two
                    tenant_cache.delete("slug")
                if (
                    tenant_cache.get_or_set("slug", lambda owner=organization: f"of {owner}")
                    != f"of {organization}"
                ):
                    mixed.append(turn)
        assert mixed == []

    def test_never_mix_in_threads(self):
        """I112: the same, by two threads at once."""
        start, mixed = Barrier(2, timeout=30), []

        def read(own: UUID, other: UUID) -> None:
            start.wait()
            for turn in range(500):
                for organization in (own, other):
                    with scope(organization):
                        if turn % 7 == 0:
                            tenant_cache.delete("slug")
                        found = tenant_cache.get_or_set("slug", lambda owner=organization: f"of {owner}")
                        mixed.extend([turn] if found != f"of {organization}" else [])

        threads = [Thread(target=read, args=each) for each in ((A, B), (B, A))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
            assert not thread.is_alive()
        assert mixed == []

    def test_never_mix_in_tasks(self):
        """I112: the same, by tasks of one event loop that wait for each other."""

        async def read(organization: UUID) -> list[Any]:
            found = []
            async with scope(organization):
                for _ in range(50):
                    await tenant_cache.aset("slug", organization)
                    await asyncio.sleep(0)
                    found.append(await tenant_cache.aget("slug"))
            return found

        async def main() -> list[list[Any]]:
            return await asyncio.gather(read(A), read(B))

        assert asyncio.run(main()) == [[A] * 50, [B] * 50]


def _answer(request: Any) -> HttpResponse:
    return HttpResponse(str(uuid4()))


_page = cache_page(60, cache="tenants")(_answer)


def _fragment() -> str:
    text = "{% load cache %}{% cache 60 sidebar using='tenants' %}{{ made }}{% endcache %}"
    return engines["django"].from_string(text).render({"made": uuid4()})


class TestDjangosOwnCaching:
    """What takes the alias of a cache is safe with one whose KEY_FUNCTION is the kit's."""

    @pytest.mark.parametrize(
        "read", [lambda: _page(RequestFactory().get("/report/")).content, _fragment], ids=["page", "fragment"]
    )
    def test_keeps_one_for_each_organization(self, read):
        """T10: the same page and the same fragment, warm in A, are B's own in B."""
        with scope(A):
            first, again = read(), read()
        with scope(B):
            other = read()

        assert first == again
        assert other != first

    @pytest.mark.parametrize(
        "read", [lambda: _page(RequestFactory().get("/report/")), _fragment], ids=["page", "fragment"]
    )
    def test_keeps_nothing_without_a_scope(self, read):
        """I111: an error in place of an entry that nobody owns."""
        with pytest.raises(TenantRequired):
            read()


def _raw_uses(source: str) -> list[int]:
    """Return the lines that get at a cache of Django's past the kit's keys."""
    forbidden = ("django.core.cache", "django.middleware.cache")
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [each.name for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{each.name}" for each in node.names]
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            names = [node.value] if node.value in forbidden else []
        else:
            continue
        if any(
            name == start or name.startswith(f"{start}.") or name.endswith(".cache_page")
            for name in names
            for start in forbidden
        ):
            found.append(node.lineno)
    return found


class TestSource:
    def test_uses_no_cache_but_through_its_keys(self):
        """T10: nothing in the kit reaches for Django's cache itself, but the testing tools, which empty a host's."""
        found = {
            str(path.relative_to(PACKAGE)): lines
            for path in PACKAGE.rglob("*.py")
            if path.relative_to(PACKAGE).parts[0] not in ("caching", "testing")
            and (lines := _raw_uses(path.read_text()))
        }

        assert found == {}

    @pytest.mark.parametrize(
        "line",
        [
            "from django.core.cache import cache",
            "from django.core import cache",
            "import django.core.cache",
            "from django.core.cache.backends.base import BaseCache",
            "from django.views.decorators.cache import cache_page",
            "importlib.import_module('django.core.cache')",
        ],
    )
    def test_would_be_found_out(self, line):
        assert _raw_uses(f"\n{line}") == [2]
        assert _raw_uses("from django.views.decorators.cache import never_cache") == []
