"""How often a client waits for its server: what a proxy between them sees."""

from __future__ import annotations

import select
import socket
from threading import Event, Thread


class RoundTripCounter:
    """
    Passes bytes between PostgreSQL and its clients, and counts the round trips.

    One is counted when a client speaks after its server has spoken: what it sends until the answer comes, in however
    many packets and messages, is one.
    """

    def __init__(self, host: str, port: int) -> None:
        self.count = 0
        self._server = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._ended = Event()
        self._thread = Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, and drop the connections."""
        self._ended.set()
        self._thread.join(5)

    def _serve(self) -> None:
        peers: dict[socket.socket, socket.socket] = {}
        clients: set[socket.socket] = set()
        answered: set[socket.socket] = set()
        while not self._ended.is_set():
            ready, _, _ = select.select([self._listener, *peers], [], [], 0.05)
            for each in ready:
                if each is self._listener:
                    client, server = each.accept()[0], socket.create_connection(self._server)
                    for end in (client, server):
                        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    peers |= {client: server, server: client}
                    clients.add(client)
                    answered.add(client)
                    continue
                data = each.recv(1 << 16) if each in peers else b""
                if not data:
                    for end in (each, peers.pop(each, each)):
                        peers.pop(end, None)
                        end.close()
                    continue
                if each not in clients:
                    answered.add(peers[each])
                elif each in answered:
                    answered.discard(each)
                    self.count += 1
                peers[each].sendall(data)
        for end in (self._listener, *peers):
            end.close()
