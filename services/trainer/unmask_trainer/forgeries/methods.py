"""The methods of forgery by name, and which of them is drawn."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from unmask_trainer.errors import InvalidInput
from unmask_trainer.forgeries.blending import AlteredCopy
from unmask_trainer.forgeries.clips import FaceClip, Forgery
from unmask_trainer.forgeries.face_shape import find_shape
from unmask_trainer.forgeries.face_swap import FaceSwap
from unmask_trainer.forgeries.flicker import Flicker
from unmask_trainer.forgeries.mouth import MouthOfAnotherMoment, MouthWarp
from unmask_trainer.forgeries.network import NetworkFace, Paste
from unmask_trainer.forgeries.recipes import draw_recipe
from unmask_trainer.forgeries.self_blended import SelfBlended
from unmask_trainer.forgeries.textures import TextureSpace


@dataclass(frozen=True, kw_only=True)
class Material:
    """What a forgery can be made of.

    Attributes:
        clip: The clip to be forged.
        donor: Another person's face; None if there is none.
        textures: What other people's faces are made of; None if that was not found out.
    """

    clip: FaceClip
    donor: FaceClip | None = None
    textures: TextureSpace | None = None


def _self_blend(material: Material, rng: np.random.Generator) -> Forgery:
    if rng.random() < 0.5:
        return SelfBlended(find_shape(material.clip), rng)
    return AlteredCopy(draw_recipe(rng), len(material.clip), rng)


def _face_swap(material: Material, rng: np.random.Generator) -> Forgery:
    if material.donor is None:
        raise ValueError("face_swap needs a donor, and there is none")
    return FaceSwap(material.clip, material.donor, rng)


def _mouth(material: Material, rng: np.random.Generator) -> Forgery:
    if len(material.clip) > 1 and rng.random() < 0.4:
        return MouthOfAnotherMoment(material.clip, rng)
    return MouthWarp(material.clip, rng)


def _network(material: Material, rng: np.random.Generator) -> Forgery:
    donor = material.donor if rng.random() < 0.5 else None
    return NetworkFace(
        material.clip, rng, paste=Paste.OVAL, donor=donor, textures=material.textures
    )


def _box_paste(material: Material, rng: np.random.Generator) -> Forgery:
    paste = Paste.BOX if rng.random() < 0.5 else Paste.LOWER_BOX
    return NetworkFace(material.clip, rng, paste=paste, textures=material.textures)


def _flicker(material: Material, rng: np.random.Generator) -> Forgery:
    if len(material.clip) < 2:
        raise ValueError("flicker needs several frames, and there is one")
    return Flicker(len(material.clip), rng)


@dataclass(frozen=True, kw_only=True)
class Method:
    """A way to forge.

    Attributes:
        weight: How often it is drawn unless somebody says otherwise, beside the others.
        takes_donor: Whether another person's face can be used.
        needs_donor: Whether there is no forgery without one.
        needs_motion: Whether there is no forgery of a single frame.
        uses_textures: Whether it can use what other people's faces are made of.
        draw: Draws one forgery of a clip.
    """

    weight: float
    draw: Callable[[Material, np.random.Generator], Forgery]
    takes_donor: bool = False
    needs_donor: bool = False
    needs_motion: bool = False
    uses_textures: bool = False


METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {
        "self_blend": Method(weight=0.35, draw=_self_blend),
        "face_swap": Method(weight=0.25, draw=_face_swap, takes_donor=True, needs_donor=True),
        "mouth_reenactment": Method(weight=0.15, draw=_mouth),
        "network": Method(weight=0.15, draw=_network, takes_donor=True, uses_textures=True),
        "box_paste": Method(weight=0.1, draw=_box_paste, uses_textures=True),
        "flicker": Method(weight=0.1, draw=_flicker, needs_motion=True),
    }
)
DEFAULT_WEIGHTS: Final[Mapping[str, float]] = MappingProxyType(
    {name: method.weight for name, method in METHODS.items()}
)


def check_weights(weights: Mapping[str, float]) -> None:
    """Check that weights can be drawn by.

    Raises:
        InvalidInput: A method is unknown, a weight is negative, or all are 0.
    """
    if unknown := sorted(set(weights) - set(METHODS)):
        raise InvalidInput(
            f"there is no method {', '.join(unknown)}; there are {', '.join(METHODS)}"
        )
    if min(weights.values(), default=0) < 0 or not sum(weights.values()) > 0:
        raise InvalidInput(f"weights of methods must be 0 or more, and one above 0: {weights}")


def can_draw(weights: Mapping[str, float], *, has_donor: bool) -> bool:
    """Whether one of the methods with a weight can be used on a clip of several frames."""
    return bool(_open_to(weights, has_donor=has_donor, has_motion=True))


def draw_method(
    weights: Mapping[str, float], rng: np.random.Generator, *, has_donor: bool, has_motion: bool
) -> str:
    """Draw a method's name.

    Args:
        weights: By name; see `check_weights`.
        rng: Source of randomness.
        has_donor: Whether there is another person's face.
        has_motion: Whether there is more than one frame.

    Raises:
        InvalidInput: Only methods are wanted that need a donor or several frames, and there is
            none, or a single one.
    """
    open_to = _open_to(weights, has_donor=has_donor, has_motion=has_motion)
    if not open_to:
        raise InvalidInput(
            f"the methods {', '.join(weights)} need {_lacking(has_donor, has_motion)}, or methods "
            "that do without"
        )
    shares = np.array(list(open_to.values()))
    return str(rng.choice(list(open_to), p=shares / shares.sum()))


def draw_forgery(method: str, material: Material, rng: np.random.Generator) -> Forgery:
    """Draw one forgery of a clip by a method of `METHODS`."""
    return METHODS[method].draw(material, rng)


def _open_to(
    weights: Mapping[str, float], *, has_donor: bool, has_motion: bool
) -> dict[str, float]:
    return {
        name: weight
        for name, weight in sorted(weights.items())
        if weight > 0
        and (has_donor or not METHODS[name].needs_donor)
        and (has_motion or not METHODS[name].needs_motion)
    }


def _lacking(has_donor: bool, has_motion: bool) -> str:
    lacking = [] if has_donor else ["faces of at least two people"]
    return " and ".join(lacking if has_motion else [*lacking, "clips of several frames"])
