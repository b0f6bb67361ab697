"""Measures what a video costs in processor time, stage by stage: `python bench/capacity.py`.

Processor seconds of all processes of a stage, which a busy machine changes less than it does the
time on the clock; from them docs/capacity.md tells how many videos an hour a core does. Both
pipelines are called directly: HTTP, queue and stores come on top, which `bench/end_to_end.py`
measures.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path

import psutil
from bench_media import make_clip, make_long_clip
from one_verdict import StoredFaces, judge, make_classifier
from timing import print_table

from unmask_inference.batcher import MicroBatcher
from unmask_shared.sandbox import SandboxLimits
from unmask_shared.vision.encoding import thumbnail_jpeg
from unmask_shared.vision.pipeline import VisionSettings
from unmask_shared.vision.sandboxed import SandboxedExtraction

SECONDS_AN_HOUR = 3600
FPS = 30


def cpu_s() -> float:
    """Processor seconds of this process and of all that it and they have started."""
    me = psutil.Process()
    times = [process.cpu_times() for process in (me, *me.children(recursive=True))]
    return sum(one.user + one.system + one.children_user + one.children_system for one in times)


def preprocess(extraction: SandboxedExtraction, path: Path) -> StoredFaces:
    """All that a preprocessor does between fetching and storing."""
    faces = extraction.extract(path)
    for track in faces.tracks:
        thumbnail_jpeg(track)
    return StoredFaces.of(faces)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", type=Path, help="also write processor seconds to this file")
    options = parser.parse_args()
    rows: dict[str, tuple[float, ...]] = {}
    with (
        tempfile.TemporaryDirectory() as name,
        SandboxedExtraction(VisionSettings(), SandboxLimits()) as extraction,
        MicroBatcher(max_clips=4, max_wait_s=0.005) as batcher,
    ):
        extraction.start()
        # One thread, as a worker has it on a core of its own: threads that wait cost time as well.
        classifier = make_classifier(threads=1)
        folder = Path(name)
        videos = {
            "2 s, one face": make_clip(folder / "a.mp4", faces=1, frames=2 * FPS),
            "10 s, one face": make_clip(folder / "b.mp4", faces=1),
            "10 s, four faces": make_clip(folder / "c.mp4", faces=4),
            "5 minutes, one face": make_long_clip(folder / "d.mp4", faces=1, repeats=36),
        }
        for title, clip in videos.items():
            spent = []
            for _ in range(options.rounds + 1):
                begun = cpu_s()
                stored = preprocess(extraction, clip.path)
                between = cpu_s()
                judge(stored, classifier, batcher)
                spent.append((between - begun, cpu_s() - between))
            # The first round warms up.
            rows[title] = tuple(statistics.median(stage) for stage in zip(*spent[1:], strict=True))
    print_table(
        (
            "1280x720, 30 frames a second",
            "preprocessing, core seconds",
            "inference on a CPU, core seconds",
            "videos an hour and core",
        ),
        [
            (title, f"{a:.2f}", f"{b:.2f}", f"{SECONDS_AN_HOUR / (a + b):.0f}")
            for title, (a, b) in rows.items()
        ],
    )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
