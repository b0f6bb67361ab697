"""Forges crops anew in every epoch, so that a small data set does not run out of forgeries.

As in the paper on self-blended images, a forgery is made of each real picture whenever it is
shown. Crops are aligned, so the landmarks are those of the alignment's template.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from unmask_shared.model.card import LABELS
from unmask_shared.vision.align import template
from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.forgeries.blending import Donor, forge
from unmask_trainer.forgeries.geometry import face_to_frame, soft_mask
from unmask_trainer.forgeries.recipes import Recipe, draw_recipe

Crops = NDArray[np.uint8]


class FreshForgeries:
    """Makes forgeries of real crops, with each other's faces where a swap is drawn."""

    def __init__(self, faces: Sequence[FaceClips], *, margin: float, share: float) -> None:
        """Collect the real videos.

        Args:
            faces: Videos; the real ones are forged, and lend each other their faces.
            margin: The crops' margin, as in the face pipeline's settings.
            share: Of the forged clips, those that are made anew, in [0, 1].
        """
        self._originals = [item for item in faces if item.video.label == LABELS["real"]]
        self._margin = margin
        self._share = share

    def wanted(self, rng: np.random.Generator) -> bool:
        """Whether this clip is to be made anew."""
        return bool(rng.random() < self._share)

    def forge(self, crops: Crops, person: str, rng: np.random.Generator) -> Crops:
        """Forge the crops (T, S, S, 3) of a person."""
        forged, _ = self._forge(crops, person, rng)
        return forged

    def draw_original(self, rng: np.random.Generator) -> tuple[Crops, str]:
        """One real crop (S, S, 3) and whom it shows."""
        item = self._originals[int(rng.integers(len(self._originals)))]
        crops = item.load()
        return np.array(crops[int(rng.integers(len(crops)))]), item.video.group

    def forge_crop(
        self, crop: Crops, person: str, rng: np.random.Generator
    ) -> tuple[Crops, NDArray[np.float32]]:
        """Forge one crop; returns it with the opacity (S, S) of what was blended in."""
        forged, recipe = self._forge(crop[None], person, rng)
        pose = face_to_frame(template(crop.shape[0], self._margin))
        mask = soft_mask(recipe.outline, pose, size=crop.shape[:2], feather=recipe.feather)
        return forged[0], mask * np.float32(recipe.opacity)

    def _forge(self, crops: Crops, person: str, rng: np.random.Generator) -> tuple[Crops, Recipe]:
        points = template(crops.shape[1], self._margin)
        picture, lender = self.draw_original(rng)
        recipe = draw_recipe(rng, may_swap=lender != person)
        donor = Donor(picture=picture, landmarks=points) if recipe.swaps_person else None
        forged = forge(list(crops), [points] * len(crops), recipe, rng, donor)
        return np.stack(list(forged)), recipe
