"""Sends large files: through the gateway, and past it straight into its object store."""

import http.client
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from gateway_process import GatewayProcess
from minio import Minio

from unmask_shared.object_store import LocalObjectStore

MIB = 1024 * 1024
BLOCK = random.Random(0).randbytes(MIB)
MP4_START = b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41"
# As curl makes them.
BOUNDARY = b"------------------------d74496d66958873e8b1234"
HEAD = b'--%s\r\nContent-Disposition: form-data; name="file"; filename="big.mp4"\r\n\r\n' % BOUNDARY
TAIL = b"\r\n--%s--\r\n" % BOUNDARY
# What the fastest clients of S3 do with files of this size.
PART_BYTES = 16 * MIB
PARTS_AT_ONCE = 4


def file_pieces(size: int) -> Iterator[bytes]:
    """Bytes that begin like a video, made as they are sent."""
    yield MP4_START
    left = size - len(MP4_START)
    while left > 0:
        yield BLOCK[:left]
        left -= MIB


@dataclass
class FileStream:
    """The same bytes, to be read."""

    size: int
    pieces: Iterator[bytes] = field(init=False)
    rest: bytes = b""

    def __post_init__(self) -> None:
        self.pieces = file_pieces(self.size)

    def read(self, size: int = -1, /) -> bytes:
        taken = []
        while size and (piece := self.rest or next(self.pieces, b"")):
            taken.append(piece[:size])
            self.rest = piece[size:]
            size -= len(taken[-1])
        return b"".join(taken)


def send_to_gateway(gateway: GatewayProcess, size: int) -> float:
    """Send a form with one file; seconds until the answer was read."""
    started_at = time.perf_counter()
    connection = http.client.HTTPConnection(urlsplit(gateway.url).netloc, timeout=300)
    headers = {
        "Content-Type": f"multipart/form-data; boundary={BOUNDARY.decode()}",
        "Content-Length": str(len(HEAD) + size + len(TAIL)),
    }
    connection.request("POST", "/videos", body=_form(size), headers=headers)
    response = connection.getresponse()
    text = response.read()
    connection.close()
    if response.status != 202:
        raise SystemExit(f"the gateway refused: {text!r}")
    return time.perf_counter() - started_at


def _form(size: int) -> Iterator[bytes]:
    yield HEAD
    yield from file_pieces(size)
    yield TAIL


def put_in_one_request(client: Minio, bucket: str, size: int) -> float:
    """One PUT of all bytes, signed beforehand: nothing is hashed by the client."""
    url = urlsplit(client.presigned_put_object(bucket, "straight"))
    started_at = time.perf_counter()
    connection = http.client.HTTPConnection(url.netloc, timeout=300)
    connection.request(
        "PUT",
        f"{url.path}?{url.query}",
        body=file_pieces(size),
        headers={"Content-Length": str(size)},
    )
    response = connection.getresponse()
    text = response.read()
    connection.close()
    if response.status != 200:
        raise SystemExit(f"the object store refused: {text!r}")
    return time.perf_counter() - started_at


def put_in_parts(client: Minio, bucket: str, size: int) -> float:
    """MinIO's client, several parts at the same time."""
    started_at = time.perf_counter()
    client.put_object(
        bucket,
        "straight",
        FileStream(size),
        length=size,
        part_size=PART_BYTES,
        num_parallel_uploads=PARTS_AT_ONCE,
    )
    return time.perf_counter() - started_at


def put_in_folder(store: LocalObjectStore, size: int) -> float:
    """The local store, called directly."""
    started_at = time.perf_counter()
    store.put_stream("straight", FileStream(size), content_type="video/mp4")
    return time.perf_counter() - started_at


def send_many(gateway: GatewayProcess, *, count: int, size: int) -> float:
    """As many uploads at the same time; seconds until all are accepted."""
    started_at = time.perf_counter()
    with ThreadPoolExecutor(count) as pool:
        list(pool.map(lambda _: send_to_gateway(gateway, size), range(count)))
    return time.perf_counter() - started_at


@contextmanager
def growth_mib(gateway: GatewayProcess) -> Iterator[list[float]]:
    """Collect by how much the gateway's memory exceeds that before the block."""
    before = gateway.memory_bytes
    samples: list[float] = []
    done = threading.Event()

    def sample() -> None:
        while not done.wait(0.02):
            samples.append((gateway.memory_bytes - before) / MIB)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        yield samples
    finally:
        done.set()
        sampler.join()
