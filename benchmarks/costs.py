"""What is compared: lists of 25 rows with and without the guard, with and without row-level security."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.db import connections, models

from benchmarks.databases import Databases
from benchmarks.measuring import Way
from benchmarks.round_trips import RoundTripCounter
from saas_kit.core.models import AliveManager, Identified, SoftDeletable, SoftDeletableQuerySet, Timestamped
from saas_kit.tenancy import scope
from saas_kit.tenancy.guard import _Guarded
from saas_kit.tenancy.models import get_organization_model
from tests.hosts.full.widgets.models import Widget

PATH = "/api/v1/widgets/"
ROWS = 25


@dataclass(frozen=True)
class Case:
    """
    Two ways of getting the same list.

    Attributes:
        around: Makes what both are done in.
    """

    name: str
    without: Way
    with_: Way
    around: Callable[[], AbstractContextManager[object]]


def guard_cases(databases: Databases) -> list[Case]:
    """Return comparisons with a twin of the model that has no guard, and with the guard's methods taken away."""
    organization = databases.organization
    plain = _plain_widget()

    def by_hand() -> object:
        return list(plain.objects.filter(organization_id=organization.pk).order_by("-id")[:ROWS])

    def guarded() -> object:
        return list(Widget.objects.order_by("-id")[:ROWS])

    def guarded_in_scope() -> object:
        with scope(organization):
            return guarded()

    def guarded_and_by_hand() -> object:
        return list(Widget.objects.filter(organization_id=organization.pk).order_by("-id")[:ROWS])

    off = partial(databases.use, "off")
    runs = {
        "ORM": guarded,
        "ORM, and `scope()`": guarded_in_scope,
        "ORM, filtered by hand too": guarded_and_by_hand,
    }
    cases = [
        Case(name, Way(by_hand, off), Way(run, off), partial(scope, organization))
        for name, run in runs.items()
    ]
    for name, headers in _requests(organization):
        request = Requests(databases, **headers)
        without = Way(request, partial(_do, off, _take_guard_away, request.sign_in))
        with_ = Way(request, partial(_do, off, _give_guard_back, request.sign_in))
        cases.append(Case(f"`GET widgets/`, {name}", without, with_, _guard_given_back))
    return cases


def security_cases(databases: Databases) -> list[Case]:
    """Return comparisons of the database that has policies with the one that has none."""
    cases = []
    for mode in ("autocommit", "ATOMIC_REQUESTS"):
        for name, headers in _requests(databases.organization):
            request = Requests(databases, **headers)
            without, with_ = (
                Way(request, partial(_do, partial(databases.use, each), request.sign_in), databases.backend)
                for each in ("off", "on")
            )
            around = partial(_atomic_requests, on=mode == "ATOMIC_REQUESTS")
            cases.append(Case(f"`GET widgets/`, {name}, {mode}", without, with_, around))
    return cases


def round_trips(databases: Databases) -> Iterator[tuple[str, int, int]]:
    """Count the round trips of each request, without and with row-level security."""
    host, port = databases.address
    counter = RoundTripCounter(host, port)
    try:
        databases.reconnect("127.0.0.1", counter.port)
        for case in security_cases(databases):
            with case.around():
                counts = [_round_trips_of(way, counter) for way in (case.without, case.with_)]
            yield case.name, counts[0], counts[1]
    finally:
        databases.reconnect(host, port)
        counter.close()


def _round_trips_of(way: Way, counter: RoundTripCounter) -> int:
    way.prepare()
    counts = set()
    for _ in range(5):
        before = counter.count
        way.run()
        counts.add(counter.count - before)
    (count,) = counts
    return count


def _do(*acts: Callable[[], object]) -> None:
    for act in acts:
        act()


def _requests(organization: Any) -> list[tuple[str, dict[str, str]]]:
    return [("narrowed by `X-Organization`", {"HTTP_X_ORGANIZATION": str(organization.pk)}), ("flat", {})]


class Requests:
    """Answers one request again and again, by Django's own handler."""

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
        """Take a new token, and see that the answer has its rows."""
        self._environ["HTTP_AUTHORIZATION"] = f"Bearer {self._databases.new_token()}"
        body = self()
        if body.count(b'"size"') != ROWS:
            raise RuntimeError(f"The answer is not the one to be measured: {body!r}")

    def __call__(self) -> bytes:
        environ = {**self._environ, "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO()}
        response = self._handler(environ, _start_response)
        body = b"".join(response)
        response.close()
        return body


def _start_response(status: str, headers: Any, exc_info: Any = None) -> Callable[[bytes], object]:
    return len  # what a server would write with


@contextmanager
def _atomic_requests(*, on: bool) -> Iterator[None]:
    settings = connections.settings["default"]
    before = settings["ATOMIC_REQUESTS"]
    settings["ATOMIC_REQUESTS"] = on
    try:
        yield
    finally:
        settings["ATOMIC_REQUESTS"] = before


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


_GUARDS = {name: vars(_Guarded)[name] for name in ("get_compiler", "join", "chain")}


def _take_guard_away() -> None:
    for name in _GUARDS:
        if name in vars(_Guarded):
            delattr(_Guarded, name)


def _give_guard_back() -> None:
    for name, function in _GUARDS.items():
        setattr(_Guarded, name, function)


@contextmanager
def _guard_given_back() -> Iterator[None]:
    try:
        yield
    finally:
        _give_guard_back()
