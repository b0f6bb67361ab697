"""What faces are made of: their principal components.

An autoencoder that has learned few faces can only draw mixtures of them, and so can these
(Turk and Pentland, "Eigenfaces for Recognition", J. Cognitive Neuroscience 1991).
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_trainer.forgeries.clips import FaceClip, Pixels
from unmask_trainer.forgeries.geometry import CENTER_Y, compose, inverse

# Half the side of the square that networks generate, in eye distances, and its side here.
FACE_HALF: Final = 1.3
_SIDE: Final = 48


@dataclass(frozen=True, kw_only=True)
class TextureSpace:
    """Mean and components of upright faces.

    Attributes:
        mean: (D,), D for a square of 48 x 48 RGB pixels.
        components: (K, D), orthonormal.
    """

    mean: NDArray[np.float32]
    components: NDArray[np.float32]

    @classmethod
    def fit(cls, faces: list[FaceClip], *, components: int = 40) -> "TextureSpace":
        """Find the components of the first frames of some clips."""
        rows = np.stack([_upright(face).ravel() for face in faces])
        mean = rows.mean(axis=0)
        _, _, directions = np.linalg.svd(rows - mean, full_matrices=False)
        kept = directions[: min(components, len(faces) - 1)]
        return cls(mean=mean, components=kept.astype(np.float32))

    def project(self, face: Pixels) -> Pixels:
        """The nearest mixture of known faces to an upright one (S, S, 3)."""
        side = face.shape[0]
        known = cv2.resize(face, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA).ravel() - self.mean
        mixed = self.mean + (self.components @ known) @ self.components
        large = cv2.resize(
            mixed.reshape(_SIDE, _SIDE, 3), (side, side), interpolation=cv2.INTER_CUBIC
        )
        return np.asarray(large, np.float32)


def _upright(face: FaceClip) -> Pixels:
    scale = _SIDE / (2 * FACE_HALF)
    to_view = np.array(
        [[scale, 0, scale * FACE_HALF - 0.5], [0, scale, scale * (FACE_HALF - CENTER_Y) - 0.5]]
    )
    matrix = compose(to_view, inverse(face.pose(0)))
    view = cv2.warpAffine(face.frames[0], matrix, (_SIDE, _SIDE), borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(view, np.float32)
