from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from media_factory import number_in, numbered_picture, quadrants, write_sound, write_video
from vision_helpers import info_of, read_video, timeline_of

from unmask_shared.errors import NotAVideo, NoVideoStream, UnreadableVideo, VideoTooDemanding
from unmask_shared.vision.frames import DecodedFrame
from unmask_shared.vision.sampling import spread_clips
from unmask_shared.vision.source import DecodeLimits, VideoSource


def _read(path: Path, clips: Sequence[Sequence[int]]) -> list[DecodedFrame]:
    return read_video(path, clips)[1]


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
    info = info_of(path)
    assert (info.frames, info.width, info.height) == (30, 160, 48)
    assert info.fps == pytest.approx(25, rel=0.02)
    assert info.duration_s == pytest.approx(1.2, rel=0.02)
    frames = _read(path, [range(30)])
    assert [frame.number for frame in frames] == list(range(30))
    assert [number_in(frame.picture.rgb()) for frame in frames] == list(range(30))


@pytest.mark.parametrize("suffix", ["avi", "mkv", "ts", "flv"])
@pytest.mark.parametrize("b_frames", ["0", "2"])
def test_frames_are_in_order_with_and_without_reordering(
    tmp_path: Path, suffix: str, b_frames: str
) -> None:
    path = write_video(
        tmp_path / f"clip.{suffix}", map(numbered_picture, range(60)), options={"bf": b_frames}
    )
    frames = _read(path, [range(20), range(30, 50)])
    assert [frame.number for frame in frames] == [*range(20), *range(30, 50)]
    assert [number_in(frame.picture.rgb()) for frame in frames] == [*range(20), *range(30, 50)]
    assert [frame.time_s for frame in frames] == pytest.approx(
        [frame.number / 25 for frame in frames], abs=0.002
    )


def test_the_name_of_the_file_does_not_matter(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mkv", map(numbered_picture, range(3)))
    nameless = path.rename(tmp_path / "concat:source")
    assert info_of(nameless).frames == 3


@pytest.mark.parametrize("x264", ["bframes=3:b-adapt=0", "bframes=3:b-adapt=0:open-gop=1"])
def test_gaps_between_clips_are_skipped_to_the_right_frames(tmp_path: Path, x264: str) -> None:
    path = write_video(
        tmp_path / "long.mp4", map(numbered_picture, range(400)), options={"x264-params": x264}
    )
    plan = spread_clips(400, 8, 5)
    frames = _read(path, plan)
    expected = [number for clip in plan for number in clip]
    assert [frame.number for frame in frames] == expected
    assert [number_in(frame.picture.rgb()) for frame in frames] == expected
    assert [frame.time_s for frame in frames] == pytest.approx([n / 25 for n in expected])


def test_an_mp4_is_not_read_between_clips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_video(
        tmp_path / "long.mp4", map(numbered_picture, range(600)), options={"bf": "3"}
    )
    read = 0
    packets = VideoSource.packets

    def counted(source: VideoSource) -> Iterator[object]:
        nonlocal read
        for packet in packets(source):
            read += 1
            yield packet

    monkeypatch.setattr(VideoSource, "packets", counted)
    _, frames, _ = read_video(path, spread_clips(600, 8, 3))
    assert [frame.number for frame in frames] == [*range(8), *range(296, 304), *range(592, 600)]
    assert read < 200


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_packets_in_long_gaps_are_not_decoded(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"long.{suffix}", map(numbered_picture, range(400)))
    _, frames, decoded = read_video(path, spread_clips(400, 8, 2))
    assert [frame.number for frame in frames] == [*range(8), *range(392, 400)]
    assert decoded < 50


def test_frames_on_the_way_that_no_other_needs_are_not_decoded(tmp_path: Path) -> None:
    options = {"x264-params": "bframes=3:b-adapt=0:b-pyramid=none"}
    path = write_video(
        tmp_path / "one_key.mp4", map(numbered_picture, range(200)), key_every=500, options=options
    )
    _, frames, decoded = read_video(path, [range(180, 200)])
    assert [number_in(frame.picture.rgb()) for frame in frames] == list(range(180, 200))
    assert decoded == 200  # given to the decoder, which leaves out three of four on the way


@pytest.mark.parametrize("start", [48, 50, 96])
def test_clips_behind_an_open_group_of_pictures_are_whole(tmp_path: Path, start: int) -> None:
    options = {"x265-params": "open-gop=1:bframes=4:b-adapt=0:log-level=none"}
    path = write_video(
        tmp_path / "open.mp4",
        map(numbered_picture, range(144)),
        codec="libx265",
        key_every=24,
        options=options,
    )
    frames = _read(path, [range(start, start + 16)])
    numbers = [frame.number for frame in frames]
    assert len(numbers) == 16
    assert start <= numbers[0] <= start + 4
    assert [number_in(frame.picture.rgb()) for frame in frames] == numbers


def test_times_follow_a_variable_frame_rate(tmp_path: Path) -> None:
    times = [0, 40, 80, 200, 205, 700, 1500]
    path = write_video(tmp_path / "vfr.mkv", map(numbered_picture, range(7)), times_ms=times)
    info, frames, _ = read_video(path)
    assert [frame.time_s for frame in frames] == pytest.approx([time / 1000 for time in times])
    assert info.fps == pytest.approx(6 / 1.5)


def test_times_start_at_zero_wherever_the_stamps_do(tmp_path: Path) -> None:
    times = [5000, 5040, 5080]
    path = write_video(tmp_path / "late.mkv", map(numbered_picture, range(3)), times_ms=times)
    times_s = [frame.time_s for frame in _read(path, [range(3)])]
    assert times_s == pytest.approx([0, 0.04, 0.08])


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    path = write_video(tmp_path / "one.mp4", [numbered_picture(5)])
    info = info_of(path)
    assert (info.frames, info.fps) == (1, 0.0)
    assert [number_in(frame.picture.rgb()) for frame in _read(path, spread_clips(1, 16, 16))] == [5]


def test_an_animated_gif_is_a_video(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "moving.gif", map(numbered_picture, range(12)), codec="gif", pix_fmt="rgb8"
    )
    assert [number_in(frame.picture.rgb()) for frame in _read(path, [range(12)])] == list(range(12))


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
        info_of(write_sound(tmp_path / "sound.m4a"))


def test_the_cover_of_a_song_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(NoVideoStream, match="2 streams"):
        info_of(write_sound(tmp_path / "song.mp4", cover=True))


@pytest.mark.parametrize(
    "content",
    [b"", b"nothing to see", b"#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1/segment.ts\n"],
    ids=["empty", "text", "playlist"],
)
def test_files_of_other_kinds_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)
    with pytest.raises(NotAVideo):
        info_of(path)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
def test_noise_behind_a_good_header_is_unreadable(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"clip.{suffix}", map(numbered_picture, range(5)))
    noise = np.random.default_rng(0).bytes(20_000)
    path.write_bytes(path.read_bytes()[:64] + noise)
    with pytest.raises(UnreadableVideo):
        info_of(path)


def test_an_mp4_cut_before_its_index_is_unreadable(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", map(numbered_picture, range(50)))
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(UnreadableVideo, match="mp4 container is damaged"):
        info_of(path)


def test_frames_beyond_the_end_of_a_cut_mp4_do_not_count(tmp_path: Path) -> None:
    path = write_video(
        tmp_path / "clip.mp4",
        map(numbered_picture, range(100)),
        muxer_options={"movflags": "faststart"},
    )
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 3 // 4])
    info, frames, _ = read_video(path)
    assert 20 < info.frames < 90
    assert [number_in(frame.picture.rgb()) for frame in frames] == list(range(len(frames)))
    assert len(frames) >= info.frames - 2


@pytest.mark.parametrize("suffix", ["mkv", "ts"])
def test_what_comes_before_a_cut_is_used(tmp_path: Path, suffix: str) -> None:
    path = write_video(tmp_path / f"clip.{suffix}", map(numbered_picture, range(100)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    info, frames, _ = read_video(path)
    assert 20 < info.frames < 80
    assert len(frames) >= info.frames - 2
    assert [number_in(frame.picture.rgb()) for frame in frames] == [
        frame.number for frame in frames
    ]


def test_frames_around_damage_are_used(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.ts", map(numbered_picture, range(100)), codec="mpeg2video")
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = np.random.default_rng(1).bytes(3000)
    path.write_bytes(bytes(content))
    numbers = [number_in(frame.picture.rgb()) for frame in _read(path, [range(100)])]
    assert {0, 1, 2, 97, 98, 99} <= set(numbers)


def test_an_unknown_codec_is_unreadable(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.avi", map(numbered_picture, range(5)), codec="mpeg4")
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"zzzz"))
    with pytest.raises(UnreadableVideo):
        info_of(path)


def test_frames_larger_than_the_limit_are_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [quadrants(96, 64)])
    with pytest.raises(VideoTooDemanding, match="96x64"):
        info_of(path, DecodeLimits(max_pixels=96 * 64 - 1, max_frames=10))
    assert info_of(path, DecodeLimits(max_pixels=96 * 64, max_frames=10)).frames == 1


def test_more_frames_than_the_limit_are_refused(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", map(numbered_picture, range(30)))
    with pytest.raises(VideoTooDemanding, match="more than 29 frames"):
        info_of(path, DecodeLimits(max_pixels=10**6, max_frames=29))
    assert info_of(path, DecodeLimits(max_pixels=10**6, max_frames=30)).frames == 30


@pytest.mark.parametrize("movflags", ["", "faststart", "frag_keyframe+empty_moov"])
@pytest.mark.parametrize("codec", ["libx264", "libx265", "mpeg4"])
def test_the_index_of_an_mp4_says_what_counting_says(
    tmp_path: Path, movflags: str, codec: str
) -> None:
    path = write_video(
        tmp_path / "clip.mp4",
        map(numbered_picture, range(50)),
        codec=codec,
        muxer_options={"movflags": movflags} if movflags else None,
    )
    indexed, counted = timeline_of(path), timeline_of(path, counted=True)
    assert indexed.frames == counted.frames == 50
    assert indexed.fps == pytest.approx(counted.fps)
    assert indexed.duration_s == pytest.approx(counted.duration_s)
    assert [(key.packet, key.shown) for key in indexed.key_frames] == [
        (key.packet, key.shown) for key in counted.key_frames
    ]
    assert indexed.can_seek == ("frag" not in movflags)


def test_a_lying_index_is_not_believed(tmp_path: Path) -> None:
    """Key frames are looked for where the table says, and found by reading where they are not."""
    path = write_video(tmp_path / "clip.mp4", map(numbered_picture, range(100)))
    content = path.read_bytes()
    table = content.index(b"stss")
    count = int.from_bytes(content[table + 8 : table + 12], "big")
    moved = b"".join((1 + 7 * i).to_bytes(4, "big") for i in range(count))
    path.write_bytes(content[: table + 12] + moved + content[table + 12 + 4 * count :])
    for frame in _read(path, [range(60, 76)]):
        assert frame.number in range(60, 76)
