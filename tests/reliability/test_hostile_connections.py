"""Clients that hold connections open, or send what is hardly HTTP: others are served meanwhile."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial

import httpx
import pytest
from gateway_process import GatewayProcess, running_gateway
from raw_http import RawAnswer, RawConnection, exchange, raw_connection, request
from real_services import ValkeyServer

from unmask_gateway.bodies import MAX_SMALL_BODY_BYTES
from unmask_gateway.connections import MAX_HEAD_BYTES

MIB = 1024 * 1024
HEAD_S, BODY_S, UPLOAD_S, KEEP_ALIVE_S, READ_S = 1.0, 1.5, 1.0, 1, 1.5
# What a busy machine may add.
SLACK_S = 6.0
CONNECTIONS = 60
VIDEO = b"GIF89a" + bytes(range(256)) * 4096 * 8
FORM_START = (
    b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.gif"\r\n\r\n' + VIDEO[:4000]
)


@pytest.fixture(scope="module")
def gateway(
    tmp_path_factory: pytest.TempPathFactory, valkey: ValkeyServer
) -> Iterator[GatewayProcess]:
    with running_gateway(
        tmp_path_factory.mktemp("gateway"),
        redis_url=valkey.url,
        request_head_timeout_s=HEAD_S,
        request_body_timeout_s=BODY_S,
        upload_idle_timeout_s=UPLOAD_S,
        response_idle_timeout_s=READ_S,
        keep_alive_s=KEEP_ALIVE_S,
        max_connections=CONNECTIONS,
    ) as process:
        yield process


@pytest.fixture
def url(gateway: GatewayProcess, redis_url: str) -> str:
    """Of a gateway that has no other clients any more."""
    deadline = time.monotonic() + 30
    while exchange(gateway.url, request("GET", "/healthz")).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return gateway.url


@contextmanager
def served_meanwhile(url: str) -> Iterator[None]:
    """Be another client all the while, who has to be answered each time, and soon."""
    done, waits, failures = threading.Event(), [0.0], []

    def ask() -> None:
        while not done.wait(0.05):
            started_at = time.monotonic()
            answer = exchange(url, request("GET", "/healthz", ("Connection", "close")))
            waits.append(time.monotonic() - started_at)
            if answer.status != 200:
                failures.append(answer)

    client = threading.Thread(target=ask)
    client.start()
    try:
        yield
    finally:
        done.set()
        client.join()
    assert not failures
    assert max(waits) < SLACK_S


@contextmanager
def little_memory(gateway: GatewayProcess, most: int = 24 * MIB) -> Iterator[None]:
    """Assert that the gateway holds hardly more than before, at any moment of the block."""
    before, peak, done = gateway.memory_bytes, [0], threading.Event()

    def look() -> None:
        while not done.wait(0.02):
            peak[0] = max(peak[0], gateway.memory_bytes)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        yield
    finally:
        done.set()
        looking.join()
    assert peak[0] - before < most


# --- connections that are held open -----------------------------------------------------------


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\nX-Slow: ",
        request("GET", "/healthz"),
    ],
    ids=["nothing yet", "within a header", "after an answer"],
)
def test_heads_that_dribble_in_are_cut_off_and_others_are_served(url: str, start: bytes) -> None:
    def attack(_: int) -> tuple[float, RawAnswer]:
        with raw_connection(url) as connection:
            connection.send(start)
            if start.endswith(b"\r\n\r\n"):
                assert connection.answer().status == 200
            # Line ends in front of a request are nothing to a parser.
            filling = b"\r\n" * 200 if start.endswith(b"\r\n\r\n") or not start else b"a" * 400
            took_s = connection.dribble(filling, every_s=0.05, limit_s=HEAD_S + SLACK_S)
            return took_s, connection.answer()

    with served_meanwhile(url), ThreadPoolExecutor(20) as pool:
        for took_s, answer in pool.map(attack, range(20)):
            assert took_s < HEAD_S + SLACK_S
            if answer.status not in {0, 200}:
                assert (answer.status, answer.code) == (408, "request_head_timeout")


def test_idle_connections_are_closed(url: str) -> None:
    with ExitStack() as opened, served_meanwhile(url):
        idle = [opened.enter_context(raw_connection(url)) for _ in range(CONNECTIONS // 2)]
        for connection in idle:
            assert connection.is_closed(within_s=HEAD_S + SLACK_S)
    with raw_connection(url) as used:
        used.send(request("GET", "/healthz"))
        assert used.answer().status == 200
        assert used.is_closed(within_s=KEEP_ALIVE_S + SLACK_S)


def test_beyond_the_limit_clients_are_told_to_come_again_and_can(url: str) -> None:
    with ExitStack() as opened:
        idle = [opened.enter_context(raw_connection(url)) for _ in range(CONNECTIONS)]
        refused = exchange(url, request("GET", "/healthz"))
        assert (refused.status, refused.code) == (503, "too_many_connections")
        assert int(refused.headers["retry-after"]) > 0
        assert refused.closed or refused.headers["connection"] == "close"
        for connection in idle:
            assert connection.is_closed(within_s=HEAD_S + SLACK_S)
    assert exchange(url, request("GET", "/healthz")).status == 200


@pytest.mark.parametrize(
    ("method", "path", "media_type", "start", "limit_s", "code"),
    [
        ("POST", "/videos", "multipart/form-data; boundary=B", FORM_START, 30, "upload_stalled"),
        ("POST", "/videos", "multipart/form-data; boundary=B", b"--B\r\nX: ", 30, "upload_stalled"),
        ("POST", "/videos", "application/json", b"{", BODY_S, "body_stalled"),
        ("POST", "/uploads", "application/json", b"{", BODY_S, "body_stalled"),
        ("PUT", "/models/active", "application/json", b"", BODY_S, "body_stalled"),
        ("GET", "/healthz", "text/plain", b"x", BODY_S, "body_stalled"),
    ],
)
def test_bodies_that_dribble_in_are_cut_off_and_others_are_served(
    url: str, method: str, path: str, media_type: str, start: bytes, limit_s: float, code: str
) -> None:
    head = request(method, path, ("Content-Type", media_type), ("Content-Length", str(len(VIDEO))))
    with served_meanwhile(url), raw_connection(url) as connection:
        connection.send(head + start)
        # A form may take as long as its bytes need at the least speed; this is far slower.
        took_s = connection.dribble(b"a" * 1000, every_s=0.05, limit_s=limit_s + SLACK_S)
        answer = connection.answer()
    assert took_s < limit_s + SLACK_S
    assert (answer.status, answer.code) == (408, code)


def test_a_body_that_stops_is_cut_off(url: str) -> None:
    head = request(
        "POST",
        "/videos",
        ("Content-Type", "multipart/form-data; boundary=B"),
        ("Transfer-Encoding", "chunked"),
    )
    with raw_connection(url) as connection:
        connection.send(head + b"%x\r\n" % len(FORM_START) + FORM_START + b"\r\n")
        answer = connection.answer()
        assert (answer.status, answer.code) == (408, "upload_stalled")
        assert connection.is_closed(within_s=SLACK_S)


def test_clients_that_do_not_read_their_answer_are_cut_off(url: str) -> None:
    sent = httpx.post(f"{url}/videos", files={"file": ("a.gif", VIDEO)}, trust_env=False)
    assert sent.status_code == 202
    with served_meanwhile(url), raw_connection(url, receive_buffer=4096) as connection:
        connection.send(request("GET", f"/videos/{sent.json()['id']}/source"))
        time.sleep(READ_S + 2.0)
        # What the kernel had taken by then comes; the rest does not.
        answer = connection.answer()
    assert answer.status == 200
    assert answer.closed
    assert len(answer.body) < len(VIDEO)


# --- heads ------------------------------------------------------------------------------------


def endless(connection: RawConnection, piece: bytes, most: int = 64 * MIB) -> int:
    """Send a piece again and again; returns how much was taken."""
    sent = 0
    while sent < most and connection.send(piece):
        sent += len(piece)
    return sent


@pytest.mark.parametrize(
    ("start", "piece"),
    [
        (b"GET /", b"a" * 65536),
        (b"GET /healthz HTTP/1.1\r\nX-Long: ", b"a" * 65536),
        (b"GET /healthz HTTP/1.1\r\n", b"a" * 65536),
        (b"GET /healthz HTTP/1.1\r\n", b"X-Many: 1\r\n" * 6000),
        (
            request("POST", "/keys", ("Transfer-Encoding", "chunked")) + b"1\r\n{\r\n0\r\n",
            b"X-Trailer: 1\r\n" * 4000,
        ),
        (
            request("POST", "/keys", ("Transfer-Encoding", "chunked")) + b"1;",
            b"extension" * 7000,
        ),
    ],
    ids=["path", "value", "name", "headers", "trailers", "chunk extension"],
)
def test_heads_without_end_are_refused_and_take_no_memory(
    gateway: GatewayProcess, url: str, start: bytes, piece: bytes
) -> None:
    with little_memory(gateway), served_meanwhile(url), raw_connection(url) as connection:
        connection.send(start)
        assert endless(connection, piece) < 64 * MIB
        assert connection.is_closed(within_s=SLACK_S)


def test_a_head_that_is_too_large_is_answered_so(url: str) -> None:
    for sent in (
        request("GET", "/healthz", ("X-Long", "a" * MAX_HEAD_BYTES)),
        request("GET", "/" + "a" * MAX_HEAD_BYTES),
        request("GET", "/healthz", *[("X-Many", "1")] * (MAX_HEAD_BYTES // 6)),
    ):
        answer = exchange(url, sent)
        assert (answer.status, answer.code) == (431, "request_head_too_large")
    fits = request("GET", "/healthz", ("X-Long", "a" * (MAX_HEAD_BYTES - 1000)))
    assert exchange(url, fits).status == 200


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: [::1]\r\n\r\n"


def post(*headers: tuple[str, str | bytes]) -> bytes:
    return request("POST", "/uploads", ("Content-Type", "application/json"), *headers)


NO_PLAIN_HTTP = [
    post(("Content-Length", "5"), ("Transfer-Encoding", "chunked")) + b"0\r\n\r\n" + SMUGGLED,
    post(("Transfer-Encoding", "chunked"), ("Content-Length", "5")) + b"0\r\n\r\n" + SMUGGLED,
    post(("Content-Length", "0"), ("Content-Length", str(len(SMUGGLED)))) + SMUGGLED,
    post(("Content-Length", f"0, {len(SMUGGLED)}")) + SMUGGLED,
    post(("Content-Length", "+0")) + SMUGGLED,
    post(("Content-Length", "-1")) + SMUGGLED,
    post(("Content-Length", "0x0")) + SMUGGLED,
    post(("Content-Length", "1" * 400)) + SMUGGLED,
    post(("Content-Length", b"\xb2")) + SMUGGLED,
    post(("Content-Length", "")) + SMUGGLED,
    post(("Transfer-Encoding", "xchunked")) + b"0\r\n\r\n" + SMUGGLED,
    post(("Transfer-Encoding", "chunked, identity")) + b"0\r\n\r\n" + SMUGGLED,
    post(("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "x")) + b"0\r\n\r\n",
    post(("Transfer-Encoding ", "chunked")) + b"0\r\n\r\n" + SMUGGLED,
    post(("Transfer-Encoding", b"\x0bchunked")) + b"0\r\n\r\n" + SMUGGLED,
    post(("X: 1\r\n Transfer-Encoding", "chunked")) + b"0\r\n\r\n" + SMUGGLED,
    post(("Transfer-Encoding", "chunked")) + b"-1\r\n\r\n" + SMUGGLED,
    post(("Transfer-Encoding", "chunked")) + b"ffffffffffffffffff\r\n" + SMUGGLED,
    post(("Transfer-Encoding", "chunked")) + b"1\n{\n0\n\n" + SMUGGLED,
    b"GET /healthz HTTP/1.1\nHost: [::1]\n\n",
    b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\nX: a\0b\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\nX: a\rb\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\nX y: 1\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\n: 1\r\n\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: [::1]\r\nX\xff: 1\r\n\r\n",
    b"GET /healthz HTTP/9.9\r\n\r\n",
    b"GET /\xff\xfe HTTP/1.1\r\nHost: [::1]\r\n\r\n",
    b"GET http://[::1/ HTTP/1.1\r\nHost: [::1]\r\n\r\n",
    b"CONNECT example.com:443 HTTP/1.1\r\nHost: [::1]\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: [::1]\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + bytes(500),
    b"\0" * 1000,
    b"{}\r\n\r\n",
    request("FOO", "/videos"),
    request("G" * 500, "/videos"),
]


def test_what_is_no_plain_http_is_refused_and_nothing_is_smuggled_in(url: str) -> None:
    def wrong(sent: bytes) -> str | None:
        with raw_connection(url) as connection:
            connection.send(sent)
            answer = connection.answer()
            # A second answer on the connection would be one to the request inside the first.
            rest = connection.answer(limit_s=KEEP_ALIVE_S + SLACK_S)
        is_refused = 400 <= answer.status < 500 and answer.code and b"smuggled" not in answer.body
        is_over = (rest.status, rest.closed) == (0, True)
        return None if is_refused and is_over else f"{sent[:200]!r}: {answer}, then {rest}"

    with ThreadPoolExecutor(len(NO_PLAIN_HTTP)) as pool:
        assert [found for found in pool.map(wrong, NO_PLAIN_HTTP) if found] == []


def test_old_and_sloppy_requests_are_answered_and_end_the_connection(url: str) -> None:
    for sent in (b"GET /healthz\r\n\r\n", b"GET /healthz HTTP/1.0\r\n\r\n"):
        with raw_connection(url) as connection:
            connection.send(sent + SMUGGLED)
            assert connection.answer().status == 200
            assert connection.answer().status == 0


# --- bodies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("chunked", [False, True], ids=["declared", "chunked"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/videos"),
        ("POST", "/uploads"),
        ("POST", "/keys"),
        ("PUT", "/models/active"),
        ("GET", "/videos"),
        ("POST", "/nothing"),
    ],
)
def test_documents_without_end_are_refused_and_take_no_memory(
    gateway: GatewayProcess, url: str, method: str, path: str, chunked: bool
) -> None:
    length = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(10**12))
    piece = b"a" * 65536
    with little_memory(gateway), raw_connection(url) as connection:
        connection.send(request(method, path, ("Content-Type", "application/json"), length))
        framed = b"10000\r\n" + piece + b"\r\n" if chunked else piece
        first = b'5\r\n{"a":\r\n' if chunked else b'{"a":"'
        connection.send(first)
        receiving = ThreadPoolExecutor(1).submit(partial(connection.answer, limit_s=20))
        assert endless(connection, framed, most=256 * MIB) < 256 * MIB
        answer = receiving.result()
    assert (answer.status, answer.code) == (413, "body_too_large")


def test_a_document_may_be_as_large_as_the_limit(url: str) -> None:
    body = b" " * (MAX_SMALL_BODY_BYTES - 2) + b"{}"
    sent = request("POST", "/uploads", ("Content-Type", "application/json"), body=body)
    assert exchange(url, sent).status == 422
    assert exchange(url, sent.replace(b"65536", b"65537") + b" ").code == "body_too_large"
