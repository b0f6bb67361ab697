"""What a face looks like that came out of a network, without the network.

Autoencoders that swap faces give 64 to 256 pixels for the whole face: skin without pores, colours
that drift, every frame generated for itself, the regular pattern of upsampling by transposed
convolutions (Odena et al., "Deconvolution and Checkerboard Artifacts", Distill 2016), pasted under
an oval or straight into a box, as Wav2Lip and many forgeries of DFDC do. Here a face (the clip's
own, or a donor's) is read at such a size, smoothed or projected onto what other people's faces are
made of, and pasted back.
"""

from dataclasses import dataclass
from enum import StrEnum

import cv2
import numpy as np

from unmask_trainer.forgeries.clips import Blend, FaceClip, FacePatch, ForPose, Mask, Pixels
from unmask_trainer.forgeries.colours import Transfer
from unmask_trainer.forgeries.face_swap import Swap
from unmask_trainer.forgeries.geometry import (
    CENTER_Y,
    Matrix,
    Outline,
    Points,
    Region,
    apply,
    compose,
    feathered,
    filled,
    inverse,
    soft_mask,
)
from unmask_trainer.forgeries.textures import FACE_HALF, TextureSpace
from unmask_trainer.noise import slow_noise


class Paste(StrEnum):
    """What part of the generated square is pasted, and how."""

    OVAL = "oval"
    BOX = "box"
    LOWER_BOX = "lower_box"


@dataclass(frozen=True, kw_only=True)
class _Look:
    """One draw; see `_draw_look`."""

    side: int
    smoothing: float
    projection: float
    checkerboard: float
    jitter: float
    feather: float


class NetworkFace:
    """A face as a small network would generate it."""

    def __init__(
        self,
        clip: FaceClip,
        rng: np.random.Generator,
        *,
        paste: Paste,
        donor: FaceClip | None = None,
        textures: TextureSpace | None = None,
    ) -> None:
        """Draw a forgery.

        Args:
            clip: Whose face is replaced.
            rng: Source of randomness.
            paste: The shape that is pasted.
            donor: Whose face the network has learned; None for the clip's own.
            textures: What other people's faces are made of; None smooths instead.
        """
        self._paste = paste
        self._swap = None if donor is None else Swap(clip, donor, Transfer.COVARIANCE)
        self._textures = textures
        self._look = _draw_look(rng, clip, textures is not None)
        steps = len(clip)
        # Each frame for itself: white noise, not a slow wander. Colours drift slowly.
        self._jitter = rng.normal(0, self._look.jitter, (steps, 2))
        drift = slow_noise(rng, steps=steps, channels=3, width=6.0)
        flicker = rng.normal(0, 0.006, (steps, 1))
        tint = rng.normal(0, 0.03, 3)
        self._gain = (1 + tint + 0.02 * drift + flicker).astype(np.float32)
        self._phase = int(rng.integers(2))
        self._mask: ForPose[Mask] = ForPose(self._make_mask)

    @property
    def method(self) -> str:
        """E.g. `network.oval`, `box_paste.lower`, or with a donor `network.oval_swap`."""
        names = {
            Paste.OVAL: "network.oval",
            Paste.BOX: "box_paste.face",
            Paste.LOWER_BOX: "box_paste.lower",
        }
        return names[self._paste] + ("_swap" if self._swap else "")

    @property
    def uses_donor(self) -> bool:
        """Whether the network has learned another person's face."""
        return self._swap is not None

    def render(self, step: int, patch: FacePatch) -> Blend:
        """Forge the patch of one frame."""
        source = patch.pixels if self._swap is None else self._swap.content(step, patch)
        small_to_patch = compose(patch.pose, _square(self._look.side))
        side = (self._look.side, self._look.side)
        # Reading with steps wider than a pixel would alias.
        step_width = patch.unit * 2 * FACE_HALF / self._look.side
        if step_width > 1:
            source = np.asarray(cv2.GaussianBlur(source, (0, 0), 0.4 * step_width), np.float32)
        small = cv2.warpAffine(
            source, inverse(small_to_patch), side, borderMode=cv2.BORDER_REPLICATE
        )
        generated = self._generate(np.asarray(small, np.float32)) * self._gain[step]
        shifted = small_to_patch.copy()
        shifted[:, 2] += small_to_patch[:, :2] @ self._jitter[step]
        content = cv2.warpAffine(
            generated,
            shifted,
            (patch.size[1], patch.size[0]),
            flags=cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return Blend(content=np.asarray(content, np.float32), opacity=self._mask(patch))

    def _generate(self, small: Pixels) -> Pixels:
        look = self._look
        if look.projection and self._textures is not None:
            known = self._textures.project(small)
            small = small + np.float32(look.projection) * (known - small)
        if look.smoothing:
            radius = 5
            smooth = cv2.bilateralFilter(small, radius, 20 + 40 * look.smoothing, 2.5)
            small = small + np.float32(0.4 + 0.6 * look.smoothing) * (smooth - small)
        if look.checkerboard:
            small = small.copy()
            small[self._phase :: 2, ::2] += np.float32(look.checkerboard)
            small[1 - self._phase :: 2, 1::2] -= np.float32(look.checkerboard)
        return np.asarray(small, np.float32)

    def _make_mask(self, pose: Matrix, size: tuple[int, int]) -> Mask:
        unit = float(np.sqrt(abs(np.linalg.det(pose[:, :2]))))
        if self._paste is Paste.OVAL:
            outline = Outline(region=Region.FACE, stretch=(0.88, 0.86))
            return soft_mask(outline, pose, size=size, feather=2 * self._look.feather)
        top = CENTER_Y - 0.95 * FACE_HALF if self._paste is Paste.BOX else 0.5
        corners = _corners(0.92 * FACE_HALF, top, CENTER_Y + 0.95 * FACE_HALF)
        return feathered(filled(apply(pose, corners), size), 0.5 * self._look.feather * unit)


def _draw_look(rng: np.random.Generator, clip: FaceClip, has_textures: bool) -> _Look:
    pixels = 2 * FACE_HALF * float(np.median([_unit(clip.pose(s)) for s in clip.spread(3)]))
    # A network of more pixels than the face has on the screen would leave no trace.
    side = int(np.clip(rng.choice([48, 64, 80, 96, 128]), 24, max(24, 0.75 * pixels)))
    projects = has_textures and bool(rng.random() < 0.5)
    return _Look(
        side=side,
        smoothing=0.0 if projects else float(rng.uniform(0.2, 1.0)),
        projection=float(rng.uniform(0.4, 0.8)) if projects else 0.0,
        checkerboard=float(rng.choice([0.0, rng.uniform(1.0, 3.0)])),
        jitter=float(rng.uniform(0.05, 0.35)),
        feather=float(rng.uniform(0.03, 0.1)),
    )


def _unit(pose: Matrix) -> float:
    return float(np.sqrt(abs(np.linalg.det(pose[:, :2]))))


def _square(side: int) -> Matrix:
    """From pixels of the generated square to the face's coordinates."""
    step = 2 * FACE_HALF / side
    first = -FACE_HALF + step / 2
    return np.array([[step, 0, first], [0, step, CENTER_Y + first]])


def _corners(half_width: float, top: float, bottom: float) -> Points:
    return np.array(
        [(-half_width, top), (half_width, top), (half_width, bottom), (-half_width, bottom)]
    )
