"""The comparisons: with and without the guard, with and without row-level security."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.db import connections, models

from benchmarks.databases import Databases, address_of
from benchmarks.measuring import Comparison, Way, compare
from benchmarks.round_trips import RoundTripCounter
from saas_kit.core.models import AliveManager, Identified, SoftDeletable, SoftDeletableQuerySet, Timestamped
from saas_kit.tenancy import scope
from saas_kit.tenancy.guard import _Guarded
from saas_kit.tenancy.models import get_organization_model
from tests.hosts.full.widgets.models import Widget

PATH = "/api/v1/widgets/"
ROWS = 25

# The guard


def of_guard(databases: Databases, rounds: int, runs: int) -> Iterator[Comparison]:
    """Compare with a twin of the model that has no guard, and with the guard's methods taken away."""
    databases.use("off")
    yield from _of_guard_in_queries(databases.organization, rounds * 2, runs)
    for name, headers in _requests(databases.organization):
        request = Requests(databases, **headers)
        without = Way("by hand", request, lambda r=request: (_take_guard_away(), r.sign_in()))
        with_ = Way("guard", request, lambda r=request: (_give_guard_back(), r.sign_in()))
        try:
            yield compare(f"`GET widgets/`, {name}", without, with_, rounds=rounds, runs=runs)
        finally:
            _give_guard_back()


def _of_guard_in_queries(organization: Any, rounds: int, runs: int) -> list[Comparison]:
    plain = _plain_widget()

    def by_hand() -> object:
        return list(plain.objects.filter(organization_id=organization.pk).order_by("-id")[:ROWS])

    def guarded() -> object:
        return list(Widget.objects.order_by("-id")[:ROWS])

    def guarded_anew() -> object:
        with scope(organization):
            return guarded()

    before = Way("by hand", by_hand)
    with scope(organization):
        return [
            compare(f"{ROWS} rows by the ORM", before, Way("guard", guarded), rounds=rounds, runs=runs),
            compare(
                f"{ROWS} rows by the ORM, and `scope()`",
                before,
                Way("guard", guarded_anew),
                rounds=rounds,
                runs=runs,
            ),
        ]


def _requests(organization: Any) -> list[tuple[str, dict[str, str]]]:
    return [("narrowed by `X-Organization`", {"HTTP_X_ORGANIZATION": str(organization.pk)}), ("flat", {})]


def _plain_widget() -> Any:
    """Return a model of the same table that has no guard."""

    class PlainWidget(Identified, Timestamped, SoftDeletable):
        organization = models.ForeignKey(get_organization_model(), on_delete=models.CASCADE, related_name="+")
        name = models.CharField(max_length=120)
        size = models.PositiveIntegerField(default=1)

        objects = AliveManager.from_queryset(SoftDeletableQuerySet)()

        class Meta:
            app_label = "widgets"
            managed = False
            db_table = "widgets_widget"

    return PlainWidget


_guards: dict[str, Any] = {}


def _take_guard_away() -> None:

    for name in ("get_compiler", "join", "chain"):
        if name in vars(_Guarded):
            _guards[name] = vars(_Guarded)[name]
            delattr(_Guarded, name)


def _give_guard_back() -> None:

    for name, function in _guards.items():
        setattr(_Guarded, name, function)


# Row-level security


def of_security(databases: Databases, rounds: int, runs: int) -> Iterator[Comparison]:
    """Compare the database that has policies with the one that has none."""
    for mode in ("autocommit", "ATOMIC_REQUESTS"):
        for name, headers in _requests(databases.organization):
            request = Requests(databases, **headers)
            ways = [
                Way(
                    each,
                    request,
                    lambda r=request, e=each: (databases.use(e), r.sign_in()),
                    partial(databases.backend, each),
                )
                for each in ("off", "on")
            ]
            with _atomic_requests(on=mode == "ATOMIC_REQUESTS"):
                yield compare(f"`GET widgets/`, {name}, {mode}", *ways, rounds=rounds, runs=runs)


class Requests:
    """Answers one request again and again, by Django's own handler, and sees that it has 25 rows."""

    def __init__(self, databases: Databases, **headers: str) -> None:

        self._handler = WSGIHandler()
        self._databases = databases
        self._environ: dict[str, Any] = {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": PATH,
            "QUERY_STRING": "",
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.url_scheme": "http",
            **headers,
        }

    def sign_in(self) -> None:
        """Take a new token, and see that the answer is as expected."""
        self._environ["HTTP_AUTHORIZATION"] = f"Bearer {self._databases.token_for()}"
        body = self()
        if body.count(b'"size"') != ROWS:
            raise RuntimeError(f"The answer is not the one to be measured: {body!r}")

    def __call__(self) -> bytes:
        environ = {**self._environ, "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO()}
        response = self._handler(environ, lambda status, headers: None)
        body = b"".join(response)
        response.close()
        return body


@contextmanager
def _atomic_requests(*, on: bool) -> Iterator[None]:

    settings = connections.settings["default"]
    before = settings["ATOMIC_REQUESTS"]
    settings["ATOMIC_REQUESTS"] = on
    try:
        yield
    finally:
        settings["ATOMIC_REQUESTS"] = before


# Round trips

TRIPS_HEADER = """\
| request | without | with |
|---|---|---|"""


def round_trips(databases: Databases) -> Iterator[str]:
    """Count the round trips of a request, by a proxy between Django and the server."""
    host, port = address_of(databases.wrappers["on"])
    counter = RoundTripCounter(host, port)
    try:
        databases.reconnect("127.0.0.1", counter.port)
        for mode in ("autocommit", "ATOMIC_REQUESTS"):
            for name, headers in _requests(databases.organization):
                with _atomic_requests(on=mode == "ATOMIC_REQUESTS"):
                    off, on = (_round_trips(databases, counter, each, headers) for each in ("off", "on"))
                yield f"| `GET widgets/`, {name}, {mode} | {off} | {on} |"
    finally:
        databases.reconnect(host, port)
        counter.close()


def _round_trips(databases: Databases, counter: RoundTripCounter, name: str, headers: dict[str, str]) -> int:
    databases.use(name)
    request = Requests(databases, **headers)
    request.sign_in()
    counts = set()
    for _ in range(5):
        before = counter.count
        request()
        counts.add(counter.count - before)
    (count,) = counts
    return count
