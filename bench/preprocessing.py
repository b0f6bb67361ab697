"""Times preprocessing of a 10 s, 1280x720, 30 fps clip with one face: `make bench`.

Every row is a median over several rounds in which all candidates take turns, so that the ratios
hold on a busy machine too; the milliseconds are of this machine.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import av
import cv2

from unmask_shared.vision.pipeline import VisionSettings, extract_faces
from unmask_trainer.demo_media import make_demo_media


def decode_with_pyav(path: Path) -> None:
    with av.open(str(path), format="mov") as container:
        container.streams.video[0].thread_type = "NONE"
        for _ in container.decode(video=0):
            pass


def decode_with_opencv(path: Path) -> None:
    capture = cv2.VideoCapture(str(path))
    while capture.grab():
        capture.retrieve()
    capture.release()


def extract(detector: str) -> Callable[[Path], None]:
    settings = VisionSettings(detector=detector)  # type: ignore[arg-type] # one of the literals

    def run(path: Path) -> None:
        assert extract_faces(path, settings).tracks, "no face was found"

    return run


CANDIDATES: dict[str, Callable[[Path], None]] = {
    "decode all, PyAV, one thread": decode_with_pyav,
    "decode all to BGR, OpenCV": decode_with_opencv,
    "extract_faces, libfacedetection": extract("libfacedetection"),
    "extract_faces, dlib HOG": extract("dlib-hog"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        media = make_demo_media(Path(folder), seconds=10)
        clip = next(path for path in media if path.name == "astronaut_real.mp4")
        for run in CANDIDATES.values():  # load models and warm caches
            run(clip)
        times: dict[str, list[float]] = {name: [] for name in CANDIDATES}
        for _ in range(rounds):
            for name, run in CANDIDATES.items():
                started = time.perf_counter()
                run(clip)
                times[name].append(time.perf_counter() - started)
    floor = statistics.median(times["decode all, PyAV, one thread"])
    print(f"{'':34}{'ms':>8}{'x PyAV':>9}")
    for name, seconds in times.items():
        median = statistics.median(seconds)
        print(f"{name:34}{median * 1000:8.0f}{median / floor:9.2f}")


if __name__ == "__main__":
    main()
