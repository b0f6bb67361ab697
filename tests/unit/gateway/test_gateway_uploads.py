"""The upload path without HTTP: real store, real threads, a client made of an async generator."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from starlette.requests import ClientDisconnect

from unmask_gateway.access.caller import Caller
from unmask_gateway.access.keys import Scope
from unmask_gateway.access.quotas import Quotas
from unmask_gateway.access.settings import LimitSettings
from unmask_gateway.model_choice import ModelChoice
from unmask_gateway.settings import GatewaySettings
from unmask_gateway.submissions import Submissions
from unmask_gateway.uploads import UploadReceiver
from unmask_gateway.webhooks.settings import WebhookSettings
from unmask_gateway.webhooks.targets import WebhookTargets
from unmask_shared.artifacts import record_key, source_key
from unmask_shared.broker import make_celery
from unmask_shared.errors import (
    EmptyUpload,
    NotAVideo,
    ObjectStoreUnavailable,
    TooManyUploads,
    TruncatedUpload,
    UnmaskError,
    UploadStalled,
    UploadTooLarge,
)
from unmask_shared.job_store import make_job_store
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.object_store import ByteStream, LocalObjectStore
from unmask_shared.settings import JobSettings
from unmask_shared.videos import VideoRecord

HEADER = "multipart/form-data; boundary=B"
OPENING = b'--B\r\nContent-Disposition: form-data; name="file"; filename="a.gif"\r\n\r\n'
CLOSING = b"\r\n--B--\r\n"
VIDEO = b"GIF89a" + bytes(range(256)) * 1000

Receive = Callable[..., VideoRecord]


class HangingStore(LocalObjectStore):
    """A local folder whose disk hangs until it is released, as a network mount may."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.released = threading.Event()

    def put_stream(self, key: str, stream: ByteStream, *, content_type: str) -> None:
        self.released.wait(10)
        super().put_stream(key, stream, content_type=content_type)


class FullStore(LocalObjectStore):
    """A local folder on a disk that is full after the first bytes."""

    def put_stream(self, key: str, stream: ByteStream, *, content_type: str) -> None:
        stream.read(1000)
        raise ObjectStoreUnavailable("The disk is full.")


def make_receiver(store: LocalObjectStore, **limits: float) -> UploadReceiver:
    job_settings = JobSettings()
    submissions = Submissions(
        store=store,
        jobs=make_job_store(job_settings),
        celery=make_celery(job_settings),
        models=ModelChoice(ModelRegistry(store)),
        webhooks=WebhookTargets(store, WebhookSettings()),
        quotas=Quotas(make_job_store(job_settings), LimitSettings()),
    )
    return UploadReceiver(submissions.keep, GatewaySettings.model_validate(limits))


async def pieces(*bodies: bytes) -> AsyncIterator[bytes]:
    for body in bodies:
        yield body


def receive(receiver: UploadReceiver, body: AsyncIterator[bytes]) -> VideoRecord:
    accepted = asyncio.run(receiver.receive(body, content_type=HEADER, content_length=None))
    return accepted.record


def everything(store: LocalObjectStore) -> list[str]:
    return list(store.keys(""))


def wait_until(condition: Callable[[], bool]) -> None:
    event = threading.Event()
    for _ in range(500):
        if condition():
            return
        event.wait(0.01)
    raise AssertionError("the condition never became true")


def upload_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "upload"]


def test_a_kept_upload_is_stored_byte_for_byte_with_its_record(
    local_store: LocalObjectStore,
) -> None:
    record = receive(make_receiver(local_store), pieces(OPENING, VIDEO[:100], VIDEO[100:], CLOSING))
    assert local_store.get(source_key(record.id)) == VIDEO
    assert VideoRecord.model_validate_json(local_store.get(record_key(record.id))) == record
    assert record.upload.bytes == len(VIDEO)
    assert record.upload.sha256 == hashlib.sha256(VIDEO).hexdigest()


async def client_that_goes() -> AsyncIterator[bytes]:
    yield OPENING + VIDEO
    raise ClientDisconnect


async def client_that_stops() -> AsyncIterator[bytes]:
    yield OPENING + VIDEO
    await asyncio.sleep(60)


async def client_that_drips() -> AsyncIterator[bytes]:
    yield OPENING + VIDEO[:6000]
    while True:
        await asyncio.sleep(0.02)
        yield b"x"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (lambda: pieces(OPENING, VIDEO), TruncatedUpload),
        (client_that_goes, TruncatedUpload),
        (client_that_stops, UploadStalled),
        (client_that_drips, UploadStalled),
        (lambda: pieces(OPENING, VIDEO, b"x" * 300_000, CLOSING), UploadTooLarge),
        (lambda: pieces(OPENING, b"plain text" * 1000, CLOSING), NotAVideo),
        (lambda: pieces(OPENING, CLOSING), EmptyUpload),
    ],
    ids=["body ends", "client goes", "client stops", "drips", "too large", "no video", "empty"],
)
def test_what_is_refused_leaves_nothing_behind(
    local_store: LocalObjectStore,
    tmp_path: Path,
    body: Callable[[], AsyncIterator[bytes]],
    error: type[UnmaskError],
) -> None:
    receiver = make_receiver(
        local_store,
        max_upload_bytes=400_000,
        upload_idle_timeout_s=0.2,
        upload_min_bytes_per_s=100_000,
    )
    with pytest.raises(error):
        receive(receiver, body())
    assert everything(local_store) == []
    assert list((tmp_path / "store" / "incoming").iterdir()) == []
    wait_until(lambda: not upload_threads())


def test_a_store_that_fails_half_way_ends_the_upload_with_its_error(tmp_path: Path) -> None:
    store = FullStore(tmp_path)

    async def endless() -> AsyncIterator[bytes]:
        yield OPENING + VIDEO
        while True:
            yield bytes(65536)

    with pytest.raises(ObjectStoreUnavailable, match="full"):
        receive(make_receiver(store), endless())
    assert everything(store) == []


@pytest.mark.parametrize("size", [1000, 5_000_000], ids=["at the end", "in the middle"])
def test_a_store_that_hangs_is_given_up_and_later_cleaned(tmp_path: Path, size: int) -> None:
    store = HangingStore(tmp_path)
    receiver = make_receiver(store, store_timeout_s=0.1)
    body = pieces(OPENING, VIDEO, *[bytes(50_000)] * (size // 50_000), CLOSING)
    with pytest.raises(ObjectStoreUnavailable, match=r"0\.1 s"):
        receive(receiver, body)
    store.released.set()
    wait_until(lambda: not upload_threads())
    assert everything(store) == []


def test_a_cancelled_request_ends_its_thread_and_leaves_nothing(
    local_store: LocalObjectStore,
) -> None:
    receiver = make_receiver(local_store)

    async def cancel_in_the_middle() -> None:
        upload = asyncio.create_task(
            receiver.receive(client_that_stops(), content_type=HEADER, content_length=None)
        )
        await asyncio.sleep(0.1)
        upload.cancel()
        with pytest.raises(asyncio.CancelledError):
            await upload

    asyncio.run(cancel_in_the_middle())
    wait_until(lambda: not upload_threads())
    assert everything(local_store) == []


def test_the_loop_serves_others_while_the_store_hangs(tmp_path: Path) -> None:
    store = HangingStore(tmp_path)
    receiver = make_receiver(store)

    async def upload_and_tick() -> int:
        upload = asyncio.create_task(
            receiver.receive(
                pieces(OPENING, VIDEO, CLOSING), content_type=HEADER, content_length=None
            )
        )
        ticks = 0
        for _ in range(10):
            await asyncio.sleep(0.01)
            ticks += 1
        assert not upload.done()
        store.released.set()
        await upload
        return ticks

    assert asyncio.run(upload_and_tick()) == 10


def test_surplus_uploads_are_refused_until_one_has_ended(tmp_path: Path) -> None:
    store = HangingStore(tmp_path)
    receiver = make_receiver(store, max_parallel_uploads=2)

    def one() -> "asyncio.Task[VideoRecord]":
        body = pieces(OPENING, VIDEO, CLOSING)
        return asyncio.create_task(receiver.receive(body, content_type=HEADER, content_length=None))

    async def crowd() -> None:
        first, second = one(), one()
        await asyncio.sleep(0.05)
        with pytest.raises(TooManyUploads):
            await one()
        store.released.set()
        await asyncio.gather(first, second)
        await asyncio.gather(one(), one())

    asyncio.run(crowd())
    assert len(everything(store)) == 8


def test_one_key_cannot_take_all_places(local_store: LocalObjectStore, tmp_path: Path) -> None:
    store = HangingStore(tmp_path / "store")
    receiver = make_receiver(store, max_parallel_uploads=3, max_parallel_uploads_per_key=2)

    def one(owner: str | None) -> "asyncio.Task[object]":
        body = pieces(OPENING, VIDEO, CLOSING)
        caller = Caller(key_id=owner, scopes=frozenset({Scope.SUBMIT}))
        return asyncio.create_task(
            receiver.receive(body, content_type=HEADER, content_length=None, caller=caller)
        )

    async def crowd() -> None:
        ours = [one("ours"), one("ours")]
        await asyncio.sleep(0.1)
        with pytest.raises(TooManyUploads, match="2 uploads with this key"):
            await one("ours")
        theirs = one("theirs")
        await asyncio.sleep(0.1)
        with pytest.raises(TooManyUploads, match="3 uploads are running"):
            await one("others")
        store.released.set()
        await asyncio.gather(*ours, theirs)
        # Whoever has no key is not counted as one.
        await asyncio.gather(one("ours"), one("ours"))
        await asyncio.gather(one(None), one(None), one(None))

    asyncio.run(crowd())


def test_refused_uploads_give_their_place_back(local_store: LocalObjectStore) -> None:
    receiver = make_receiver(local_store, max_parallel_uploads=1)

    async def fail_then_succeed() -> None:
        for _ in range(3):
            with pytest.raises(NotAVideo):
                await receiver.receive(
                    pieces(OPENING, b"text", CLOSING), content_type=HEADER, content_length=None
                )
        await receiver.receive(
            pieces(OPENING, VIDEO, CLOSING), content_type=HEADER, content_length=None
        )

    asyncio.run(fail_then_succeed())


def test_a_declared_length_over_the_limit_is_refused_before_the_body_is_asked_for(
    local_store: LocalObjectStore,
) -> None:
    asked = False

    async def watched() -> AsyncIterator[bytes]:
        nonlocal asked
        asked = True
        yield OPENING

    receiver = make_receiver(local_store, max_upload_bytes=1000)
    with pytest.raises(UploadTooLarge, match="1000"):
        asyncio.run(receiver.receive(watched(), content_type=HEADER, content_length=1_000_000))
    assert not asked
