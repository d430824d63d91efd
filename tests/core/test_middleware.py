"""The context that each request has of its own."""

from __future__ import annotations

import asyncio
import io
import ipaddress
import re
from uuid import UUID, uuid4

import pytest
from django.core import checks
from django.core.handlers.asgi import ASGIRequest
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


PEER = "192.0.2.7"  # of REMOTE_ADDR
CLIENT, INNER, SPOOFED = "198.51.100.1", "10.0.0.2", "203.0.113.9"


def _seen_address(forwarded=None):
    seen = []

    def view(request):
        seen.append(context.ip_address.get())
        return HttpResponse()

    _answer({} if forwarded is None else {"X-Forwarded-For": forwarded}, view=view)
    return seen[0]


class TestAddress:
    @pytest.mark.parametrize(
        ("proxies", "forwarded", "address"),
        [
            (0, None, PEER),
            (0, CLIENT, PEER),
            (0, f"{CLIENT}, {INNER}", PEER),
            (-1, CLIENT, PEER),
            (1, None, PEER),
            (1, CLIENT, CLIENT),
            (1, f"{SPOOFED}, {CLIENT}", CLIENT),
            (1, f"{SPOOFED},{SPOOFED},{CLIENT}", CLIENT),
            (2, None, PEER),
            (2, CLIENT, PEER),
            (2, f"{CLIENT}, {INNER}", CLIENT),
            (2, f"{SPOOFED}, {CLIENT}, {INNER}", CLIENT),
        ],
    )
    def test_is_what_the_outermost_trusted_proxy_saw(self, settings, proxies, forwarded, address):
        """I107, M9, T20: what a client writes itself stands left of that, and is never taken."""
        settings.SAAS_KIT_CORE_TRUSTED_PROXIES = proxies

        assert _seen_address(forwarded) == address

    def test_header_is_not_read_by_default(self):
        """M9: without a setting nobody chooses their address."""
        assert _seen_address(CLIENT) == PEER

    @pytest.mark.parametrize("proxies", [0, 1, 2])
    def test_made_up_values_give_no_new_address(self, settings, proxies):
        """T20: 130 calls with 130 made-up values come from one address; another client's come from another."""
        settings.SAAS_KIT_CORE_TRUSTED_PROXIES = proxies

        def calls(client):
            behind = [client, INNER][:proxies]
            return {_seen_address(", ".join([f"203.0.113.{number}", *behind])) for number in range(130)}

        assert calls(CLIENT) == {CLIENT if proxies else PEER}
        assert calls("198.51.100.2") == {"198.51.100.2" if proxies else PEER}

    @pytest.mark.parametrize(
        ("entry", "address"),
        [
            ("198.51.100.1:52014", "198.51.100.1"),
            ("2001:db8::1", "2001:db8::1"),
            ("2001:0DB8:0:0::1", "2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1"),
            ("[2001:db8::1]:52014", "2001:db8::1"),
            ("::ffff:198.51.100.1", "::ffff:198.51.100.1"),
            ("\t198.51.100.1 ", "198.51.100.1"),
        ],
    )
    def test_may_have_a_port(self, settings, entry, address):
        """Some proxies write the port too, and an IPv6 address in brackets; it is one address without them."""
        settings.SAAS_KIT_CORE_TRUSTED_PROXIES = 1

        assert ipaddress.ip_address(_seen_address(f"{SPOOFED}, {entry}")) == ipaddress.ip_address(address)

    @pytest.mark.parametrize(
        "entry",
        [
            *(
                "",
                " ",
                "unknown",
                "_hidden",
                "198.51.100",
                "198.51.100.256",
                "198.51.100.1:",
                "198.51.100.1:x",
            ),
            *(
                "[198.51.100.1",
                "[]",
                "[]:1",
                "[::1]x",
                "2001:db8::1%eth0",
                "fe80::1%" + "x" * 500,
                "1",
                "٣.1.1.1",
            ),
            "198.51.100.1;DROP",
        ],
    )
    def test_is_the_peers_where_the_entry_is_none(self, settings, entry):
        """M3: junk is neither an error nor an address, and nothing left of it is taken instead."""
        settings.SAAS_KIT_CORE_TRUSTED_PROXIES = 1

        assert _seen_address(f"{SPOOFED}, {entry}") == PEER

    @pytest.mark.parametrize(("proxies", "address"), [(0, PEER), (1, INNER), (2, CLIENT)])
    def test_several_lines_are_one_list(self, settings, proxies, address):
        """A line that a client sent is left of the line that a proxy added; seen in asynchronous code too."""
        settings.SAAS_KIT_CORE_TRUSTED_PROXIES = proxies
        lines = [SPOOFED, f"{SPOOFED}, {CLIENT}", INNER]
        scope = {
            "type": "http",
            "method": "GET",
            "path": "/",
            "headers": [(b"x-forwarded-for", line.encode()) for line in lines],
            "client": (PEER, 52014),
        }
        seen = []

        async def view(request):
            seen.append(context.ip_address.get())
            return HttpResponse()

        asyncio.run(RequestContextMiddleware(view)(ASGIRequest(scope, io.BytesIO())))

        assert seen == [address]


class TestCheck:
    def _found(self, **kwargs):
        return [each for each in checks.run_checks(**kwargs) if each.id == "saas_kit.W003"]

    def test_w003_a_proxy_that_is_not_believed(self, settings):
        """The limits of all clients would be one; it is for deployment, and told once however many apps there are."""
        settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

        [message] = self._found(include_deployment_checks=True)

        assert "SAAS_KIT_CORE_TRUSTED_PROXIES = 1" in message.hint
        assert self._found() == []

    @pytest.mark.parametrize(
        ("header", "proxies"), [(None, 0), (None, 1), (("HTTP_X_FORWARDED_PROTO", "https"), 1)]
    )
    def test_w003_is_silent_otherwise(self, settings, header, proxies):
        settings.SECURE_PROXY_SSL_HEADER = header
        settings.SAAS_KIT_CORE_TRUSTED_PROXIES = proxies

        assert self._found(include_deployment_checks=True) == []


TOKEN = "dP3-" + "k_9Z" * 10  # of 44 characters


class TestPath:
    def _seen(self, path, status, **meta):
        request = RequestFactory().get("/", **meta)
        request.path = request.path_info = path
        RequestContextMiddleware(lambda request: HttpResponse(status=status))(request)
        return request

    @pytest.mark.parametrize("status", [400, 404, 500])
    @pytest.mark.parametrize(
        ("path", "hidden"),
        [
            (f"/a/{TOKEN}", "/a/***"),
            (f"/a/{TOKEN}/b/", "/a/***/b/"),
            (f"/a/{TOKEN}.", "/a/***."),
            (f"/a/{TOKEN} {TOKEN}/", "/a/*** ***/"),
        ],
    )
    def test_tokens_are_hidden_where_a_request_failed(self, status, path, hidden):
        """What Django logs of an answer that is an error has no token, wherever it stands and whatever follows it."""
        request = self._seen(path, status)

        assert (request.path, request.path_info) == (hidden, hidden)

    @pytest.mark.parametrize(
        "path",
        [
            "/a/",
            f"/a/{TOKEN[:39]}/",
            "/a/0193B6A0-7C1E-7F00-8000-0123456789AB/",
            "/a/how-to-keep-what-is-secret-out-of-all-logs-for-good/",
        ],
    )
    def test_other_paths_are_logged(self, path):
        """Ids and words are told as they are."""
        request = self._seen(path, 404)

        assert (request.path, request.path_info) == (path, path)

    @pytest.mark.parametrize("status", [200, 301])
    def test_path_stays_where_nothing_failed(self, status):
        assert self._seen(f"/a/{TOKEN}", status).path == f"/a/{TOKEN}"

    def test_what_servers_say_of_the_path(self):
        """It is hidden however it is written, and what is no path stays."""
        given = {"RAW_URI": f"/a/{TOKEN}?b=c", "REQUEST_URI": f"/a/%64{TOKEN[1:]}", "HTTP_X_OTHER": TOKEN}

        request = self._seen("/a/", 404, **given, HTTP_X_ORIGINAL_URL="/a%20b/")

        assert {name: request.META[name] for name in given} == {
            "RAW_URI": "/a/***?b=c",
            "REQUEST_URI": "/a/***",
            "HTTP_X_OTHER": TOKEN,
        }
        assert request.META["HTTP_X_ORIGINAL_URL"] == "/a%20b/"

    def test_tokens_are_hidden_in_asynchronous_code(self):
        async def view(request):
            return HttpResponse(status=404)

        request = RequestFactory().get(f"/a/{TOKEN}/")
        asyncio.run(RequestContextMiddleware(view)(request))

        assert request.path == "/a/***/"


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
