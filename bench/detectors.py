"""Compares face detectors on the frames of a folder of clips, whole frames and windows.

    python bench/detectors.py FOLDER [FOLDER ...] [--truth FACES.csv] [--yunet-model FILE]

All detectors take turns on every frame, so that their ratios hold on a busy machine; times are
medians, in one thread. Without a CSV of labelled faces, a face is what detectors of two families
agree on. See docs/detectors.md for the method and `detectors-requirements.txt` for the packages.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from detector_boxes import Boxes, Image, Search
from detector_candidates import Candidate, candidates
from detector_frames import SampledFrame, resize, sample_frames
from detector_hardening import harden
from detector_packages import MissingPackage
from detector_report import Finding, Findings, Setup, print_report
from detector_truth import Face, Truth, agree, only, read_truth
from threadpoolctl import threadpool_limits

_WINDOW = 2.0
_JITTER = 0.15
_SLOW_EVERY = 10
_HARDENED_EVERY = 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--truth", type=Path, help="CSV: clip,frame,x,y,w,h,label,tags")
    parser.add_argument("--yunet-model", type=Path, help="ONNX file of OpenCV's model zoo")
    parser.add_argument("--frames", type=int, default=5, help="frames of each clip")
    parser.add_argument("--every-clip", type=int, default=1, help="2 for every second clip")
    parser.add_argument("--every-threshold", action="store_true", help="not only the best one")
    arguments = parser.parse_args()

    cv2.setNumThreads(1)
    tried, missing = _make_all(candidates(arguments.yunet_model))
    comparison = Comparison(tried, read_truth(arguments.truth) if arguments.truth else None)
    with threadpool_limits(1):
        for folder in arguments.folders:
            for frame in sample_frames(folder, arguments.frames, every=arguments.every_clip):
                print(f"{frame.clip} {frame.number}", file=sys.stderr)
                comparison.take(frame)
    print_report(comparison.findings, every_threshold=arguments.every_threshold)
    for name, package in missing.items():
        print(f"Not measured: {name}, because {package} is not installed.")


def _make_all(
    listed: Sequence[Candidate],
) -> tuple[list[tuple[Candidate, Search]], dict[str, str]]:
    tried, missing = [], {}
    for candidate in listed:
        try:
            tried.append((candidate, candidate.make()))
        except MissingPackage as error:
            missing[candidate.name] = str(error)
    return tried, missing


class Comparison:
    """Runs all detectors on one frame after the other and keeps what they found."""

    def __init__(self, tried: Sequence[tuple[Candidate, Search]], truth: Truth | None) -> None:
        self.findings: Findings = {}
        self._tried = tried
        self._truth = truth
        self._frames = 0
        self._random = np.random.default_rng(0)

    def take(self, frame: SampledFrame) -> None:
        """Search a frame, windows around its faces, and harder versions of it."""
        image = frame.pixels
        turn = [
            (candidate, search)
            for candidate, search in self._tried
            if not candidate.slow or self._frames % _SLOW_EVERY == 0
        ]
        self._frames += 1
        found = {
            (candidate, side): _search(candidate, search, image, side)
            for candidate, search in turn
            for side in candidate.sides
        }
        if self._truth is None:
            faces = agree(
                image, [(candidate.family, boxes) for (candidate, _), (boxes, _) in found.items()]
            )
        else:
            faces = self._truth.get((frame.clip, frame.number), [])
        for (candidate, side), (boxes, ms) in found.items():
            self._note(candidate, "frame", side, image, boxes, faces, ms)
        for face in faces:
            if not face.ignored:
                self._take_window(image, only(face, faces), turn)
        if self._frames % _HARDENED_EVERY == 0:
            self._take_hardened(image, faces)

    def _take_hardened(self, image: Image, faces: Sequence[Face]) -> None:
        for kind, (harder, moved) in harden(image, faces, self._random).items():
            for candidate, search in self._tried:
                for side in () if candidate.slow else candidate.sides:
                    boxes, ms = _search(candidate, search, harder, side)
                    self._note(candidate, kind, side, harder, boxes, moved, ms)

    def _take_window(
        self, image: Image, faces: Sequence[Face], turn: Sequence[tuple[Candidate, Search]]
    ) -> None:
        """Search twice the first face's square, off in place and size as after some frames."""
        face = faces[0]
        shift = self._random.uniform(-_JITTER, _JITTER, 2) * face.box[2]
        length = _WINDOW * face.box[2] * self._random.uniform(1 - _JITTER, 1 + _JITTER)
        low = face.box[:2] + face.box[2:] / 2 + shift - length / 2
        left, top = np.maximum(low, 0).astype(int)
        right, bottom = (low + length).astype(int)
        window = image[top:bottom, left:right]
        for candidate, search in turn:
            for side in candidate.window_sides:
                boxes, ms = _search(candidate, search, window, side, grow=True)
                boxes[:, :2] += (left, top)
                self._note(candidate, "window", side, image, boxes, faces, ms)

    def _note(
        self,
        candidate: Candidate,
        mode: str,
        side: int | None,
        image: Image,
        boxes: Boxes,
        faces: Sequence[Face],
        ms: float,
    ) -> None:
        finding = Finding(image=image.shape[:2], boxes=boxes, faces=faces, ms=ms)
        setup = Setup(candidate=candidate, side=side)
        self.findings.setdefault(mode, {}).setdefault(setup, []).append(finding)


def _search(
    candidate: Candidate, search: Search, image: Image, side: int | None, *, grow: bool = False
) -> tuple[Boxes, float]:
    started = time.perf_counter()
    resized, scale = resize(image, side, grow=grow)
    found = search(resized)
    ms = (time.perf_counter() - started) * 1000
    boxes = candidate.to_squares(found)
    boxes[:, :4] *= scale
    return boxes, ms


if __name__ == "__main__":
    main()
