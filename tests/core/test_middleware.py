"""The context that each request has of its own."""

from __future__ import annotations

import asyncio
import re
from uuid import UUID, uuid4

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from saas_kit.core import context
from saas_kit.core.middleware import RequestContextMiddleware

UUID_7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def _answer(headers=None, view=None):
    request = RequestFactory().get("/", headers=headers or {}, REMOTE_ADDR="192.0.2.7")
    return RequestContextMiddleware(view or (lambda request: HttpResponse()))(request)


@pytest.mark.parametrize("given", ["0123abcd", "a.b-c_d-EFGH", "x" * 64])
def test_sane_request_id_is_taken_over(given):
    """What the caller names the request, if it is 8 to 64 plain characters, comes back."""
    assert _answer({"X-Request-ID": given})["X-Request-ID"] == given


@pytest.mark.parametrize(
    "given", ["", "short", "x" * 65, "has space", "semi;colon1", "umläut-12", "a\tb-12345"]
)
def test_any_other_request_id_is_replaced(given):
    """What could break a log line or a header is never echoed; a UUIDv7 takes its place."""
    made = _answer({"X-Request-ID": given})["X-Request-ID"]

    assert UUID_7.fullmatch(made)


def test_context_lasts_as_long_as_the_request():
    """I15: the view sees the request's facts, and nothing is left of them or of what it set."""
    seen = {}

    def view(request):
        seen.update(request_id=context.request_id.get(), ip=context.ip_address.get())
        context.organization_id.set(uuid4())
        context.staff_access.set(True)
        return HttpResponse()

    response = _answer(view=view)

    assert seen == {"request_id": response["X-Request-ID"], "ip": "192.0.2.7"}
    assert _nothing_is_left()


def test_context_ends_when_the_view_raises():
    """I15: an exception does not leave the context of its request behind."""

    def view(request):
        context.organization_id.set(uuid4())
        raise RuntimeError

    with pytest.raises(RuntimeError):
        _answer(view=view)

    assert _nothing_is_left()


def test_context_starts_empty():
    """I15, M20: what was set outside, or by a request on the same thread, is not seen inside."""
    seen = []

    def view(request):
        seen.append((context.organization_id.get(), context.staff_access.get()))
        return HttpResponse()

    with context.fresh_context():
        context.organization_id.set(uuid4())
        context.staff_access.set(True)
        _answer(view=view)
        assert isinstance(context.organization_id.get(), UUID)

    assert seen == [(None, False)]


def test_asynchronous_requests_do_not_mix():
    """I15: requests that are answered in turns on one thread see their own context only."""
    seen = {}

    async def view(request):
        mine = context.request_id.get()
        for _ in range(5):
            await asyncio.sleep(0)
            assert context.request_id.get() == mine
        seen[request.headers["X-Request-ID"]] = mine
        return HttpResponse()

    async def many():
        middleware = RequestContextMiddleware(view)
        requests = [RequestFactory().get("/", headers={"X-Request-ID": f"request-{n}"}) for n in range(20)]
        return await asyncio.gather(*(middleware(request) for request in requests))

    responses = asyncio.run(many())

    assert [response["X-Request-ID"] for response in responses] == [f"request-{n}" for n in range(20)]
    assert all(name == mine for name, mine in seen.items())
    assert len(seen) == 20


def _nothing_is_left():
    return (
        context.request_id.get() is None
        and context.ip_address.get() is None
        and context.organization_id.get() is None
        and context.staff_access.get() is False
    )
