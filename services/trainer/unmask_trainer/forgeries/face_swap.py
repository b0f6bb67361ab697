"""Puts another person's face into a clip, bent to the shape of the face that it covers.

As FaceSwap of FaceForensics++ does it (Roessler et al., ICCV 2019): matching points, a piecewise
affine warp, colour correction, blending. The donor's frames go on in step, so its expressions move.
"""

from enum import StrEnum

import cv2
import numpy as np

from unmask_trainer.forgeries.blending import change_detail, draw_wander, sample
from unmask_trainer.forgeries.clips import (
    Blend,
    FaceClip,
    FacePatch,
    ForPose,
    Frame,
    Mask,
    Pixels,
    back_and_forth,
    unit_of,
)
from unmask_trainer.forgeries.colours import ColourMap, Transfer, fit_colours
from unmask_trainer.forgeries.dense_warp import face_to_face
from unmask_trainer.forgeries.face_shape import FaceShape, find_shape, landmarks_in_face
from unmask_trainer.forgeries.fields import to_pixels
from unmask_trainer.forgeries.geometry import (
    Matrix,
    Outline,
    Points,
    Region,
    apply,
    feathered,
    filled,
    inverse,
    soft_mask,
)
from unmask_trainer.forgeries.membrane import Membrane
from unmask_trainer.forgeries.recipes import Detail

_COLOUR_FRAMES = 3
_FEWEST_COLOURS = 16
_NO_ALIAS = 0.85


class Blending(StrEnum):
    """How a swapped face meets its surroundings."""

    FEATHER = "feather"
    POISSON = "poisson"


class Swap:
    """The warped and coloured face of a donor, before it is blended in."""

    def __init__(self, clip: FaceClip, donor: FaceClip, transfer: Transfer) -> None:
        """Find the shapes of both faces and fit the colours.

        Args:
            clip: Whose face is covered.
            donor: Whose face covers it; a clip, or a still as a clip of one frame.
            transfer: How colours are matched.
        """
        self.shape = find_shape(clip)
        self._clip, self._donor = clip, donor
        self._donor_shape = find_shape(donor)
        own, other = unit_of(clip.pose(0)), unit_of(donor.pose(0))
        self._shrink = min(1.0, own / other)
        self._places: Pixels | None = None
        self._colours: ColourMap = self._fit(transfer)

    def content(self, step: int, patch: FacePatch) -> Pixels:
        """The donor's face (h, w, 3) where the clip's face is, in the clip's colours."""
        return self._colours(self._warped(step, patch))

    def _warped(self, step: int, patch: FacePatch) -> Pixels:
        lent = back_and_forth(step, len(self._donor))
        picture, pose = _shrunk(self._donor.frames[lent], self._donor.pose(lent), self._shrink)
        return sample(picture, self._places_at(step, lent, patch), pose)

    def _places_at(self, step: int, lent: int, patch: FacePatch) -> Pixels:
        """Where in the donor's face each pixel lies; in aligned crops that never changes."""
        if self._places is None or not (self._clip.is_aligned and self._donor.is_aligned):
            here = _parts(self._clip, step, self.shape)
            there = _parts(self._donor, lent, self._donor_shape)
            self._places = to_pixels(face_to_face(here, there), patch.pose, patch.size)
        return self._places

    def _fit(self, transfer: Transfer) -> ColourMap:
        have, want = [], []
        for step in self._clip.spread(_COLOUR_FRAMES):
            window, patch = self._clip.patch(step)
            if window.empty:
                continue
            core = Outline(region=Region.INNER_FACE, stretch=(0.8, 0.8))
            inside = soft_mask(core, patch.pose, size=patch.size, feather=0.02) > 0.5
            have.append(self._warped(step, patch)[inside])
            want.append(patch.pixels[inside])
        if sum(len(part) for part in want) < _FEWEST_COLOURS:
            return lambda pixels: pixels
        return fit_colours(transfer, np.concatenate(have), np.concatenate(want))


class FaceSwap:
    """A donor's face, blended in."""

    uses_donor = True

    def __init__(self, clip: FaceClip, donor: FaceClip, rng: np.random.Generator) -> None:
        """Draw a forgery.

        Args:
            clip: Whose face is covered.
            donor: Whose face covers it.
            rng: Source of randomness.
        """
        transfer = Transfer(str(rng.choice(list(Transfer))))
        self._blending = Blending(str(rng.choice(list(Blending))))
        self._swap = Swap(clip, donor, transfer)
        self._brow = float(rng.uniform(0.4, 0.8))
        self._feather = float(rng.uniform(0.03, 0.1))
        self._shrinkage = float(rng.uniform(0.86, 0.97))
        self._detail = Detail(str(rng.choice([Detail.AS_IS, Detail.BLURRED], p=[0.6, 0.4])))
        self._strength = float(rng.uniform(0.1, 0.6))
        self._wander = draw_wander(rng, len(clip), float(rng.uniform(0, 0.7)))
        outline = self._outline(self._swap.shape)
        self._membrane = (
            Membrane(clip, outline, self._swap.content)
            if self._blending is Blending.POISSON
            else None
        )
        self._hull = outline
        self._mask: ForPose[Mask] = ForPose(self._make_mask)

    @property
    def method(self) -> str:
        """`face_swap.feather` or `face_swap.poisson`."""
        return f"face_swap.{self._blending}"

    def render(self, step: int, patch: FacePatch) -> Blend:
        """Forge the patch of one frame."""
        content = self._swap.content(step, patch)
        if self._membrane is not None:
            content = content + self._membrane.at(step, patch)
        content = change_detail(content, self._detail, self._strength, patch.unit)
        content = content * np.float32(self._wander.gain[step])
        return Blend(content=content, opacity=self._mask(patch))

    def _outline(self, shape: FaceShape) -> Points:
        """A little inside of the face's border, so that no background comes along."""
        hull = shape.hull(brow=self._brow)
        middle = hull.mean(axis=0)
        return np.asarray(middle + self._shrinkage * (hull - middle))

    def _make_mask(self, pose: Matrix, size: tuple[int, int]) -> Mask:
        return feathered(filled(apply(pose, self._hull), size), self._feather * unit_of(pose))


def _parts(clip: FaceClip, step: int, shape: FaceShape) -> Points:
    """Matching points (N, 2) of a frame's face, in the face's coordinates."""
    if clip.points is None:
        return shape.seen_with(landmarks_in_face(clip, step)).points()
    back = inverse(clip.pose(step))
    found = apply(back, clip.points[step])
    # The 68 points end at the brows.
    return np.concatenate([found, shape.forehead()])


def _shrunk(picture: Frame, pose: Matrix, ratio: float) -> tuple[Frame, Matrix]:
    """The picture at another size: warping alone would skip pixels and alias."""
    if ratio > _NO_ALIAS:
        return picture, pose
    height, width = picture.shape[:2]
    smaller = max(1, round(width * ratio)), max(1, round(height * ratio))
    small = np.asarray(cv2.resize(picture, smaller, interpolation=cv2.INTER_AREA), np.uint8)
    return small, np.diag((smaller[0] / width, smaller[1] / height)) @ pose
