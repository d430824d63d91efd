"""
An SMTP server on this machine, that keeps what it takes and fails as it is told to.

``SmtpSink`` runs in a thread of the tests. ``python -m tests.email.smtp_sink PORT FILE`` is a process of its own, that
appends a line to the file for each message before it answers that it has taken it; SIGUSR1 lets it refuse everybody,
and SIGUSR2 lets it work again.
"""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.parser import BytesParser
from pathlib import Path
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult

_PORTS = range(
    20_000, 32_000
)  # below those that systems give to clients, which could take one while it is down
_NOT_NOW = "421 4.3.2 Come back later"
_TAKEN = "250 2.0.0 Taken"


def free_port() -> int:
    """Return a port that nobody listens on, and that no client is given."""
    while True:
        port = random.choice(_PORTS)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)):
                return port


@contextmanager
def serving(path: Path) -> Iterator[int]:
    """Run a server in a process of its own, that appends to a file, and give its port."""
    port = free_port()
    command = [sys.executable, "-m", "tests.email.smtp_sink", str(port), str(path)]
    with subprocess.Popen(command, cwd=Path(__file__).parents[2]) as process:
        try:
            wait_for_server(port)
            yield port
        finally:
            process.kill()


def wait_for_server(port: int) -> None:
    """
    Return when somebody listens on a port.

    Raises:
        TimeoutError: Nobody does for a minute.
    """
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with socket.socket() as attempt:
            if not attempt.connect_ex(("127.0.0.1", port)):
                return
        time.sleep(0.05)
    raise TimeoutError(f"Nobody listens on port {port}.")


def _abort(server: SMTP) -> None:
    if isinstance(server.transport, asyncio.Transport):
        server.transport.abort()


@dataclass(frozen=True)
class Taken:
    """A message that the server has taken."""

    recipients: tuple[str, ...]
    content: bytes

    @property
    def message(self) -> EmailMessage:
        """The message, read."""
        content = self.content.replace(b"\r\n", b"\n")
        return BytesParser(EmailMessage, policy=policy.default).parsebytes(content)

    @property
    def message_id(self) -> str:
        """Its ``Message-ID``."""
        return str(self.message["Message-ID"])


@dataclass
class SmtpSink:
    """
    A server in a thread. It asks for no user name and password, and takes none.

    Attributes:
        taken: What it has taken, in order.
        attempts: How many messages it was given, taken or not.
        connections: How often somebody has connected.
        sender_answer: What it answers to ``MAIL FROM``; empty: it goes on.
        recipient_answers: What it answers to ``RCPT TO``, by address.
        data_answers: What it answers after the content, by the address of the recipient.
        dropped_after_data: How many more connections it closes once it has taken a message, without an answer.
        seconds: How long it takes over each message.
    """

    port: int = field(default_factory=free_port)
    taken: list[Taken] = field(default_factory=list)
    attempts: int = 0
    connections: int = 0
    sender_answer: str = ""
    recipient_answers: dict[str, str] = field(default_factory=dict)
    data_answers: dict[str, str] = field(default_factory=dict)
    dropped_after_data: int = 0
    seconds: float = 0.0
    _controller: Controller | None = None
    _open: list[SMTP] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen."""
        self._controller = Controller(
            self,
            hostname="127.0.0.1",
            port=self.port,
            server_hostname="localhost",
            auth_require_tls=False,
            authenticator=lambda *_: AuthResult(success=False, handled=False),
        )
        self._controller.start()

    def stop(self) -> None:
        """Be down: nobody listens any more."""
        controller, self._controller = self._controller, None
        if controller is not None:
            asyncio.run_coroutine_threadsafe(self._hang_up(), controller.loop).result()
            controller.stop()

    async def _hang_up(self) -> None:
        for each in self._open:
            _abort(each)
        self._open.clear()
        await asyncio.sleep(0.01)  # in which the ends of the connections are noticed

    @property
    def message_ids(self) -> list[str]:
        """The ``Message-ID`` of each message that was taken, in order."""
        return [each.message_id for each in self.taken]

    async def handle_EHLO(  # noqa: N802 - aiosmtpd finds it by this name
        self, server: SMTP, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        self._open.append(server)
        session.host_name = hostname
        return responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        self.attempts += 1
        if self.sender_answer:
            return self.sender_answer
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if answer := self.recipient_answers.get(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        await asyncio.sleep(self.seconds)
        for address in envelope.rcpt_tos:
            if answer := self.data_answers.get(address):
                return answer
        self.taken.append(Taken(tuple(envelope.rcpt_tos), envelope.content))
        if self.dropped_after_data:
            self.dropped_after_data -= 1
            _abort(server)
        return _TAKEN


class _Appending:
    """Appends ``<recipient> <Message-ID>`` for each message."""

    def __init__(self, path: Path) -> None:
        self._refusal = ""
        self._file = path.open("a", buffering=1)

    def refuse(self, answer: str) -> None:
        self._refusal = answer

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self._refusal:
            return self._refusal
        envelope.mail_from = address
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        head = envelope.content.partition(b"\r\n\r\n")[0]
        self._file.write(f"{envelope.rcpt_tos[0]} {message_from_bytes(head)['Message-ID']}\n")
        return _TAKEN


async def _serve(port: int, path: Path) -> None:
    handler = _Appending(path)
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, handler.refuse, _NOT_NOW)
    loop.add_signal_handler(signal.SIGUSR2, handler.refuse, "")
    server = await loop.create_server(lambda: SMTP(handler, hostname="localhost"), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), Path(sys.argv[2])))
