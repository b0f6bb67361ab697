"""Videos whose packets carry no times: frames are numbered as they leave the decoder."""

from pathlib import Path

import pytest
from media_factory import number_in, numbered_picture, write_video
from vision_helpers import read_video, timeline_of

FRAMES = 60
# A packetized elementary stream (ISO 13818-1) of video: after the start code and the length come
# two bytes of flags, of which the upper two bits of the second say which stamps there are.
PES_OF_VIDEO = b"\x00\x00\x01\xe0"
FLAGS, NO_STAMPS = 7, 0x3F


def _without_stamps(path: Path) -> int:
    """Take the stamps out of a transport stream; how many packets had some."""
    data = bytearray(path.read_bytes())
    place, taken = data.find(PES_OF_VIDEO), 0
    while place >= 0:
        taken += bool(data[place + FLAGS] & ~NO_STAMPS)
        data[place + FLAGS] &= NO_STAMPS
        place = data.find(PES_OF_VIDEO, place + FLAGS)
    path.write_bytes(data)
    return taken


@pytest.fixture(params=["libx264", "mpeg2video"])
def stream(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    path = write_video(
        tmp_path / "clip.ts",
        map(numbered_picture, range(FRAMES)),
        codec=request.param,
        options={"bf": "2"},
    )
    assert _without_stamps(path) == FRAMES
    return path


def test_frames_are_counted_and_timed_by_the_rate_of_the_stream(stream: Path) -> None:
    timeline = timeline_of(stream)
    assert (timeline.frames, timeline.has_stamps, timeline.key_frames) == (FRAMES, False, ())
    assert timeline.fps == pytest.approx(25)
    assert timeline.duration_s == pytest.approx(FRAMES / 25)
    assert timeline.times_s is not None
    assert list(timeline.times_s) == pytest.approx([number / 25 for number in range(FRAMES)])


def test_clips_have_the_right_frames_at_the_right_times(stream: Path) -> None:
    clips = [range(3, 6), range(40, 44)]
    expected = [number for clip in clips for number in clip]
    _, frames, decoded = read_video(stream, clips)
    assert [frame.number for frame in frames] == expected
    assert [number_in(frame.picture.rgb()) for frame in frames] == expected
    assert [frame.time_s for frame in frames] == pytest.approx([n / 25 for n in expected])
    # Nothing tells where to start, so all that comes before is decoded.
    assert decoded >= 44


def test_all_frames_come_in_order(stream: Path) -> None:
    _, frames, _ = read_video(stream)
    assert [number_in(frame.picture.rgb()) for frame in frames] == list(range(FRAMES))
