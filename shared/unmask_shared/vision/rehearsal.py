"""Running the whole pipeline once on nothing, so that all it needs is in memory afterwards.

Models load at first use, and so do modules of NumPy and others; a process that may open no files
any more must have gone through everything before.
"""

import dataclasses
import tempfile
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from numpy.typing import NDArray

from unmask_shared.artifacts import BoundingBox
from unmask_shared.vision.faces import Detection
from unmask_shared.vision.landmarks import embed_identity
from unmask_shared.vision.pipeline import VisionSettings, extract_faces

_SIDE: Final = 128
_FRAMES: Final = 4


def rehearse(settings: VisionSettings) -> None:
    """Extract two faces that are not there, and whole frames, by these settings.

    Raises:
        RuntimeError: Not everything was reached.
    """
    with tempfile.TemporaryDirectory(prefix="unmask-") as folder:
        path = Path(folder) / "noise.avi"
        _write_noise(path)
        for mode in ("faces", "full_frame"):
            rehearsed = dataclasses.replace(
                settings, face_mode=mode, smallest_face=1, keep_faceless_frames=True
            )
            if not extract_faces(path, rehearsed, detector=_Imagination()).tracks:
                raise RuntimeError(f"the rehearsal with {rehearsed} found nothing")
    # Identities are embedded only where places do not decide.
    embed_identity(np.zeros((150, 150, 3), np.uint8))


class _Imagination:
    """Sees two faces in every picture."""

    face_side = _SIDE // 4

    def detect(self, image: NDArray[np.uint8]) -> list[Detection]:
        """See `FaceDetector.detect`."""
        side = len(image) / 4
        return [
            Detection(box=BoundingBox(x=x, y=side, width=side, height=side), confidence=1.0)
            for x in (0.0, 2 * side)
        ]


def _write_noise(path: Path) -> None:
    with av.open(path, "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=25)
        stream.width = stream.height = _SIDE
        stream.thread_type = "NONE"
        # Something to see, or the faces would be taken for too dark to be told apart.
        noise = np.random.default_rng(0).integers(0, 255, (_SIDE, _SIDE, 3), dtype=np.uint8)
        for _ in range(_FRAMES):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(noise, format="rgb24")))
        container.mux(stream.encode(None))
