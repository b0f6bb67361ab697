"""Large uploads must neither fill the gateway's memory nor be read when they are refused anyway."""

import http.client
import json
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from gateway_process import GatewayProcess

MIB = 1024 * 1024
MP4_START = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41"
HEAD = b'--B\r\nContent-Disposition: form-data; name="file"; filename="big.mp4"\r\n\r\n'
TAIL = b"\r\n--B--\r\n"


@pytest.fixture
def gateway(tmp_path: Path, redis_url: str) -> Iterator[GatewayProcess]:
    process = GatewayProcess(tmp_path, redis_url=redis_url, max_upload_bytes=1024 * MIB)
    process.run()
    yield process
    process.kill()
    # pytest keeps the folders of its last runs; a gigabyte each is too much.
    shutil.rmtree(process.data_dir)


class Body:
    """A form with one file of a given size, made as it is sent; it knows how much was taken."""

    def __init__(self, file_bytes: int) -> None:
        self.sent_bytes = 0
        self._file_bytes = file_bytes

    @property
    def length(self) -> int:
        return len(HEAD) + self._file_bytes + len(TAIL)

    def __iter__(self) -> Iterator[bytes]:
        yield HEAD + MP4_START
        block = bytes(range(256)) * (MIB // 256)
        left = self._file_bytes - len(MP4_START)
        while left > 0:
            piece = block[:left]
            yield piece
            left -= len(piece)
            self.sent_bytes += len(piece)
        yield TAIL


def post(gateway: GatewayProcess, body: Body, *, declare_length: bool) -> tuple[int, str]:
    """Send the body as stubbornly as simple clients do; return the status and the response."""
    connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=60)
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    if declare_length:
        headers["Content-Length"] = str(body.length)
    # A refused client may see its connection close while it sends; the response is there by then.
    with suppress(ConnectionError):
        connection.request(
            "POST", "/videos", body=body, headers=headers, encode_chunked=not declare_length
        )
    response = connection.getresponse()
    text = response.read().decode()
    connection.close()
    return response.status, text


@contextmanager
def peak_memory(gateway: GatewayProcess) -> Iterator[list[int]]:
    """Collect how much memory the gateway holds while the block runs."""
    samples = [gateway.memory_bytes]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.02):
            samples.append(gateway.memory_bytes)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield samples
    finally:
        done.set()
        sampler.join()


def test_a_gibibyte_passes_through_with_little_memory(gateway: GatewayProcess) -> None:
    with peak_memory(gateway) as samples:
        status, text = post(gateway, Body(1024 * MIB), declare_length=True)
    assert status == 202, text
    assert json.loads(text)["source"]["bytes"] == 1024 * MIB
    assert max(samples) - samples[0] < 100 * MIB


def test_a_body_that_declares_too_much_is_refused_at_once(gateway: GatewayProcess) -> None:
    body = Body(8 * 1024 * MIB)
    started = time.monotonic()
    status, text = post(gateway, body, declare_length=True)
    assert status == 413, text
    assert body.sent_bytes < 256 * MIB
    assert time.monotonic() - started < 10
    assert gateway.stored_keys() == []


def test_a_body_of_unknown_length_is_refused_at_the_limit(gateway: GatewayProcess) -> None:
    body = Body(8 * 1024 * MIB)
    with peak_memory(gateway) as samples:
        status, text = post(gateway, body, declare_length=False)
    assert status == 413, text
    assert body.sent_bytes < (1024 + 256) * MIB
    assert max(samples) - samples[0] < 100 * MIB
    assert gateway.stored_keys() == []
