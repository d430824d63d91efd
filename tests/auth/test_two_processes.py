"""What one process revokes, the next request in another knows: two servers, one database, one Redis."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.db import connection

from saas_kit.auth import services
from saas_kit.caching import shared_cache
from saas_kit.tenancy.models import Membership
from saas_kit.tenancy.services import add_member, create_organization
from tests.plugin import ROOT

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.postgresql,
    pytest.mark.redis,
    pytest.mark.hosts("full"),
]

PASSWORD = "correct horse battery"
PATIENCE = 60.0  # seconds that a server gets to start
SETTINGS = """
from tests.hosts.full.settings import *

CACHES = {{"default": {{**CACHES["default"], "KEY_PREFIX": "{prefix}"}}}}
SAAS_KIT_AUTH_CACHE_ACCESS = {cached}
"""


@dataclass(frozen=True)
class Server:
    """A process of the host that answers at a port."""

    port: int

    def call(self, method: str, path: str, token: str, body: Any = None) -> int:
        """Send a request as somebody and return the status of the answer."""
        connected = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connected.request(
                method,
                f"/api/v1/{path}",
                None if body is None else json.dumps(body),
                {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
            )
            return connected.getresponse().status
        finally:
            connected.close()


@contextmanager
def running(environment: dict[str, str], log: Path) -> Iterator[Server]:
    """Start a server on a free port; it has ended when the block has."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "django", "runserver", "--noreload", f"127.0.0.1:{port}"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        _wait_for(port, process, log)
        yield Server(port)
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        with socket.socket() as attempt:
            if attempt.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError(log.read_text())


@pytest.fixture(params=[True, False], ids=["cached", "not cached"])
def cached(request: pytest.FixtureRequest, settings: Any) -> bool:
    """Whether access is cached, in the servers and here."""
    settings.CACHES = {"default": {**settings.CACHES["default"], "KEY_PREFIX": f"test-{uuid4().hex}"}}
    settings.SAAS_KIT_AUTH_CACHE_ACCESS = request.param
    return bool(request.param)


@pytest.fixture
def servers(cached: bool, settings: Any, tmp_path: Path) -> Iterator[tuple[Server, Server]]:
    """Two processes of the host on the database of the test."""
    text = SETTINGS.format(prefix=settings.CACHES["default"]["KEY_PREFIX"], cached=cached)
    (tmp_path / "two_processes.py").write_text(text)
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}")
    environment = {
        **os.environ,
        "DATABASE_URL": url.geturl(),
        "REDIS_URL": django_settings.REDIS_URL,
        "DJANGO_SETTINGS_MODULE": "two_processes",
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(tmp_path)]),
    }
    with ExitStack() as stack:
        one, other = (
            stack.enter_context(running(environment, tmp_path / f"{name}.log")) for name in ("one", "other")
        )
        yield one, other


@dataclass
class Place:
    """An organization of ``owner`` with ``person`` as its admin; everybody is signed in, the person twice."""

    organization: Any
    person: Any
    owner_token: str
    token: str
    device: Any

    @property
    def path(self) -> str:
        return f"organizations/{self.organization.pk}/"

    @property
    def member_path(self) -> str:
        membership = Membership.objects.get(organization=self.organization, user=self.person)
        return f"{self.path}members/{membership.pk}/"


@pytest.fixture
def make_place(make_user: Callable[..., Any], make_account: Callable[..., Any]) -> Callable[[], Place]:
    def make() -> Place:
        owner, person = make_user(password=PASSWORD), make_user(password=PASSWORD)
        account = make_account(owner=owner)
        organization = create_organization(account=account, name=account.name, owner=owner, actor=None)
        add_member(organization, person, "admin", actor=None)
        return Place(
            organization,
            person,
            services.open_session(owner).access,
            services.open_session(person).access,
            services.open_session(person),
        )

    return make


Ask = tuple[str, str, Any]


def rename(place: Place) -> Ask:
    return "PATCH", place.path, {"name": uuid4().hex}


def look(place: Place) -> Ask:
    return "GET", place.path, None


def be(place: Place) -> Ask:
    return "GET", "auth/me/", None


# what the person asks, how it is revoked in the first process, and what they are answered in the second
REVOCATIONS: dict[str, tuple[Callable[[Place], Ask], Callable[[Server, Place], object], int]] = {
    "I63 logout": (be, lambda one, place: one.call("POST", "auth/logout/", place.token), 401),
    "I63 logout everywhere, on another device": (
        be,
        lambda one, place: one.call("POST", "auth/logout/all/", place.device.access),
        401,
    ),
    "I27 another role": (
        rename,
        lambda one, place: one.call("PATCH", place.member_path, place.owner_token, {"role": "viewer"}),
        403,
    ),
    "I28 removed": (look, lambda one, place: one.call("DELETE", place.member_path, place.owner_token), 404),
    "the organization deleted": (
        look,
        lambda one, place: one.call("DELETE", place.path, place.owner_token),
        404,
    ),
    "I74 deactivated, by a command": (
        be,
        lambda one, place: services.deactivate_user(place.person, actor=None),
        401,
    ),
    "I74 another password, on another device": (
        be,
        lambda one, place: one.call(
            "POST",
            "auth/password/change/",
            place.device.access,
            {"current_password": PASSWORD, "new_password": "staple battery horse"},
        ),
        401,
    ),
}


def test_revocations_are_effective_on_the_next_request_in_the_other_process(
    servers: tuple[Server, Server], cached: bool, make_place: Callable[[], Place]
) -> None:
    """I27, I28, I73, I74: both are warm, one revokes, and the other refuses the very next request."""
    one, other = servers
    answers = {}
    for name, (ask, revoke, _) in REVOCATIONS.items():
        place = make_place()
        for server in (one, other, one, other):
            method, path, body = ask(place)
            assert server.call(method, path, place.token, body) == 200, name
            assert server.call("GET", "auth/me/", place.device.access) == 200, name
        method, path, body = ask(place)
        entry = shared_cache.get(f"access:s:{place.device.session.pk}")
        assert (entry is not None) == cached, name

        done = revoke(one, place)

        assert done in (None, 200, 204), name
        answers[name] = other.call(method, path, place.token, body)
        # and whoever has nothing to do with it goes on
        assert other.call("GET", "auth/me/", place.owner_token) == 200, name

    assert answers == {name: expected for name, (_, _, expected) in REVOCATIONS.items()}


def test_what_is_granted_is_effective_too(
    servers: tuple[Server, Server], cached: bool, make_place: Callable[[], Place]
) -> None:
    """I27: somebody who was refused in one process a moment ago is let in once the other has let them in."""
    one, other = servers
    place, newcomer = make_place(), make_place()
    for server in (one, other, one, other):
        assert server.call("GET", place.path, newcomer.token) == 404

    add_member(place.organization, newcomer.person, "viewer", actor=None)

    assert other.call("GET", place.path, newcomer.token) == 200
    assert one.call("GET", place.path, newcomer.token) == 200
