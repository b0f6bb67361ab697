from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from media_factory import number_in, numbered_picture, quadrants, write_sound, write_video

from unmask_shared.errors import NotAVideo, NoVideoStream, UnreadableVideo, VideoTooDemanding
from unmask_shared.vision.frames import (
    DecodedFrame,
    DecodeLimits,
    plan_clips,
    probe_video,
    read_clips,
)
from unmask_shared.vision.source import VideoSource

LIMITS = DecodeLimits(max_pixels=1_000_000, max_frames=2000)


def _read(path: Path, clips: Sequence[range], limits: DecodeLimits = LIMITS) -> list[DecodedFrame]:
    return [frame for clip in read_clips(probe_video(path, limits), clips) for frame in clip]


CONTAINERS = [
    ("mp4", "libx264"),
    ("mov", "mpeg4"),
    ("mkv", "libx264"),
    ("webm", "libvpx-vp9"),
    ("webm", "libvpx"),
    ("avi", "mpeg4"),
    ("mpg", "mpeg2video"),
    ("ts", "libx264"),
    ("flv", "libx264"),
    ("wmv", "wmv2"),
]


@pytest.mark.parametrize(("suffix", "codec"), CONTAINERS)
def test_every_container_gives_all_frames_in_order(tmp_path: Path, suffix: str, codec: str) -> None:
    path = write_video(tmp_path / f"clip.{suffix}", map(numbered_picture, range(30)), codec=codec)
    info = probe_video(path, LIMITS).info
    assert (info.frames, info.width, info.height) == (30, 160, 48)
    assert info.fps == pytest.approx(25, rel=0.02)
    assert info.duration_s == pytest.approx(1.2, rel=0.02)
    frames = _read(path, [range(30)])
    assert [frame.number for frame in frames] == list(range(30))
    assert [number_in(frame.rgb()) for frame in frames] == list(range(30))


def test_the_name_of_the_file_does_not_matter(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", map(numbered_picture, range(3)))
    nameless = path.rename(tmp_path / "concat:source")
    assert probe_video(nameless, LIMITS).info.frames == 3


@pytest.mark.parametrize("x264", ["bframes=3:b-adapt=0", "bframes=3:b-adapt=0:open-gop=1"])
def test_gaps_between_clips_are_skipped_to_the_right_frames(tmp_path: Path, x264: str) -> None:
    path = write_video(
        tmp_path / "long.mp4", map(numbered_picture, range(400)), options={"x264-params": x264}
    )
    plan = plan_clips(400, 8, 5)
    frames = _read(path, plan)
    expected = [number for clip in plan for number in clip]
    assert [frame.number for frame in frames] == expected
    assert [number_in(frame.rgb()) for frame in frames] == expected
    assert [frame.time_s for frame in frames] == pytest.approx([n / 25 for n in expected])


def test_packets_in_long_gaps_are_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_video(tmp_path / "long.mp4", map(numbered_picture, range(400)))
    video = probe_video(path, LIMITS)
    decoded = []
    decode = VideoSource.decode

    def spy(source: VideoSource, packet: Any) -> Any:
        decoded.append(packet)
        return decode(source, packet)

    monkeypatch.setattr(VideoSource, "decode", spy)
    for _ in read_clips(video, plan_clips(400, 8, 2)):
        pass
    assert len(decoded) < 50


def test_times_follow_a_variable_frame_rate(tmp_path: Path) -> None:
    times = [0, 40, 80, 200, 205, 700, 1500]
    path = write_video(tmp_path / "vfr.mkv", map(numbered_picture, range(7)), times_ms=times)
    video = probe_video(path, LIMITS)
    assert [frame.time_s for frame in _read(path, [range(7)])] == pytest.approx(
        [time / 1000 for time in times]
    )
    assert video.info.fps == pytest.approx(6 / 1.5)


def test_times_start_at_zero_wherever_the_stamps_do(tmp_path: Path) -> None:
    times = [5000, 5040, 5080]
    path = write_video(tmp_path / "late.mkv", map(numbered_picture, range(3)), times_ms=times)
    times_s = [frame.time_s for frame in _read(path, [range(3)])]
    assert times_s == pytest.approx([0, 0.04, 0.08])


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "one.mp4", [numbered_picture(5)])
    info = probe_video(path, LIMITS).info
    assert (info.frames, info.fps) == (1, 0.0)
    assert [number_in(frame.rgb()) for frame in _read(path, plan_clips(1, 16, 16))] == [5]


def test_an_animated_gif_is_a_video(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "moving.gif", map(numbered_picture, range(12)), codec="gif", pix_fmt="rgb8"
    )
    assert [number_in(frame.rgb()) for frame in _read(path, [range(12)])] == list(range(12))


def test_stamps_that_start_again_do_not_lose_frames(tmp_path: Path) -> None:
    part = write_video(tmp_path / "a.ts", map(numbered_picture, range(10)), codec="mpeg2video")
    twice = tmp_path / "twice.ts"
    twice.write_bytes(part.read_bytes() * 2)
    frames = _read(twice, [range(20)])
    assert len(frames) >= 18
    times = [frame.time_s for frame in frames]
    assert times == sorted(set(times))


def test_sound_alone_has_no_video_stream(tmp_path: Path) -> None:
    with pytest.raises(NoVideoStream, match="1 streams of the mp4 file"):
        probe_video(write_sound(tmp_path / "sound.m4a"), LIMITS)


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(NoVideoStream, match="2 streams"):
        probe_video(write_sound(tmp_path / "song.mp4", cover=True), LIMITS)


@pytest.mark.parametrize(
    "content",
    [b"", b"nothing to see", b"#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1/segment.ts\n"],
    ids=["empty", "text", "playlist"],
)
def test_files_of_other_kinds_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(NotAVideo):
        probe_video(path, LIMITS)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_noise_behind_a_good_header_is_unreadable(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"clip.{suffix}", map(numbered_picture, range(5)))
    noise = np.random.default_rng(0).bytes(20_000)
    path.write_bytes(path.read_bytes()[:64] + noise)
    with pytest.raises(UnreadableVideo):
        probe_video(path, LIMITS)


def test_an_mp4_cut_before_its_index_is_unreadable(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", map(numbered_picture, range(50)))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UnreadableVideo, match="mp4 container is damaged"):
        probe_video(path, LIMITS)


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_what_comes_before_a_cut_is_used(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"clip.{suffix}", map(numbered_picture, range(100)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    video = probe_video(path, LIMITS)
    assert 20 < video.info.frames < 80
    frames = _read(path, plan_clips(video.info.frames, 16, 16))
    assert len(frames) >= video.info.frames - 2
    assert [number_in(frame.rgb()) for frame in frames] == [frame.number for frame in frames]


def test_frames_around_damage_are_used(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.ts", map(numbered_picture, range(100)), codec="mpeg2video")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = np.random.default_rng(1).bytes(3000)
    path.write_bytes(bytes(content))
    numbers = [number_in(frame.rgb()) for frame in _read(path, [range(100)])]
    assert {0, 1, 2, 97, 98, 99} <= set(numbers)


def test_an_unknown_codec_is_unreadable(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", map(numbered_picture, range(5)), codec="mpeg4")
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"zzzz"))
    with pytest.raises(UnreadableVideo):
        probe_video(path, LIMITS)


def test_frames_larger_than_the_limit_are_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [quadrants(96, 64)])
    with pytest.raises(VideoTooDemanding, match="96x64"):
        probe_video(path, DecodeLimits(max_pixels=96 * 64 - 1, max_frames=10))
    assert probe_video(path, DecodeLimits(max_pixels=96 * 64, max_frames=10)).info.frames == 1


def test_more_frames_than_the_limit_are_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", map(numbered_picture, range(30)))
    with pytest.raises(VideoTooDemanding, match="more than 29 frames"):
        probe_video(path, DecodeLimits(max_pixels=10**6, max_frames=29))
    assert probe_video(path, DecodeLimits(max_pixels=10**6, max_frames=30)).info.frames == 30
