"""What is found out about single videos and folders of them, on real files, damaged ones too."""

import contextlib
import hashlib
import multiprocessing
import os
import shutil
import signal
import struct
import threading
import time
from fractions import Fraction
from pathlib import Path

import pytest
from media_factory import scenery, write_sound, write_video

from unmask_shared.errors import (
    InvalidRequest,
    NotAVideo,
    NoVideoStream,
    UnmaskError,
    UnreadableVideo,
    VideoTooDemanding,
)
from unmask_shared.vision.source import DecodeLimits
from unmask_trainer.statistics.inspection import Inspection, VideoFacts, inspect_video
from unmask_trainer.statistics.isolation import Lost, run_isolated
from unmask_trainer.statistics.survey import SurveyedVideo, find_videos, survey_videos

B_FRAMES = {"preset": "medium", "bf": "3"}


def pictures(count, width=96, height=64):
    return [scenery(width, height, seed=number) for number in range(count)]


def inspect(path, **options) -> VideoFacts:
    return inspect_video(path, Inspection(**options))


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """30 frames at 25 per second, stored in another order than they are shown in."""
    path = tmp_path_factory.mktemp("clip") / "clip.mp4"
    return write_video(path, pictures(30), options=B_FRAMES)


# --- One video -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "codec", "container", "encoder", "options"),
    [
        ("clip.mp4", "h264", "mp4", "libx264", B_FRAMES),
        ("clip.mkv", "h264", "matroska", "libx264", B_FRAMES),
        ("clip.webm", "vp9", "matroska", "libvpx-vp9", {"deadline": "realtime"}),
        ("clip.avi", "mpeg4", "avi", "mpeg4", {}),
        ("clip.ts", "mpeg2video", "mpeg-ts", "mpeg2video", {}),
    ],
)
def test_frames_rate_and_duration_are_counted(tmp_path, name, codec, container, encoder, options):
    path = write_video(
        tmp_path / name, pictures(40, 128, 96), fps=50, codec=encoder, options=options
    )

    facts = inspect(path, decode=True)

    assert (facts.container, facts.codec) == (container, codec)
    assert (facts.frames, facts.decoded_frames, facts.complete) == (40, 40, True)
    assert facts.fps == pytest.approx(50, rel=0.01)
    assert facts.duration_s == pytest.approx(0.8, abs=0.005)
    assert (facts.width, facts.height) == (128, 96)


def test_the_size_is_that_of_the_shown_picture(tmp_path):
    turned = write_video(tmp_path / "turned.mp4", pictures(2), rotation=90)
    wide = write_video(tmp_path / "wide.mp4", pictures(2), sample_aspect_ratio=Fraction(2, 1))

    assert (inspect(turned).width, inspect(turned).height) == (64, 96)
    assert (inspect(wide).width, inspect(wide).height) == (192, 64)


def test_a_varying_frame_rate_is_averaged_over_the_time_stamps(tmp_path):
    times = [0, 20, 40, 60, 1060, 1080, 2000]
    path = write_video(tmp_path / "clip.mkv", pictures(7), times_ms=times)

    assert inspect(path).fps == pytest.approx(6 / 2.0, rel=1e-3)


def test_a_header_that_claims_more_frames_than_there_are_is_not_believed(clip, tmp_path):
    lying = tmp_path / "lying.mp4"
    content = bytearray(clip.read_bytes())
    entry = content.index(b"stts") + 12  # past the version and the number of entries
    (claimed,) = struct.unpack_from(">I", content, entry)
    assert claimed == 30
    struct.pack_into(">I", content, entry, 5000)
    lying.write_bytes(content)

    facts = inspect(lying)

    assert facts.header.frames == 5000
    assert facts.frames == 30
    assert facts.fps == pytest.approx(25, rel=0.01)


def test_of_a_file_that_was_cut_off_the_rest_is_counted(tmp_path):
    whole = write_video(tmp_path / "whole.avi", pictures(60), codec="mpeg4")
    cut = tmp_path / "cut.avi"
    content = whole.read_bytes()
    cut.write_bytes(content[: len(content) // 2])

    facts = inspect(cut)

    assert facts.header.frames == 60
    assert 20 < facts.frames < 40
    assert facts.duration_s == pytest.approx(facts.frames / 25, abs=0.05)


def test_decoding_tells_how_many_frames_are_sound(tmp_path):
    path = write_video(tmp_path / "clip.mp4", pictures(30), key_every=1)
    content = bytearray(path.read_bytes())
    middle = content.index(b"mdat") + (len(content) - content.index(b"mdat")) // 2
    content[middle : middle + 8000] = bytes(8000)
    path.write_bytes(content)

    assert inspect(path).frames == 30
    facts = inspect(path, decode=True)
    assert facts.frames == 30
    assert facts.decoded_frames == facts.usable_frames
    assert 0 < facts.usable_frames < 30


@pytest.mark.parametrize("stop_at", [1, 10, 29])
def test_counting_can_stop_early_without_bending_the_rate(clip, stop_at):
    facts = inspect(clip, stop_at=stop_at)

    assert (facts.frames, facts.complete) == (stop_at, False)
    assert facts.fps == pytest.approx(25 if stop_at > 1 else 0, rel=1e-6)
    assert facts.duration_s is None


@pytest.mark.parametrize("stop_at", [30, 300])
def test_a_video_that_ends_in_time_is_counted_whole(clip, stop_at):
    facts = inspect(clip, stop_at=stop_at, decode=True)

    assert (facts.frames, facts.decoded_frames, facts.complete) == (30, 30, True)


def test_a_long_video_is_read_no_further_than_asked(tmp_path):
    path = write_video(tmp_path / "clip.mkv", pictures(1) * 500, key_every=1)
    limits = DecodeLimits(max_pixels=10_000, max_frames=100)

    assert inspect(path, stop_at=50, limits=limits).frames == 50
    with pytest.raises(VideoTooDemanding, match="more than 100 frames"):
        inspect(path, stop_at=450, limits=limits)


def test_the_digest_is_that_of_all_bytes(clip):
    assert inspect(clip).sha256 is None
    assert inspect(clip, digest=True).sha256 == hashlib.sha256(clip.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", NotAVideo),
        (b"file,label\nclip.mp4,real\n" * 40, NotAVideo),
        (b"\x00\x00\x00\x18ftypmp42" + bytes(500), UnreadableVideo),
    ],
)
def test_what_is_no_video_is_told_apart(tmp_path, content, error):
    path = tmp_path / "clip.mp4"
    path.write_bytes(content)

    with pytest.raises(error):
        inspect(path)


def test_sound_without_pictures_is_told_apart(tmp_path):
    with pytest.raises(NoVideoStream):
        inspect(write_sound(tmp_path / "song.mp4"))


def test_a_video_of_which_nothing_can_be_decoded_is_unreadable(tmp_path):
    path = write_video(tmp_path / "clip.mp4", pictures(5))
    content = bytearray(path.read_bytes())
    start = content.index(b"mdat") + 4
    stop = content.index(b"moov") - 4
    content[start:stop] = bytes(stop - start)
    path.write_bytes(content)

    with pytest.raises(UnreadableVideo, match="None of the 5 h264 frames can be decoded"):
        inspect(path)


def test_a_file_that_cannot_be_opened_is_unreadable(tmp_path):
    with pytest.raises(UnreadableVideo, match="No such file"):
        inspect(tmp_path / "gone.mp4")


# --- Processes that crash and hang --------------------------------------------------------------


def test_results_belong_to_their_arguments():
    found = dict(run_isolated(abs, [-3, 4, -5, 6, -7], workers=2, timeout_s=60))

    assert found == {0: 3, 1: 4, 2: 5, 3: 6, 4: 7}


def test_a_crash_costs_one_result_and_no_other():
    signals = [signal.SIGCONT, signal.SIGSEGV, signal.SIGCONT, signal.SIGABRT, signal.SIGCONT]

    found = dict(run_isolated(signal.raise_signal, signals, workers=2, timeout_s=60))

    assert [found[position] for position in (0, 2, 4)] == [None, None, None]
    for position, cause in ((1, "SIGSEGV"), (3, "SIGABRT")):
        lost = found[position]
        assert isinstance(lost, Lost)
        assert (lost.cause, lost.timed_out) == (cause, False)


def test_an_exit_is_told_apart_from_a_signal():
    ((_, lost),) = run_isolated(os._exit, [3], workers=1, timeout_s=60)

    assert isinstance(lost, Lost)
    assert lost.cause == "exit status 3"


def test_what_hangs_is_ended_and_the_others_go_on():
    started = time.monotonic()

    found = dict(run_isolated(time.sleep, [600, 0, 0, 0], workers=2, timeout_s=4))

    assert time.monotonic() - started < 60
    assert isinstance(found[0], Lost)
    assert found[0].timed_out
    assert [found[position] for position in (1, 2, 3)] == [None, None, None]


def test_no_process_is_left_when_nobody_wants_more_results():
    results = run_isolated(time.sleep, [0, 600, 600], workers=3, timeout_s=600)
    next(results)
    children = f"/proc/{os.getpid()}/task/{os.getpid()}/children"
    before = len(Path(children).read_text().split())

    results.close()

    # One more may stay: Python's tracker of shared resources.
    assert len(Path(children).read_text().split()) <= before - 3


def test_no_workers_are_refused():
    with pytest.raises(ValueError, match="0 workers"):
        next(run_isolated(abs, [1], workers=0, timeout_s=1))


# --- Folders ---------------------------------------------------------------------------------


def names(folder):
    return {file.name: file.group for file in find_videos(folder)}


def test_videos_are_found_by_name_or_content_and_grouped_by_class(clip, tmp_path):
    root = tmp_path / "Celeb-DF"
    for name in ("Celeb-real/id0/ä b.mp4", "Celeb-synthesis/假.MP4", "top.mp4", "real/no_suffix"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(clip, root / name)
    (root / "real" / "called.webm").write_text("I am text")
    for name in ("metadata.csv", "notes", ".hidden.mp4", "real/poster.png"):
        (root / name).write_text("not a video")
    (root / ".cache").mkdir()
    shutil.copy(clip, root / ".cache" / "clip.mp4")
    os.mkfifo(root / "pipe.mp4")

    assert names(root) == {
        "Celeb-real/id0/ä b.mp4": "Celeb-real",
        "Celeb-synthesis/假.MP4": "Celeb-synthesis",
        "real/called.webm": "real",
        "real/no_suffix": "real",
        "top.mp4": "Celeb-DF",
    }
    assert [file.name for file in find_videos(root)] == sorted(names(root))


def test_links_to_folders_are_followed_once(clip, tmp_path):
    elsewhere, root = tmp_path / "elsewhere", tmp_path / "root"
    elsewhere.mkdir()
    root.mkdir()
    shutil.copy(clip, elsewhere / "clip.mp4")
    (elsewhere / "loop").symlink_to(elsewhere)
    (elsewhere / "up").symlink_to(root)
    (root / "real").symlink_to(elsewhere)
    (root / "lost.mp4").symlink_to(tmp_path / "nowhere")

    assert names(root) == {"real/clip.mp4": "real", "lost.mp4": "root"}


def test_a_folder_without_videos_is_refused(tmp_path):
    (tmp_path / "notes.txt").write_text("nothing here")

    with pytest.raises(InvalidRequest, match="holds no videos"):
        find_videos(tmp_path)
    with pytest.raises(InvalidRequest, match="is not a folder"):
        find_videos(tmp_path / "notes.txt")


def survey(folder, *, timeout_s=120.0, **options) -> list[SurveyedVideo]:
    seen = []
    rows = survey_videos(
        find_videos(folder),
        Inspection(**options),
        workers=2,
        timeout_s=timeout_s,
        on_video=seen.append,
    )
    assert sorted(row.file.name for row in seen) == [row.file.name for row in rows]
    return rows


def test_damaged_files_are_rows_like_the_others(clip, tmp_path):
    shutil.copy(clip, tmp_path / "b.mp4")
    (tmp_path / "a.mp4").write_bytes(clip.read_bytes()[:3000])
    (tmp_path / "c.mp4").symlink_to(tmp_path / "nowhere")

    cut, whole, gone = survey(tmp_path)

    assert cut.problem is not None
    assert cut.problem.code in {"unreadable_video", "not_a_video"}
    assert cut.bytes == 3000
    assert whole.facts is not None
    assert (whole.facts.frames, whole.bytes) == (30, clip.stat().st_size)
    assert gone.problem is not None
    assert (gone.bytes, gone.problem.code) == (None, "unreadable_video")


def test_a_file_that_takes_too_long_is_given_up(clip, tmp_path):
    shutil.copy(clip, tmp_path / "fast.mp4")
    shutil.copy(clip, tmp_path / "slow.mp4")
    os.truncate(tmp_path / "slow.mp4", 1 << 40)  # a hole: hashing it would take minutes

    fast, slow = survey(tmp_path, digest=True, timeout_s=6)

    assert fast.facts is not None
    assert slow.problem is not None
    assert slow.problem.code == "video_too_demanding"
    assert "6 s" in slow.problem.detail


def test_a_file_that_takes_the_decoder_down_is_marked_and_the_others_are_read(clip, tmp_path):
    shutil.copy(clip, tmp_path / "a.mp4")
    shutil.copy(clip, tmp_path / "guilty.mp4")
    os.truncate(tmp_path / "guilty.mp4", 1 << 40)
    shutil.copy(clip, tmp_path / "z.mp4")
    killer = threading.Thread(target=crash_reader_of, args=(tmp_path / "guilty.mp4",))
    killer.start()

    first, guilty, last = survey(tmp_path, digest=True)

    killer.join()
    assert guilty.problem is not None
    assert guilty.problem.code == "decoder_crashed"
    assert "SIGSEGV" in guilty.problem.detail
    assert first.facts is not None
    assert last.facts is not None


def crash_reader_of(path):
    """Send a child that has the file open what a crash would send it."""
    for _ in range(1200):
        for child in multiprocessing.active_children():
            for descriptor in Path(f"/proc/{child.pid}/fd").glob("*"):
                with contextlib.suppress(OSError):  # closed in the meantime
                    if descriptor.readlink() == path:
                        os.kill(child.pid, signal.SIGSEGV)
                        return
        time.sleep(0.05)


def test_a_row_has_facts_or_a_problem(clip):
    (file,) = find_videos(clip.parent)

    with pytest.raises(ValueError, match="either facts or a problem"):
        SurveyedVideo(file=file, bytes=1, facts=None, problem=None)


def test_a_file_that_breaks_off_anywhere_is_read_or_refused_with_a_reason(clip, tmp_path):
    content = clip.read_bytes()
    reasons = []
    for length in range(0, len(content), len(content) // 25):
        path = tmp_path / "cut.mp4"
        path.write_bytes(content[:length])
        try:
            assert inspect(path).frames <= 30
        except UnmaskError as error:
            reasons.append(error.detail)
    assert len(reasons) > 20
    assert all(reasons)
