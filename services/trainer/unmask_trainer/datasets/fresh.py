"""Forges crops anew whenever they are shown, so that a small data set does not run out of them.

As in the paper on self-blended images, a forgery is made of each real clip in every epoch. Crops
are aligned, so the landmarks are those of the alignment's template.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from unmask_shared.model.card import LABELS
from unmask_shared.vision.align import template
from unmask_trainer.datasets.faces import FaceClips
from unmask_trainer.forgeries.clips import FaceClip, Mask, render
from unmask_trainer.forgeries.methods import (
    DEFAULT_WEIGHTS,
    METHODS,
    Material,
    check_weights,
    draw_forgery,
    draw_method,
)
from unmask_trainer.forgeries.textures import TextureSpace

Crops = NDArray[np.uint8]

# A mixture of fewer faces than this has little of the face that it should show.
_FEWEST_TEXTURES, _MOST_TEXTURES = 32, 160
_TEXTURE_SEED = 0


@dataclass(frozen=True, kw_only=True)
class ForgedClip:
    """A forgery of a clip.

    Attributes:
        crops: (T, S, S, 3) uint8 RGB.
        masks: (T, S, S) float32 in [0, 1]: the opacity of what was blended in; where it is 0, the
            crop is the original's to the bit.
        method: The method, and its variant after a dot.
    """

    crops: Crops
    masks: Mask
    method: str


class FreshForgeries:
    """Makes forgeries of real crops, with each other's faces where a swap is drawn."""

    def __init__(
        self,
        faces: Sequence[FaceClips],
        *,
        margin: float,
        methods: Mapping[str, float] | None = None,
    ) -> None:
        """Collect the real videos.

        Args:
            faces: Videos of one part of a split; the real ones lend each other their faces.
            margin: The crops' margin, as in the face pipeline's settings.
            methods: Weights of the methods of `forgeries.methods.METHODS`; those that are left out
                are never drawn. None takes all of them with their own weights.

        Raises:
            InvalidInput: A method is unknown, or the weights cannot be drawn by.
        """
        self._margin = margin
        self._weights = dict(DEFAULT_WEIGHTS if methods is None else methods)
        check_weights(self._weights)
        self._lenders: dict[str, list[FaceClips]] = defaultdict(list)
        for item in faces:
            if item.video.label == LABELS["real"]:
                self._lenders[item.video.group].append(item)
        self._persons = sorted(self._lenders)

    def forge(self, crops: Crops, person: str, rng: np.random.Generator) -> ForgedClip:
        """Forge a real clip.

        Args:
            crops: (T, S, S, 3) uint8 RGB.
            person: Whom they show; somebody else's face is put into them where a swap is drawn.
            rng: Source of randomness.

        Raises:
            InvalidInput: Only methods are wanted that need a donor or several frames, and there
                is nobody else, or a single frame.
        """
        clip = self._clip(crops)
        others = len(self._persons) - (person in self._lenders)
        method = draw_method(self._weights, rng, has_donor=others > 0, has_motion=len(crops) > 1)
        donor = self.draw_donor(person, len(crops), rng) if others > 0 else None
        material = Material(clip=clip, donor=donor, textures=self._textures)
        forgery = draw_forgery(method, material, rng)
        frames, masks = zip(*render(clip, forgery), strict=True)
        return ForgedClip(crops=np.stack(frames), masks=np.stack(masks), method=forgery.method)

    def draw_donor(self, person: str, frames: int, rng: np.random.Generator) -> FaceClip:
        """Up to `frames` real crops of somebody else; there has to be somebody."""
        lender = person
        while lender == person:
            lender = self._persons[int(rng.integers(len(self._persons)))]
        videos = self._lenders[lender]
        video = videos[int(rng.integers(len(videos)))]
        start, stop = video.clips[int(rng.integers(len(video.clips)))]
        return self._clip(np.array(video.load()[start : min(stop, start + frames)]))

    def _clip(self, crops: Crops) -> FaceClip:
        return FaceClip.aligned(crops, template(crops.shape[1], self._margin))

    @cached_property
    def _textures(self) -> TextureSpace | None:
        """What the faces are made of, if there are enough and somebody wants to know."""
        wanted = any(
            METHODS[name].uses_textures for name, weight in self._weights.items() if weight
        )
        if not wanted or len(self._persons) < _FEWEST_TEXTURES:
            return None
        rng = np.random.default_rng(_TEXTURE_SEED)
        chosen = rng.permutation(self._persons)[:_MOST_TEXTURES]
        faces = [self._lenders[str(name)][0].load()[:1] for name in chosen]
        return TextureSpace.fit([self._clip(np.array(crops)) for crops in faces])
