"""A TCP proxy that breaks connections in the middle of what clients send."""

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class BreakingProxy:
    """Passes bytes on, until it is told to break the next connection that sends a lot."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._breaks_after: int | None = None
        self.broken = 0
        """How many connections were broken so far."""
        self.lets_in = True
        """Whether new connections are taken; otherwise they are closed at once."""
        threading.Thread(target=self._accept, daemon=True).start()

    def break_after(self, sent: int) -> None:
        """Break the next connection on which a client has sent so many bytes."""
        self._breaks_after = sent

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed
                return
            if not self.lets_in:
                _reset(client)
                continue
            threading.Thread(target=self._pass_on, args=(client,), daemon=True).start()

    def _pass_on(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._target) as server:
            back = threading.Thread(target=self._to_client, args=(client, server), daemon=True)
            back.start()
            self._to_server(client, server)
            back.join()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        sent = 0
        with contextlib.suppress(OSError):
            while piece := client.recv(65536):
                sent += len(piece)
                if self._breaks_after is not None and sent > self._breaks_after:
                    self._breaks_after = None
                    self.broken += 1
                    _reset(client)
                    _reset(server)
                    return
                server.sendall(piece)
            server.shutdown(socket.SHUT_WR)

    def _to_client(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while piece := server.recv(65536):
                client.sendall(piece)
            client.shutdown(socket.SHUT_WR)


def _reset(connection: socket.socket) -> None:
    """End it as a crash would, without a farewell."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def breaking_proxy(target: tuple[str, int]) -> Iterator[BreakingProxy]:
    """Run a proxy until the end of the block."""
    proxy = BreakingProxy(target)
    try:
        yield proxy
    finally:
        proxy.close()
