"""A gateway on a local folder that is killed during an upload, or whose disk is full."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import psutil
from gateway_process import GatewayProcess, running_gateway

MIB = 1024 * 1024
LIMIT_S = 60.0


def form(file: Iterator[bytes]) -> Iterator[bytes]:
    yield b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.gif"\r\n\r\nGIF89a'
    yield from file
    yield b"\r\n--B--\r\n"


def post(gateway: GatewayProcess, file: Iterator[bytes]) -> httpx.Response:
    headers = {"Content-Type": "multipart/form-data; boundary=B"}
    return httpx.post(
        f"{gateway.url}/videos", content=form(file), headers=headers, trust_env=False, timeout=60
    )


def wait_until(gateway: GatewayProcess, *, stored: bool) -> None:
    deadline = time.monotonic() + LIMIT_S
    while bool(gateway.stored_keys()) != stored:
        assert time.monotonic() < deadline, gateway.stored_keys()
        time.sleep(0.05)


def test_a_gateway_that_is_killed_during_an_upload_leaves_nothing_for_good(
    tmp_path: Path, redis_url: str
) -> None:
    def endless() -> Iterator[bytes]:
        while True:
            yield bytes(64 * 1024)
            time.sleep(0.05)

    def send() -> None:
        with suppress(httpx.TransportError):
            post(gateway, endless())

    quick = {"abandoned_after_s": 2, "remains_patience_s": 2}
    with running_gateway(tmp_path, redis_url=redis_url, **quick) as gateway:
        sender = threading.Thread(target=send)
        sender.start()
        wait_until(gateway, stored=True)
        gateway.kill()
        sender.join(30)
        assert not sender.is_alive()
        assert len(gateway.stored_keys()) == 1
        gateway.run()
        wait_until(gateway, stored=False)


@contextmanager
def no_room(gateway: GatewayProcess) -> Iterator[None]:
    """Let no file grow beyond a mebibyte: that fails as a full disk does, and can be lifted."""
    process = psutil.Process(gateway.pid)
    before = process.rlimit(psutil.RLIMIT_FSIZE)
    process.rlimit(psutil.RLIMIT_FSIZE, (MIB, before[1]))
    try:
        yield
    finally:
        process.rlimit(psutil.RLIMIT_FSIZE, before)


def test_a_full_disk_is_told_and_nothing_is_half_accepted(tmp_path: Path, redis_url: str) -> None:
    with running_gateway(tmp_path, redis_url=redis_url) as gateway:
        with no_room(gateway):
            refused = post(gateway, iter([bytes(MIB)] * 3))
            assert gateway.stored_keys() == []
            small = post(gateway, iter([bytes(1000)]))
        taken = post(gateway, iter([bytes(MIB)] * 3))
        stored = gateway.stored_keys()
    assert refused.status_code == 503
    assert refused.json()["code"] == "object_store_unavailable"
    assert "File too large" in refused.json()["detail"]
    assert int(refused.headers["retry-after"]) > 0
    assert (small.status_code, taken.status_code) == (202, 202)
    ids = [answer.json()["id"] for answer in (small, taken)]
    assert stored == sorted(
        f"videos/{id_}/{name}" for id_ in ids for name in ("record.json", "source")
    )
