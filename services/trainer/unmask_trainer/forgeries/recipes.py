"""What a forgery does to a clip: drawn once, constant over the clip apart from a small flicker."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from unmask_trainer.forgeries.geometry import Outline, Region


class Detail(StrEnum):
    """How the replaced face's fine detail differs from its surroundings."""

    AS_IS = "as_is"
    BLURRED = "blurred"
    LOW_RESOLUTION = "low_resolution"
    SHARPENED = "sharpened"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Parameters of one forgery; lengths are in eye distances.

    Attributes:
        outline: What is replaced.
        feather: Softness of its border.
        opacity: Share of the new face in the blend, in [0.5, 1].
        shift: Displacement of the new face.
        scale: Factor on its size.
        turn: Rotation in radians.
        bend: Amplitude of a smooth elastic deformation.
        gain: Factors on red, green and blue.
        offset: Added to red, green and blue, in 8-bit levels.
        detail: Kind of the loss or excess of detail.
        detail_strength: In (0, 1].
        flicker: Scale of the frame-to-frame wander of position, colour and opacity.
    """

    outline: Outline
    feather: float
    opacity: float
    shift: tuple[float, float]
    scale: float
    turn: float
    bend: float
    gain: tuple[float, float, float]
    offset: tuple[float, float, float]
    detail: Detail
    detail_strength: float
    flicker: float

    @property
    def method(self) -> str:
        """Short name for tables, e.g. `self_blend.mouth.blurred`."""
        return f"self_blend.{self.outline.region}.{self.detail}"


def draw_recipe(rng: np.random.Generator) -> Recipe:
    """Draw a forgery.

    At least two of geometry, colour and detail differ from the original, so that no single
    artefact marks every forgery and none is without a trace.
    """
    region = Region(str(rng.choice(list(Region), p=(0.35, 0.3, 0.2, 0.15))))
    untouched = int(rng.integers(3)) if rng.random() < 0.6 else None
    geometry, colour, detail = (float(aspect != untouched) for aspect in range(3))
    kind = Detail(str(rng.choice(list(Detail)[1:]))) if detail else Detail.AS_IS
    return Recipe(
        outline=draw_outline(rng, region),
        feather=float(rng.uniform(0.02, 0.16)),
        opacity=float(rng.choice([rng.uniform(0.5, 1), rng.uniform(0.85, 1), 1.0])),
        shift=_triple(geometry * rng.uniform(-0.08, 0.08, 3))[:2],
        scale=float(1 + geometry * rng.choice([-1, 1]) * rng.uniform(0.02, 0.08)),
        turn=float(geometry * rng.uniform(-0.05, 0.05)),
        bend=float(geometry * rng.uniform(0, 0.04)),
        gain=_triple(1 + colour * (rng.uniform(-0.12, 0.12) + rng.uniform(-0.06, 0.06, 3))),
        offset=_triple(colour * rng.uniform(-9, 9, 3)),
        detail=kind,
        detail_strength=float(rng.uniform(0.3, 1)),
        flicker=float(rng.choice([0.0, rng.uniform(0, 1)], p=[0.3, 0.7])),
    )


def draw_outline(rng: np.random.Generator, region: Region) -> Outline:
    """A bent ellipse of about the region's size."""
    return Outline(
        region=region,
        stretch=(float(rng.uniform(0.85, 1.1)), float(rng.uniform(0.85, 1.1))),
        waves=tuple(
            (float(rng.uniform(0, 0.06)), float(rng.uniform(0, 2 * np.pi))) for _ in range(3)
        ),
    )


def _triple(values: np.ndarray) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third
