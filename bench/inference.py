"""Measures the way from faces to a verdict against the bare network: `python bench/inference.py`.

All rows take turns, round after round. The clip is that of `bench_media`: 10 seconds, one face.
"""

import argparse
import tempfile
from pathlib import Path

import torch
from bench_media import make_clip
from one_verdict import StoredFaces, clips_of, judge, make_classifier
from timing import median_ms, print_table

from unmask_inference.batcher import MicroBatcher
from unmask_shared.vision.pipeline import VisionSettings, extract_faces

HEATMAPS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        clip = make_clip(Path(folder) / "one.mp4", faces=1)
        stored = StoredFaces.of(extract_faces(clip.path, VisionSettings()))
    classifier = make_classifier(threads=torch.get_num_threads())
    clips = clips_of(stored, classifier.card.clip_length)
    bare, whole = "the bare network on the same clips", "from stored crops to the verdict"
    with MicroBatcher(max_clips=4, max_wait_s=0.005) as batcher:
        times = median_ms(
            {
                bare: lambda: classifier.logits(clips),
                whole: lambda: judge(stored, classifier, batcher),
                f"the same with {HEATMAPS} heatmaps": lambda: judge(
                    stored, classifier, batcher, heatmaps=HEATMAPS
                ),
            },
            options.rounds,
        )
    print_table(
        (
            f"{len(clips)} clips of {len(clips[0])} frames",
            "ms",
            "ratio",
            "to the verdict",
        ),
        [
            (name, f"{ms:.0f}", f"{ms / times[bare]:.2f}", f"{ms / times[whole]:.2f}")
            for name, ms in times.items()
        ],
    )


if __name__ == "__main__":
    main()
