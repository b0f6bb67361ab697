"""Frames survive any cut of the stream, and nothing that is wrong passes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask_shared.sandbox.errors import ProtocolViolation
from unmask_shared.sandbox.wire import (
    FrameReader,
    JobFrame,
    decode_error,
    decode_progress,
    decode_text,
    encode_error,
    encode_progress,
    encode_text,
    pack,
)

frames = st.lists(
    st.tuples(st.sampled_from([JobFrame.RESULT, JobFrame.ERROR]), st.binary(max_size=300))
)


@given(sent=frames, piece=st.integers(1, 50))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(
    sent: list[tuple[JobFrame, bytes]], piece: int
) -> None:
    stream = b"".join(pack(kind.value, payload) for kind, payload in sent)
    reader = FrameReader()
    got = [
        frame
        for start in range(0, len(stream), piece)
        for frame in reader.feed(stream[start : start + piece])
    ]
    assert got == sent
    assert reader.between_frames


@given(st.binary(max_size=2000))
def test_noise_gives_frames_or_a_violation(noise: bytes) -> None:
    reader = FrameReader()
    try:
        for kind, payload in reader.feed(noise):
            assert kind in JobFrame
            assert len(payload) < len(noise)
    except ProtocolViolation:
        pass


def test_a_long_frame_is_refused_before_it_has_come() -> None:
    head = pack(JobFrame.RESULT.value, b"")[:1] + (1 << 30).to_bytes(4, "big")
    with pytest.raises(ProtocolViolation, match="RESULT frame of 1073741824 bytes"):
        list(FrameReader().feed(head))


@given(st.floats(0, 1))
def test_progress_comes_back(fraction: float) -> None:
    assert decode_progress(encode_progress(fraction), at_least=0.0) == fraction


@given(st.text(max_size=2000))
def test_details_become_one_short_printable_line(detail: str) -> None:
    code, read = decode_error(encode_error("unreadable_video", detail))
    assert code == "unreadable_video"
    assert len(read) <= 500
    assert read.isprintable()
    if detail.isprintable() and len(detail) <= 500:
        assert read == detail


@given(st.text())
def test_every_line_of_a_log_text_is_marked(text: str) -> None:
    read = decode_text(encode_text(text))
    assert all(line.startswith("  | ") for line in read.split("\n") if read)


def test_the_end_of_a_long_text_is_kept() -> None:
    assert decode_text(encode_text("x" * 100_000 + "the error")).endswith("the error")
