"""Measures preprocessing against its floor and its peers: `make bench`.

All candidates of a table take turns, round after round, so that the ratios hold on a busy machine
too; the milliseconds are of this machine. The clips are those of `bench_media`.

`--full` runs dlib's detector on every frame, as the peers do; otherwise on every tenth one, with
the time scaled up (a frame takes what a frame takes) and the agreement found on those frames.
"""

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import av
import cv2
import dlib
from bench_media import BenchClip, make_clip, make_long_clip
from one_video import whole_stage
from process_memory import peak_memory_mib
from timing import median_ms

from unmask_shared.artifacts import BoundingBox
from unmask_shared.sandbox import SandboxLimits
from unmask_shared.vision.pipeline import FaceTracks, VisionSettings, extract_faces
from unmask_shared.vision.sandboxed import SandboxedExtraction

SETTINGS = VisionSettings()
ONE_VIDEO = Path(__file__).with_name("one_video.py")
SAME_FACE_IOU = 0.5
SPARSE = 10


def decode(path: Path) -> None:
    """Decode all frames in one thread and do nothing with them: the floor."""
    with av.open(str(path), format="mov") as container:
        container.streams.video[0].thread_type = "NONE"
        for _ in container.decode(video=0):
            pass


def detect_like_peers(
    path: Path, *, every: int
) -> tuple[dict[int, list[BoundingBox]], float, float]:
    """Run dlib's HOG detector on frames at full size, as student projects do.

    Returns:
        The faces on grey frames without upsampling, by frame; milliseconds for all frames that way;
        and by the defaults of `face_recognition.face_locations`: in colour, enlarged once.
    """
    detector = dlib.get_frontal_face_detector()
    found: dict[int, list[BoundingBox]] = {}
    grey_s = colour_s = 0.0
    frames = 0
    with av.open(str(path), format="mov") as container:
        for number, frame in enumerate(container.decode(video=0)):
            frames += 1
            if number % every:
                continue
            colour = frame.to_ndarray(format="rgb24")
            grey = cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY)
            started = time.perf_counter()
            faces = detector(grey, 0)
            grey_s += time.perf_counter() - started
            found[number] = [
                BoundingBox(x=box.left(), y=box.top(), width=box.width(), height=box.height())
                for box in faces
            ]
            if number % (every * SPARSE) == 0:
                started = time.perf_counter()
                detector(colour, 1)
                colour_s += time.perf_counter() - started
    looked, enlarged = len(found), len(range(0, frames, every * SPARSE))
    return found, grey_s / looked * frames * 1000, colour_s / enlarged * frames * 1000


def agreement(ours: FaceTracks, theirs: Mapping[int, Sequence[BoundingBox]]) -> str:
    """How the boxes compare on the frames that both looked at."""
    boxes: dict[int, list[BoundingBox]] = {}
    for track in ours.tracks:
        for frame in track.frames:
            boxes.setdefault(frame.frame, []).append(frame.box)
    both = [number for number in theirs if theirs[number]]
    agreed = [
        number
        for number in both
        if all(
            any(box.iou(own) > SAME_FACE_IOU for own in boxes.get(number, ()))
            for box in theirs[number]
        )
    ]
    only_ours = [number for number in theirs if not theirs[number] and boxes.get(number)]
    return (
        f"boxes agree (IoU > {SAME_FACE_IOU}) on {len(agreed)} of the {len(both)} frames with a "
        f"face by HOG; {len(only_ours)} frames with a face by us alone"
    )


def truth(ours: FaceTracks, clip: BenchClip) -> str:
    """How far the centres of our boxes are from where the faces really are."""
    offsets = []
    for track in ours.tracks:
        for frame in track.frames:
            left, top, right, bottom = clip.boxes[frame.frame].T
            x, y = frame.box.center
            distances = ((left + right) / 2 - x) ** 2 + ((top + bottom) / 2 - y) ** 2
            offsets.append(float(distances.min() ** 0.5) / frame.box.width)
    spread = statistics.quantiles(offsets, n=100)
    return (
        f"centres are {statistics.median(offsets):.2f} widths from the truth (99 %: "
        f"{spread[98]:.2f}), always above or below by what the two kinds of boxes differ"
    )


def table(title: str, times: Mapping[str, float], base: str) -> None:
    """Print the times and what they are in multiples of a row."""
    print(f"\n{title:56}{'ms':>9}{'ratio':>8}")
    for name, milliseconds in times.items():
        print(f"{name:56}{milliseconds:9.0f}{milliseconds / times[base]:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--full", action="store_true")
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        SandboxedExtraction(SETTINGS, SandboxLimits()) as extraction,
    ):
        extraction.start()
        one = make_clip(Path(folder) / "one.mp4", faces=1)
        four = make_clip(Path(folder) / "four.mp4", faces=4)
        lone = make_clip(Path(folder) / "lone.mp4", faces=4, faceless=True)
        assert len(extract_faces(lone.path, SETTINGS).tracks) == 1
        minutes = make_long_clip(Path(folder) / "minutes.mp4", faces=1, repeats=36)
        hour = make_long_clip(Path(folder) / "hour.mp4", faces=1, repeats=432)

        floor = "PyAV decodes all frames in one thread (the floor)"
        times = median_ms(
            {
                floor: lambda: decode(one.path),
                "extract_faces": lambda: extract_faces(one.path, SETTINGS),
                "the same in the sandbox": lambda: extraction.extract(one.path),
                "and with lossless crops": lambda: whole_stage(extraction, one.path),
            },
            options.rounds,
        )
        table("10 s, 1280x720, 30 fps, one face", times, floor)
        found, grey_ms, colour_ms = detect_like_peers(one.path, every=1 if options.full else SPARSE)
        ours_ms = times["and with lossless crops"]
        decode_ms = times[floor]
        print(f"dlib HOG on each grey frame: {(grey_ms + decode_ms) / ours_ms:.0f} times as long")
        print(
            f"face_recognition.face_locations: {(colour_ms + decode_ms) / ours_ms:.0f} times "
            "as long"
        )
        everything = extract_faces(one.path, VisionSettings(sampling="all"))
        print(agreement(everything, found))
        print(truth(everything, one))

        times = median_ms(
            {
                "one face": lambda: whole_stage(extraction, one.path),
                "one face beside three heads without one": lambda: whole_stage(
                    extraction, lone.path
                ),
                "four faces": lambda: whole_stage(extraction, four.path),
                "decoding one face": lambda: decode(one.path),
                "decoding one face and three heads": lambda: decode(lone.path),
                "decoding four faces": lambda: decode(four.path),
            },
            options.rounds,
        )
        title = "10 s with more faces, sandbox and crops included"
        table(title, times, "one face")
        table(
            "the same, against as much to decode", times, "one face beside three heads without one"
        )

        times = median_ms(
            {
                "5 minutes": lambda: whole_stage(extraction, minutes.path),
                "1 hour": lambda: whole_stage(extraction, hour.path),
            },
            options.rounds,
        )
        table("long videos, the same number of clips", times, "5 minutes")
        for name, clip in (("5 minutes", minutes), ("1 hour", hour)):
            peak = peak_memory_mib([sys.executable, str(ONE_VIDEO), str(clip.path)])
            print(f"{name}: at most {peak:.0f} MiB in all processes of a worker together")


if __name__ == "__main__":
    main()
