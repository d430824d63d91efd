"""Requests and tasks that run at once never see each other's scope, and leave none behind."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from importlib import import_module
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.apps import apps
from django.conf import settings as django_settings
from django.core.wsgi import get_wsgi_application
from django.db import connections
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.test import AsyncClient, Client, RequestFactory
from django.urls import path

from saas_kit.core import context
from saas_kit.tenancy import current_scope, scope, unscoped
from saas_kit.tenancy.exceptions import ScopeRequired

pytestmark = [
    pytest.mark.without_scope,
    pytest.mark.hosts("full", "default_user", "custom_organization"),
]

if apps.is_installed("rest_framework"):
    from rest_framework.request import Request
    from rest_framework.response import Response

    from saas_kit.api.views import ApiView
    from saas_kit.core.permissions import Access

    class NamesView(ApiView):
        """The names of the caller's teams; with ``?fail`` it raises when it has read them."""

        required_permissions = {"get": Access.PUBLIC}

        def get(self, request: Request) -> Response:
            """Read."""
            return Response({"names": _read(request)})

    class StreamView(ApiView):
        """Reads while it sends."""

        required_permissions = {"get": Access.AUTHENTICATED}

        def get(self, request: Request) -> StreamingHttpResponse:
            """Stream."""
            return StreamingHttpResponse(_names())


def _teams() -> Any:
    return apps.get_model("saas_kit_teams.Team").objects.order_by("name")


def _names() -> Iterator[str]:
    for each in _teams():
        yield each.name


def _read(request: Any) -> list[str]:
    """Read twice, and leave the context of the request as a careless view does."""
    names = [each.name for each in _teams()]
    time.sleep(0)
    assert names == [each.name for each in _teams()]
    if "fail" in request.GET:
        left = scope(uuid4())
        left.__enter__()
        context.organization_id.set(uuid4())
        context.actor_id.set("somebody")
        context.staff_access.set(True)
        raise RuntimeError(", ".join(names))
    return names


def page(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"names": _read(request)})


async def async_page(request: HttpRequest) -> HttpResponse:
    before = current_scope()
    names = [each.name async for each in _teams()]
    for _ in range(3):
        await asyncio.sleep(0)
        assert current_scope() == before
    assert names == await sync_to_async(_read)(request)
    assert names == await asyncio.create_task(_read_async())
    return JsonResponse({"names": names})


async def _read_async() -> list[str]:
    await asyncio.sleep(0)
    return [each.name async for each in _teams()]


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(_names())


def async_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def names() -> Any:
        async for each in _teams():
            yield each.name

    return StreamingHttpResponse(names())


def nothing_is_left() -> bool:
    """Tell whether no fact of a request is there."""
    variables: tuple[Any, ...] = (
        *(context.scope, context.actor_id, context.organization_id, context.request_id),
        context.ip_address,
    )
    return all(each.get() is None for each in variables) and not context.staff_access.get()


@pytest.fixture
def members(settings: Any, make_membership: Any, make_team: Any, caplog: Any) -> list[Any]:
    """A member of each of two organizations, each with a team of its own name, a token and a session."""
    from saas_kit.auth.services import open_session

    caplog.set_level(logging.CRITICAL, "django.request")  # the views fail on purpose
    host = import_module(settings.ROOT_URLCONF).urlpatterns
    pages = [path("page/", page), path("async-page/", async_page), path("stream/", stream)]
    pages += [path("async-stream/", async_stream), path("api/v1/page/", page)]
    pages += [path("api/v1/names/", NamesView.as_view()), path("api/v1/stream/", StreamView.as_view())]
    settings.ROOT_URLCONF = type("Urls", (), {"urlpatterns": [*pages, *host]})
    found = []
    for name in ("first", "second"):
        membership = make_membership(role="owner")
        with scope(membership.organization):
            make_team(f"The {name} canary", organization=membership.organization)
        browser = Client()
        browser.force_login(membership.user)
        found.append(
            SimpleNamespace(
                canary=f"The {name} canary",
                key=str(membership.organization_id),
                user=membership.user,
                token=f"Bearer {open_session(membership.user).access}",
                session=browser.cookies[settings.SESSION_COOKIE_NAME].value,
            )
        )
    for each, other in zip(found, reversed(found), strict=True):
        each.other = other
    return found


def _token(member: Any) -> dict[str, str]:
    return {"Authorization": member.token}


def _session(member: Any) -> dict[str, str]:
    return {"Cookie": f"{django_settings.SESSION_COOKIE_NAME}={member.session}"}


# a path, the headers of a member, the status, and whether the member's own names are in the answer
KINDS: list[tuple[str, Callable[[Any], dict[str, str]], int, bool]] = [
    ("/api/v1/teams/", _token, 200, True),
    ("/api/v1/names/", _token, 200, True),
    ("/api/v1/names/?fail", _token, 500, False),
    ("/api/v1/names/", lambda member: {**_token(member), "X-Organization": member.key}, 200, True),
    ("/api/v1/names/", lambda member: {**_token(member), "X-Organization": member.other.key}, 404, False),
    ("/api/v1/names/", lambda member: {}, 500, False),
    ("/api/v1/teams/", lambda member: {}, 401, False),
    ("/page/", lambda member: {**_session(member), "X-Organization": member.key}, 200, True),
    ("/page/?fail", lambda member: {**_session(member), "X-Organization": member.key}, 500, False),
    ("/page/", lambda member: {**_session(member), "X-Organization": member.other.key}, 404, False),
    ("/page/", _session, 500, False),
    ("/page/", lambda member: {"X-Organization": member.key}, 500, False),
]


def verdict(member: Any, kind: Any, status: int, body: bytes) -> str | None:
    """Return what is wrong with an answer; None where it is as it should be."""
    address, _, expected, shows = kind
    text = body.decode()
    if member.other.canary in text:
        return f"{address} showed another organization's row"
    if status != expected:
        return f"{address} was answered {status} and not {expected}"
    if (member.canary in text) is not shows:
        return f"{address} showed its own row: {not shows}"
    return None


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_requests_on_threads(members: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """I15, T9, M20: 2,000 requests by turns on 8 threads whose connections stay open, raising ones among them."""
    monkeypatch.setitem(connections.settings["default"], "CONN_MAX_AGE", None)
    answer = get_wsgi_application()
    turns = [(members[number % 2], KINDS[(number // 2) % len(KINDS)]) for number in range(2000)]
    faults: Counter[str] = Counter()
    seen: Counter[Any] = Counter()
    lock, start = threading.Lock(), threading.Barrier(8)

    def ask(member: Any, kind: Any) -> str | None:
        address, headers_of, _, _ = kind
        found: list[str] = []
        environ = RequestFactory().get(address, headers=headers_of(member)).environ
        response = answer(environ, lambda status, _headers: found.append(status))
        try:
            body = b"".join(response)
        finally:
            response.close()
        if not nothing_is_left():
            return f"{address} left something in its thread"
        return verdict(member, kind, int(found[0].split()[0]), body)

    def work() -> None:
        try:
            start.wait(30)
            while True:
                with lock:
                    if not turns:
                        return
                    member, kind = turns.pop()
                    seen[threading.get_ident()] += 1
                fault = ask(member, kind)
                if fault is not None:
                    faults[fault] += 1
        except Exception as error:  # noqa: BLE001 - it is the outcome
            faults[repr(error)] += 1
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)

    assert faults == {}
    assert seen.total() == 2000
    assert len(seen) == 8
    assert nothing_is_left()


_ASYNC_ONLY = (
    "saas_kit.core.middleware.RequestContextMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "saas_kit.tenancy.middleware.OrganizationMiddleware",
)
_ASYNC_KINDS = [
    *(("/async-page/", *rest) for address, *rest in KINDS if address == "/page/"),
    *(("/async-page/?fail", *rest) for address, *rest in KINDS if address == "/page/?fail"),
]


@pytest.mark.parametrize("middleware", [None, _ASYNC_ONLY], ids=["of the host", "asynchronous only"])
@pytest.mark.django_db
def test_requests_on_one_loop(members: list[Any], settings: Any, middleware: Any) -> None:
    """I15, T9: 200 requests at once on an asynchronous server, to sync and async views, some raising."""
    kinds = [*_ASYNC_KINDS, *KINDS]
    if middleware is not None:
        settings.MIDDLEWARE = middleware
        kinds = [each for each in kinds if not each[0].startswith("/api")]
    turns = [(members[number % 2], kinds[(number // 2) % len(kinds)]) for number in range(200)]

    async def ask(member: Any, kind: Any) -> str | None:
        client = AsyncClient(raise_request_exception=False)
        headers = kind[1](member)
        if headers.pop("Cookie", None):
            client.cookies[django_settings.SESSION_COOKIE_NAME] = member.session
        response = await client.get(kind[0], headers=headers)
        if not nothing_is_left():
            return f"{kind[0]} left something in its task"
        return verdict(member, kind, response.status_code, response.content)

    async def many() -> list[str | None]:
        return await asyncio.gather(*(ask(member, kind) for member, kind in turns))

    assert Counter(async_to_sync(many)()) == {None: 200}
    assert nothing_is_left()


@pytest.mark.parametrize("address", ["/stream/", "/async-stream/", "/api/v1/stream/"])
@pytest.mark.parametrize("server", ["wsgi", "asgi"])
@pytest.mark.django_db
def test_streams_are_sent_without_a_scope(members: list[Any], address: str, server: str) -> None:
    """I15: what a response reads while it is sent is refused, though the view had a scope."""
    headers = {**_token(members[0]), "X-Organization": members[0].key}
    browsers = Client(), AsyncClient()
    for browser in browsers:
        browser.cookies[django_settings.SESSION_COOKIE_NAME] = members[0].session

    async def collect(response: Any) -> bytes:
        if response.is_async:
            return b"".join([each async for each in response.streaming_content])
        return b"".join(response.streaming_content)

    async def ask() -> bytes:
        return await collect(await browsers[1].get(address, headers=headers))

    def read() -> bytes:
        if server == "asgi":
            return async_to_sync(ask)()
        return async_to_sync(collect)(browsers[0].get(address, headers=headers))

    with pytest.raises(ScopeRequired, match="Team"):
        read()
    assert nothing_is_left()
    twin = "/api/v1/names/" if "api" in address else "/page/"
    plain = browsers[0].get(twin, headers=headers)
    assert members[0].canary in plain.content.decode()


A, B = uuid4(), uuid4()


def ids() -> Any:
    found = current_scope()
    return None if found is None else found.organization_ids


class TestCode:
    """T9: the scope follows the code that was called in it, and nothing else."""

    def test_between_sync_and_async(self) -> None:
        """It goes through any number of changes between the two, and each block ends where it began."""

        def inner() -> Any:
            with scope(B):
                below = async_to_sync(below_inner)()
            return below, ids()

        async def below_inner() -> Any:
            async with scope([A, B]):
                return await sync_to_async(ids)()

        async def outer() -> Any:
            assert ids() == {A}
            async with scope([B]):
                assert await sync_to_async(inner)() == ({A, B}, {B})
            with suppress(KeyError), unscoped(reason="the test"):
                assert await sync_to_async(current_scope)() is not None
                raise KeyError
            return ids()

        with scope(A):
            assert async_to_sync(outer)() == {A}
            assert ids() == {A}
        assert current_scope() is None

    def test_an_error_between_sync_and_async(self) -> None:
        """An error on any level takes the scopes of the levels that it leaves along."""

        @scope(B)
        def fails() -> None:
            with scope([A, B]):
                raise KeyError

        async def outer() -> Any:
            with pytest.raises(KeyError):
                await sync_to_async(fails)()
            return ids()

        with scope(A):
            assert async_to_sync(outer)() == {A}
            assert ids() == {A}

    def test_tasks(self) -> None:
        """A task starts in the scope that it was made in, and what it does about it is its own."""

        async def change() -> Any:
            before = ids()
            scope(B).__enter__()
            await asyncio.sleep(0)
            return before, ids()

        async def main() -> None:
            with scope(A):
                task = asyncio.create_task(change())
                with scope([A, B]):
                    await asyncio.sleep(0)
                    assert await task == ({A}, {B})
                assert ids() == {A}
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(change()) for _ in range(20)]
            assert [each.result() for each in tasks] == [(None, {B})] * 20
            assert current_scope() is None

        asyncio.run(main())

    def test_cancelled_tasks(self) -> None:
        """A task that is cancelled, or runs out of time, has its scope to the end and leaves nothing."""
        ended = []

        async def wait() -> None:
            try:
                with scope(A), suppress(KeyError):
                    try:
                        await asyncio.sleep(60)
                    finally:
                        ended.append(ids())
            finally:
                ended.append(ids())

        async def main() -> None:
            tasks = [asyncio.create_task(wait()) for _ in range(20)]
            await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            assert current_scope() is None
            with scope(B), pytest.raises(TimeoutError):
                async with asyncio.timeout(0.01):
                    await wait()
            assert current_scope() is None

        asyncio.run(main())
        assert Counter(ended) == {frozenset({A}): 21, None: 20, frozenset({B}): 1}

    def test_threads(self) -> None:
        """A new thread has no scope, so that what it asks for is refused; asyncio hands its own to ``to_thread``."""

        async def main() -> None:
            with scope(A):
                assert await asyncio.to_thread(ids) == {A}
                loop = asyncio.get_running_loop()
                with ThreadPoolExecutor(1) as pool:
                    assert await loop.run_in_executor(pool, ids) is None
                    with pytest.raises(ScopeRequired):
                        await loop.run_in_executor(pool, lambda: list(_teams()))
                assert ids() == {A}

        asyncio.run(main())
        with scope(A), ThreadPoolExecutor(1) as pool:
            assert pool.submit(ids).result() is None

    def test_pooled_threads_keep_nothing(self) -> None:
        """M20: 2,000 pieces of work on 8 threads, sync and async within each, ended by errors at every place."""

        def work(number: int) -> bool:
            if current_scope() is not None:
                return False
            mine, other = (A, B) if number % 2 else (B, A)
            good = []

            async def below() -> None:
                good.append(ids() == {mine})
                async with scope(other):
                    await asyncio.sleep(0)
                    good.append(await sync_to_async(ids)() == {other})
                    if number % 3 == 0:
                        raise KeyError
                good.append(ids() == {mine})

            with suppress(KeyError, ZeroDivisionError), scope(mine):
                if number % 10 == 0:
                    async_to_sync(below)()
                if number % 7 == 0:
                    raise ZeroDivisionError
                with scope([A, B]), unscoped(reason="the test"):
                    good.append(ids() is None)
                good.append(ids() == {mine})
            return all(good) and current_scope() is None

        with scope(A), ThreadPoolExecutor(8) as pool:
            assert all(pool.map(work, range(2000)))
            assert ids() == {A}

    def test_generators_are_refused_wherever_they_are(self) -> None:
        """A generator that sets a scope raises before it yields, so that its consumer never has that scope."""

        @contextmanager
        def within() -> Iterator[None]:
            with scope(A):
                yield

        def rows() -> Iterator[int]:
            with unscoped(reason="the test"):
                yield 1

        with pytest.raises(TypeError, match="generator"), within():
            pass
        with pytest.raises(TypeError, match="generator"):
            list(rows())
        assert current_scope() is None
        with scope(A):
            assert [ids() for _ in range(2)] == [{A}] * 2

    @pytest.mark.django_db
    def test_lazy_results_are_read_in_the_scope_of_who_reads(self) -> None:
        """A query set that leaves its scope before it is read is refused."""
        with scope(A):
            found = _teams()
        with pytest.raises(ScopeRequired):
            list(found)
        with scope(A):
            rows = (each.name for each in found)  # reads, as Python asks for the iterator at once
        assert list(rows) == []
