from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import pytest
from av.packet import Packet
from av.video.stream import VideoStream
from hypothesis import given
from hypothesis import strategies as st

from unmask_shared.errors import UnreadableVideo, VideoTooDemanding
from unmask_shared.vision.timeline import Timeline, TimelineBuilder

MILLISECOND = Fraction(1, 1000)


def _packet(
    pts: int | None, *, dts: int | None = None, key: bool = False, data: bytes = b"\x10"
) -> "Packet[VideoStream]":
    packet: Packet[VideoStream] = Packet(data)  # type: ignore[assignment]  # made without a stream
    packet.pts, packet.dts, packet.is_keyframe = pts, dts, key
    return packet


def _build(packets: Sequence["Packet[VideoStream]"], *, codec: str = "h264") -> Timeline:
    builder = TimelineBuilder(max_frames=1000)
    for packet in packets:
        builder.add(packet, codec=codec)
    return builder.build(time_base=MILLISECOND, rate=Fraction(10))


@given(st.sets(st.integers(-(10**9), 10**9), min_size=2, max_size=50), st.randoms())
def test_frames_are_numbered_by_when_they_are_shown(stamps: set[int], random: object) -> None:
    stored = list(stamps)
    random.shuffle(stored)  # type: ignore[attr-defined]  # hypothesis hands out a random.Random
    timeline = _build([_packet(pts) for pts in stored])
    numbers = [timeline.number_of(stamp, after=-1) for stamp in sorted(stamps)]
    assert numbers == list(range(len(stamps)))
    assert timeline.times_s[0] == 0
    assert np.all(np.diff(timeline.times_s) > 0)
    assert timeline.duration_s >= timeline.times_s[-1]


def test_decoding_stamps_give_the_times_where_presentation_stamps_are_missing() -> None:
    timeline = _build([_packet(None, dts=dts) for dts in (100, 140, 180)])
    assert list(timeline.times_s) == pytest.approx([0, 0.04, 0.08])
    assert timeline.number_of(None, after=0) == 1


def test_the_header_rate_gives_the_times_where_no_stamp_can_be_relied_on() -> None:
    timeline = _build([_packet(7, dts=7) for _ in range(4)])
    assert list(timeline.times_s) == pytest.approx([0, 0.1, 0.2, 0.3])
    assert timeline.fps == pytest.approx(10)
    assert timeline.key_frame_before(3) is None


def test_frames_without_a_place_are_left_out() -> None:
    timeline = _build([_packet(pts) for pts in (0, 40, 80)])
    assert timeline.number_of(40, after=1) is None
    assert timeline.number_of(-5, after=-1) is None
    assert timeline.number_of(None, after=2) is None


def test_vp8_frames_that_are_never_shown_do_not_count() -> None:
    shown, hidden = b"\x10", b"\x00"
    packets = [_packet(pts, data=data) for pts, data in ((0, shown), (39, hidden), (40, shown))]
    assert len(_build(packets, codec="vp8")) == 2
    assert len(_build(packets, codec="h264")) == 3


def test_decoding_starts_at_the_last_key_frame_that_is_shown_in_time() -> None:
    # In the order of the file; the frame shown at 120 comes after the key frame shown at 160.
    packets = [_packet(0, key=True), _packet(40), _packet(80), _packet(160, key=True)]
    timeline = _build([*packets, _packet(120), _packet(200)])
    starts = [key.packet if (key := timeline.key_frame_before(n)) else None for n in range(6)]
    assert starts == [0, 0, 0, 0, 3, 3]


def test_no_packets_are_no_video() -> None:
    with pytest.raises(UnreadableVideo, match="no frames"):
        _build([])


def test_counting_stops_at_the_limit() -> None:
    builder = TimelineBuilder(max_frames=2)
    builder.add(_packet(0), codec="h264")
    builder.add(_packet(1), codec="h264")
    with pytest.raises(VideoTooDemanding, match="more than 2 frames"):
        builder.add(_packet(2), codec="h264")
