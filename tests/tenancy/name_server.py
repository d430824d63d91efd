"""A small name server for tests: it answers what it is told to, over UDP and TCP, on an address of this machine."""

from __future__ import annotations

import random
import socketserver
import struct
import threading
from collections.abc import Callable
from typing import Any

import dns.flags
import dns.message
import dns.rcode
import dns.rrset

MAX_UDP_SIZE = 512
PORTS = range(20_000, 32_000)


class NameServer:
    """
    Answers questions for TXT records; for a name that it does not know with NXDOMAIN.

    Attributes:
        texts: The records of each name, written as in a zone file: a record in several parts is ``"a" "b"``.
        aliases: Names that are other names.
        failing: Names that it answers with SERVFAIL.
        silent: Names that it does not answer.
        asked: The names that it was asked for.
        when_asked: Called before each answer.
    """

    def __init__(self) -> None:
        self.texts: dict[str, list[str]] = {}
        self.aliases: dict[str, str] = {}
        self.failing: set[str] = set()
        self.silent: set[str] = set()
        self.asked: list[str] = []
        self.when_asked: Callable[[], Any] = lambda: None

    def publish(self, record: Any, *more: str) -> None:
        """Have a record, and texts beside it at the same name."""
        self.texts[record["name"]] = [f'"{record["value"]}"', *(f'"{each}"' for each in more)]

    def answer(self, wire: bytes, *, over_udp: bool) -> bytes | None:
        question = dns.message.from_wire(wire)
        name = question.question[0].name.to_text(omit_final_dot=True)
        self.asked.append(name)
        self.when_asked()
        if name in self.silent:
            return None
        response = dns.message.make_response(question)
        response.flags |= dns.flags.RA
        if name in self.failing:
            response.set_rcode(dns.rcode.SERVFAIL)
            return response.to_wire()
        if name in self.aliases:
            target = self.aliases[name]
            response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "CNAME", f"{target}."))
            name = target
        if name not in self.texts:
            response.set_rcode(dns.rcode.NXDOMAIN)
        elif self.texts[name]:
            response.answer.append(dns.rrset.from_text(f"{name}.", 60, "IN", "TXT", *self.texts[name]))
        if over_udp and len(response.to_wire()) > MAX_UDP_SIZE:
            response = dns.message.make_response(question)
            response.flags |= dns.flags.TC
        return response.to_wire()

    def start(self) -> None:
        """Begin to answer, at ``address``."""
        told = self

        class OverUDP(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                wire, socket = self.request
                answer = told.answer(wire, over_udp=True)
                if answer is not None:
                    socket.sendto(answer, self.client_address)

        class OverTCP(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                (size,) = struct.unpack("!H", self.rfile.read(2))
                answer = told.answer(self.rfile.read(size), over_udp=False)
                if answer is not None:
                    self.wfile.write(struct.pack("!H", len(answer)) + answer)

        while True:
            place = ("127.0.0.1", random.choice(PORTS))
            try:
                udp = socketserver.UDPServer(place, OverUDP)
            except OSError:
                continue
            try:
                tcp = socketserver.TCPServer(place, OverTCP)
            except OSError:
                udp.server_close()
                continue
            break
        self.address = f"{place[0]}:{place[1]}"
        self._servers = (udp, tcp)
        for server in self._servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        """Answer no more."""
        for server in self._servers:
            server.shutdown()
            server.server_close()
