from collections.abc import Sequence
from fractions import Fraction

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
def test_frames_are_timed_whatever_their_order_in_the_file(
    stamps: set[int], random: object
) -> None:
    stored = list(stamps)
    random.shuffle(stored)  # type: ignore[attr-defined]  # hypothesis hands out a random.Random
    timeline = _build([_packet(pts) for pts in stored])
    assert timeline.frames == len(stamps)
    assert timeline.has_stamps
    span = (max(stamps) - min(stamps)) / 1000
    assert timeline.fps == pytest.approx((len(stamps) - 1) / span)
    assert timeline.duration_s > span


stamps_of_any_size = st.none() | st.sampled_from([-(2**63) + 1, -1, 0, 1, 2**62, 2**63 - 1])


@given(
    st.lists(
        st.tuples(stamps_of_any_size | st.integers(-(2**63) + 1, 2**63 - 1), stamps_of_any_size),
        min_size=1,
        max_size=30,
    )
)
def test_stamps_without_sense_give_times_that_ascend(
    stamps: list[tuple[int | None, int | None]],
) -> None:
    timeline = _build([_packet(pts, dts=dts) for pts, dts in stamps])
    assert timeline.frames == len(stamps)
    assert 0 <= timeline.duration_s < float("inf")
    assert 0 <= timeline.fps < float("inf")
    if timeline.times_s is not None:
        assert timeline.times_s[0] == 0
        assert (timeline.times_s[1:] >= timeline.times_s[:-1]).all()


@pytest.mark.parametrize("decoded", [False, True], ids=["of presentation", "of decoding"])
def test_stamps_may_be_as_far_apart_as_they_can_be(decoded: bool) -> None:
    stamps = [-(2**63) + 1, -1, 2**62]
    timeline = _build([_packet(None if decoded else at, dts=at) for at in stamps])
    usual_step = 0.75 * 2**63
    assert timeline.duration_s == pytest.approx((1.5 * 2**63 + usual_step) / 1000)
    assert (timeline.times_s is not None) == decoded
    if timeline.times_s is not None:
        assert list(timeline.times_s) == pytest.approx([0, 2**63 / 1000, 1.5 * 2**63 / 1000])


def test_decoding_stamps_give_the_times_where_presentation_stamps_are_missing() -> None:
    timeline = _build([_packet(None, dts=dts) for dts in (100, 140, 180)])
    assert timeline.times_s is not None
    assert list(timeline.times_s) == pytest.approx([0, 0.04, 0.08])
    assert not timeline.has_stamps


def test_the_header_rate_gives_the_times_where_no_stamp_can_be_relied_on() -> None:
    timeline = _build([_packet(7, dts=7) for _ in range(4)])
    assert timeline.times_s is not None
    assert list(timeline.times_s) == pytest.approx([0, 0.1, 0.2, 0.3])
    assert timeline.fps == pytest.approx(10)
    assert timeline.key_frame_before(3) is None


def test_vp8_frames_that_are_never_shown_do_not_count() -> None:
    shown, hidden = b"\x10", b"\x00"
    packets = [_packet(pts, data=data) for pts, data in ((0, shown), (39, hidden), (40, shown))]
    assert _build(packets, codec="vp8").frames == 2
    assert _build(packets, codec="h264").frames == 3


def test_decoding_starts_at_the_last_key_frame_before() -> None:
    keys = [_packet(40 * number, key=number % 4 == 0) for number in range(10)]
    timeline = _build(keys)
    starts = [key.packet if (key := timeline.key_frame_before(n)) else None for n in range(10)]
    assert starts == [0] * 4 + [4] * 4 + [8] * 2


def test_no_packets_are_no_video() -> None:
    with pytest.raises(UnreadableVideo, match="no frames"):
        _build([])


def test_counting_stops_at_the_limit() -> None:
    builder = TimelineBuilder(max_frames=2)
    builder.add(_packet(0), codec="h264")
    builder.add(_packet(1), codec="h264")
    with pytest.raises(VideoTooDemanding, match="more than 2 frames"):
        builder.add(_packet(2), codec="h264")
