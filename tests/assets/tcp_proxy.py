"""A TCP proxy that can be slow, and cut everything."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress


class TcpProxy:
    """Passes connections on to an address; `latency_s` holds up each piece that goes through."""

    def __init__(self, target: str) -> None:
        """Listen on a free loopback port.

        Args:
            target: `host:port` to pass connections on to.
        """
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self.latency_s = 0.0
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @contextmanager
    def slow(self, latency_s: float) -> Iterator[None]:
        """Hold up every piece, both ways, for the length of the block."""
        self.latency_s = latency_s
        try:
            yield
        finally:
            self.latency_s = 0.0

    def cut(self) -> None:
        """Break all connections off; new ones are taken."""
        with self._lock:
            broken, self._open = self._open, set()
        for one in broken:
            _close(one)

    def close(self) -> None:
        """Take no more connections, and break off the others."""
        _close(self._listener)
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connect, args=(client,), daemon=True).start()

    def _connect(self, client: socket.socket) -> None:
        try:
            server = socket.create_connection(self._target, timeout=10)
        except OSError:
            _close(client)
            return
        server.settimeout(None)
        with self._lock:
            self._open |= {client, server}
        for source, target in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(source, target), daemon=True).start()

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(256 * 1024):
                if self.latency_s:
                    time.sleep(self.latency_s)
                target.sendall(data)
        # Either end closes both: nobody here sends after the other side has ended.
        with self._lock:
            self._open -= {source, target}
        _close(source)
        _close(target)


def _close(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
