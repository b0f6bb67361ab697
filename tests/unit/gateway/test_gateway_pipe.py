import asyncio
import hashlib
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from unmask_gateway.pipe import ReaderGoneError, UploadPipe
from unmask_gateway.threads import run_in_thread
from unmask_shared.errors import TruncatedUpload


@settings(deadline=None, max_examples=50)
@given(chunks=st.lists(st.binary(min_size=1, max_size=50)), size=st.integers(1, 70))
def test_reads_are_exact_until_the_end(chunks: list[bytes], size: int) -> None:
    def read_all(pipe: UploadPipe) -> list[bytes]:
        return [*iter(lambda: pipe.read(size), b"")]

    async def carry() -> tuple[list[bytes], UploadPipe]:
        pipe = UploadPipe()
        reading = run_in_thread(lambda: read_all(pipe), name="reader")
        for chunk in chunks:
            await pipe.write(chunk)
        pipe.close()
        return await reading, pipe

    reads, pipe = asyncio.run(carry())
    content = b"".join(chunks)
    assert b"".join(reads) == content
    assert all(len(read) == size for read in reads[:-1])
    assert pipe.sha256 == hashlib.sha256(content).hexdigest()
    assert pipe.bytes_read == len(content)


def test_a_writer_waits_for_a_slow_reader_without_blocking_the_loop() -> None:
    async def write_much() -> int:
        pipe = UploadPipe()
        written = 0

        async def write() -> None:
            nonlocal written
            for _ in range(100):
                await pipe.write(bytes(65536))
                written += 65536

        writing = asyncio.create_task(write())
        await asyncio.sleep(0.05)
        held_back = written
        assert not writing.done()
        await run_in_thread(lambda: pipe.read(100 * 65536), name="reader")
        await writing
        return held_back

    assert asyncio.run(write_much()) <= 1024 * 1024 + 65536


def test_a_reader_in_the_middle_of_a_read_meets_the_error_of_the_abort() -> None:
    async def break_off() -> None:
        pipe = UploadPipe()
        reading = run_in_thread(lambda: pipe.read(100), name="reader")
        await pipe.write(b"some")
        await asyncio.sleep(0.01)
        pipe.abort(TruncatedUpload("cut"))
        with pytest.raises(TruncatedUpload, match="cut"):
            await reading
        with pytest.raises(TruncatedUpload, match="cut"):
            pipe.raise_if_aborted()

    asyncio.run(break_off())


def test_a_waiting_writer_learns_that_the_reader_is_gone() -> None:
    async def leave() -> None:
        pipe = UploadPipe()
        await pipe.write(bytes(2 * 1024 * 1024))
        threading.Timer(0.05, pipe.stop_reading).start()
        with pytest.raises(ReaderGoneError):
            await pipe.write(b"more")

    asyncio.run(asyncio.wait_for(leave(), 5))


def test_a_closed_but_unaborted_pipe_raises_nothing() -> None:
    async def close() -> None:
        pipe = UploadPipe()
        pipe.close()
        pipe.raise_if_aborted()
        assert pipe.read(10) == b""

    asyncio.run(close())
