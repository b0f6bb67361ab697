"""What faces a frame really shows: read from a CSV, or agreed on by independent detectors."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from detector_boxes import Boxes, Image, intersection_over_union

# Faces with a shorter side than this are neither asked for nor held against a detector.
SMALLEST_FACE = 24
_SAME_FACE = 0.4
# A witness of the consensus is at least this sure: few detections above it were wrong.
_WITNESS_SCORES = {"yunet": 0.8, "centerface": 0.5, "hog": 0.1, "blazeface": 0.6, "mmod": 0.5}
_SMALL = 48
_SMALL_SHARE = 0.05
# Mean grey level of a face, and contrast of its edges over its own: by eye on a few hundred faces.
_DARK = 70
_BLURRED = 0.235


@dataclass(frozen=True, kw_only=True)
class Face:
    """A face, or something to leave out of account.

    Attributes:
        box: `(4,)` float64: x, y, width, height of the square from the brows to the chin.
        tags: What makes it hard: small, profile, dark, blurred; or frontal.
        ignored: Too small or too vague to be asked for.
    """

    box: Boxes
    tags: frozenset[str]
    ignored: bool = False


Truth = dict[tuple[str, int], list[Face]]


def read_truth(path: Path) -> Truth:
    """The faces of each (clip, frame).

    Args:
        path: A CSV with the columns clip, frame, x, y, w, h, label, tags: label is `face`, `ignore`
            or `none` (something that looks like a face and is not: a row without meaning here, but
            it keeps a frame without faces in the comparison), tags are separated by blanks.
    """
    truth: Truth = {}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            faces = truth.setdefault((row["clip"], int(row["frame"])), [])
            if row["label"] != "none":
                box = np.array([float(row[name]) for name in "xywh"])
                tags = frozenset(row["tags"].split())
                faces.append(Face(box=box, tags=tags, ignored=row["label"] == "ignore"))
    return truth


def only(face: Face, faces: Sequence[Face]) -> list[Face]:
    """This face first, and the others to be left out of account."""
    return [face, *(replace(other, ignored=True) for other in faces if other is not face)]


def agree(image: Image, found: Iterable[tuple[str, Boxes]]) -> list[Face]:
    """Take for a face what detectors of two families see; what only one sees is ignored.

    Args:
        image: The frame.
        found: A family, and squares with scores that a member found, in pixels of the frame.
    """
    faces = []
    for cluster in _cluster(found):
        box = np.median([square[:4] for _, square in cluster], axis=0)
        families = {family for family, square in cluster if square[4] >= _WITNESS_SCORES[family]}
        ignored = len(families) < 2 or box[2] < SMALLEST_FACE
        if families:
            faces.append(Face(box=box, tags=describe(image, box), ignored=ignored))
    return faces


def describe(image: Image, box: Boxes) -> frozenset[str]:
    """The tags that pixels alone tell: small, dark, blurred."""
    tags = set()
    if box[2] < _SMALL or box[2] < _SMALL_SHARE * max(image.shape[:2]):
        tags.add("small")
    left, top = np.maximum(box[:2].astype(int), 0)
    right, bottom = (box[:2] + box[2:]).astype(int)
    patch = image[top:bottom, left:right]
    if patch.size:
        same_size = cv2.resize(patch, (64, 64), interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(same_size, cv2.COLOR_RGB2GRAY)
        if grey.mean() < _DARK:
            tags.add("dark")
        if cv2.Laplacian(grey, cv2.CV_64F).std() / (grey.std() + 1) < _BLURRED:
            tags.add("blurred")
    return frozenset(tags)


def _cluster(found: Iterable[tuple[str, Boxes]]) -> Iterator[list[tuple[str, Boxes]]]:
    """Squares that overlap, gathered around the surest ones."""
    squares = [(family, square) for family, boxes in found for square in boxes]
    squares.sort(key=lambda item: item[1][4] - _WITNESS_SCORES[item[0]], reverse=True)
    while squares:
        heart = squares[0][1]
        near = [intersection_over_union(heart, square) >= _SAME_FACE for _, square in squares]
        yield [item for item, is_near in zip(squares, near, strict=True) if is_near]
        squares = [item for item, is_near in zip(squares, near, strict=True) if not is_near]
