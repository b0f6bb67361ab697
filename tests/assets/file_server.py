"""A web server for tests, on any loopback address, with or without TLS."""

import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

Answer = Callable[[BaseHTTPRequestHandler], None]


@dataclass(frozen=True)
class Received:
    """A request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class FileServer:
    """What a running server answers, and what it was asked."""

    host: str
    port: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    received: list[Received] = field(default_factory=list)

    def url(self, path: str, *, host: str | None = None, scheme: str = "http") -> str:
        return f"{scheme}://{host or self.host}:{self.port}{path}"

    def asked(self) -> list[str]:
        return [request.path for request in self.received]


def sends(
    content: bytes = b"", *, status: int = 200, declared: bool = True, **headers: str
) -> Answer:
    """An answer with this content; underscores in names of headers become dashes."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if declared:
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def redirects(location: str, *, status: int = 302) -> Answer:
    return sends(status=status, Location=location)


@contextmanager
def file_server(
    host: str = "127.0.0.1", *, port: int = 0, certificate: Path | None = None
) -> Iterator[FileServer]:
    """Serve until the end of the block.

    Args:
        host: Address to listen on.
        port: Any free one by default.
        certificate: A PEM file with key and certificate, to speak TLS.
    """
    shown = FileServer(host)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            shown.received.append(Received(self.command, self.path, headers, body))
            shown.answers.get(self.path, sends(status=404))(self)

        do_POST = do_GET  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep the output of tests clean."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """Clients may go whenever they like."""

    with Server((host, port), Handler) as server:
        if certificate is not None:
            tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            tls.load_cert_chain(certificate)
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        shown.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield shown
        finally:
            server.shutdown()
            thread.join()


def make_certificate(folder: Path, host: str) -> Path:
    """A self-signed certificate for a host, with its key, in one PEM file."""
    key, certificate, both = folder / "key.pem", folder / "certificate.pem", folder / "both.pem"
    request = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    options = ["-subj", f"/CN={host}", "-addext", f"subjectAltName=DNS:{host}"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*request.split(), *options, *files], check=True, capture_output=True)
    both.write_bytes(key.read_bytes() + certificate.read_bytes())
    return both
