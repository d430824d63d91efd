"""The API as somebody who calls it sees it, in the test's own process and from a server."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email import message_from_string, policy
from email.message import EmailMessage
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import requests
from rest_framework.test import APIClient

pytest_plugins = ["saas_kit.testing.pytest_plugin"]

PROJECT = Path(__file__).resolve().parent.parent
MANAGE = [sys.executable, str(PROJECT / "manage.py")]
START_UP = 90.0  # seconds
PASSWORD = "analytical engine 1843"

# What the run of these tests has in its environment must not reach a process that is started by one.
OURS = re.compile(r"DATABASE_URL|REDIS_|CELERY_|DB_|DEBUG$|DEMO$|SECRET_KEY|DJANGO_|PYTEST_|ENV_FILE")

Send = Callable[[str, str, Mapping[str, str], bytes | None], tuple[int, bytes, Mapping[str, str]]]
_numbers = count(1)


@pytest.fixture(autouse=True)
def _all_rows(every_organization: None) -> None:
    """Let each test look at all rows; the requests that it makes have a scope of their own."""


@dataclass(frozen=True)
class Answer:
    """What the API answered; `body` is None where there was none."""

    status: int
    body: Any
    headers: Mapping[str, str] = field(repr=False)

    @property
    def ids(self) -> set[str]:
        """The ids of a list."""
        return {row["id"] for row in self.body["results"]}

    @property
    def errors(self) -> dict[str | None, str]:
        """The code of each error, by its field."""
        return {error["field"]: error["code"] for error in self.body["errors"]}


@dataclass
class Person:
    """Somebody who calls the API; nobody in particular without a token."""

    send: Send
    token: str = ""
    me: dict[str, Any] = field(default_factory=dict)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """Call the API; keyword arguments are headers, with underscores for dashes."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.token:
            sent["Authorization"] = f"Bearer {self.token}"
        content = None
        if body is not None:
            content, sent["Content-Type"] = json.dumps(body).encode(), "application/json"
        status, text, received = self.send(method, f"/api/v1{path}", sent, content)
        return Answer(status, json.loads(text) if text else None, received)

    def make(self, path: str, **body: Any) -> dict[str, Any]:
        """Create something, which has to work, and return it."""
        answer = self.ask("POST", path, body)
        assert answer.status == 201, answer
        made: dict[str, Any] = answer.body
        return made

    def sign_in(self, email: str, password: str) -> None:
        answer = self.ask("POST", "/auth/login/", {"email": email, "password": password})
        assert answer.status == 200, answer
        self.token, self.me = answer.body["access"], answer.body["user"]


def make_sign_up(send: Send) -> Callable[..., Person]:
    """Return the function that registers somebody with an organization of their own."""

    def sign_up(name: str = "Ada Lovelace", **fields: str) -> Person:
        first_name, _, last_name = name.partition(" ")
        person = Person(send)
        registration = {
            "email": f"{first_name.lower()}-{next(_numbers)}@example.com",
            "password": PASSWORD,
            "first_name": first_name,
            "last_name": last_name,
            **fields,
        }
        answer = person.ask("POST", "/auth/register/", registration)
        assert answer.status == 201, answer
        person.token, person.me = answer.body["access"], answer.body["user"]
        return person

    return sign_up


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def send_in_process(
    method: str, path: str, headers: Mapping[str, str], content: bytes | None
) -> tuple[int, bytes, Mapping[str, str]]:
    client = APIClient(raise_request_exception=False)
    kind = headers.get("Content-Type", "application/octet-stream")
    answer = client.generic(method, path, content or b"", content_type=kind, headers=headers)
    return answer.status_code, answer.content, answer.headers


@pytest.fixture
def sign_up(transactional_db: None) -> Callable[..., Person]:
    """Register somebody, in this process; what happens on commit happens."""
    return make_sign_up(send_in_process)


@pytest.fixture
def nobody(transactional_db: None) -> Person:
    """Somebody who is not signed in, in this process."""
    return Person(send_in_process)


@dataclass
class Process:
    """A command of the project that was started on a database of its own."""

    popen: subprocess.Popen[bytes]
    log: Path

    @property
    def output(self) -> str:
        return self.log.read_text()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Wait until the output matches."""
        deadline = time.monotonic() + START_UP
        while (match := re.search(pattern, self.output)) is None:
            assert self.popen.poll() is None, self.output
            assert time.monotonic() < deadline, self.output
            time.sleep(0.1)
        return match

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to end, and return its exit code."""
        if self.popen.poll() is None:
            self.popen.send_signal(number)
        return self.popen.wait(START_UP)


@pytest.fixture(scope="session")
def clean_environment() -> Callable[..., dict[str, str]]:
    """The environment without what concerns the project, but for the variables that are given."""

    def make(**variables: str) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not OURS.match(name)}
        return {**inherited, "ENV_FILE": os.devnull, **variables}

    return make


@pytest.fixture(scope="session")
def start_command(
    tmp_path_factory: pytest.TempPathFactory, clean_environment: Callable[..., dict[str, str]]
) -> Iterator[Callable[..., Process]]:
    """Start a command of the project, on a copy of a SQLite database or on an empty one."""
    started: list[Process] = []

    def start(*arguments: str, database: Path | None = None, **variables: str) -> Process:
        directory = tmp_path_factory.mktemp("command")
        if database is not None:
            shutil.copy(database, directory / "db.sqlite3")
        log = directory / "log"
        with log.open("wb") as output:
            popen = subprocess.Popen(
                [*MANAGE, *arguments],
                cwd=directory,
                env=clean_environment(DATABASE_URL=f"sqlite:///{directory / 'db.sqlite3'}", **variables),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        started.append(Process(popen, log))
        return started[-1]

    yield start
    for process in started:
        process.stop()


@pytest.fixture(scope="session")
def demo_database(start_command: Callable[..., Process]) -> Path:
    """A SQLite database with the demo's data."""
    process = start_command("demo", "--no-serve")
    assert process.popen.wait(START_UP) == 0, process.output
    return process.log.with_name("db.sqlite3")


@pytest.fixture(scope="session")
def server(start_command: Callable[..., Process], demo_database: Path) -> str:
    """The address of a server with the demo's data."""
    process = start_command("demo", "--port=0", database=demo_database)
    return process.wait_for(r"(http://127\.0\.0\.1:\d+)/api/docs/")[1]


def sender_to(session: requests.Session, address: str) -> Send:
    """Return the function that calls a server."""

    def send(
        method: str, path: str, headers: Mapping[str, str], content: bytes | None
    ) -> tuple[int, bytes, Mapping[str, str]]:
        answer = session.request(method, address + path, headers=headers, data=content, timeout=START_UP)
        return answer.status_code, answer.content, answer.headers

    return send


@pytest.fixture
def sign_up_on_server(server: str) -> Iterator[Callable[..., Person]]:
    """Register somebody, on the server."""
    with requests.Session() as session:
        yield make_sign_up(sender_to(session, server))


@dataclass(frozen=True)
class Mailbox:
    """The mail that a server wrote into a folder."""

    folder: Path

    def read(self) -> list[EmailMessage]:
        """Return all messages, the latest last."""
        files = sorted(self.folder.glob("*"), key=lambda file: file.stat().st_mtime_ns)
        texts = [text for file in files for text in file.read_text().split("\n" + "-" * 79 + "\n")]
        return [message_from_string(text, policy=policy.default) for text in texts if text.strip()]  # type: ignore[arg-type]

    def wait_for(self, subject: str, *, to: str | None = None) -> EmailMessage:
        """Return the latest message about something; what follows an answer comes a moment later."""
        for _ in range(100):
            found = [mail for mail in self.read() if subject in mail["Subject"] and to in (None, mail["To"])]
            if found:
                return found[-1]
            time.sleep(0.1)
        raise AssertionError([(mail["Subject"], mail["To"]) for mail in self.read()])

    def link_in(self, mail: EmailMessage, page: str) -> str:
        """Return the token of the link to a page of the front end, which is the same in each part."""
        found = set(re.findall(rf"https://app\.example\.com/{page}#token=([\w-]+)", self.text_of(mail)))
        assert len(found) == 1, mail
        return str(found.pop())

    def text_of(self, mail: EmailMessage) -> str:
        """Return what can be read of a message: its text and its HTML."""
        return "\n".join(part.get_content() for part in mail.walk() if part.get_content_maintype() == "text")


@pytest.fixture
def strict_server(
    start_command: Callable[..., Process], demo_database: Path, tmp_path: Path
) -> Iterator[tuple[Person, Mailbox]]:
    """Nobody in particular on a server where addresses have to be proved, and the mail that it sends."""
    box = tmp_path / "mail"
    process = start_command(
        "demo",
        "--port=0",
        database=demo_database,
        EMAIL_VERIFICATION="mandatory",
        FRONTEND_URL="https://app.example.com",
        EMAIL_BACKEND="django.core.mail.backends.filebased.EmailBackend",
        EMAIL_FILE_PATH=str(box),
    )
    address = process.wait_for(r"(http://127\.0\.0\.1:\d+)/api/docs/")[1]

    with requests.Session() as session:
        yield Person(sender_to(session, address)), Mailbox(box)
    process.stop()
