"""Random changes that a clip survives with its label; every frame of a clip gets the same ones."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_trainer.evaluation.degradations import h264, jpeg
from unmask_trainer.training.settings import AugmentationSettings

Crops = NDArray[np.uint8]
Picture = cv2.typing.MatLike


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """One draw; its fields hold for all frames of a clip.

    Attributes:
        mirrored: Left and right are exchanged.
        zoom: Magnification about the middle.
        turn: Rotation about the middle, in radians.
        shift: Displacement, in pixels.
        gain: Factors on red, green and blue.
        gamma: Exponent of the tone curve.
        saturation: Factor on the distance from grey.
        blur: Standard deviation of a Gaussian blur in pixels; 0 is none.
        shrink: Side in pixels that the crop is reduced to and enlarged from; 0 is none.
        noise: Standard deviation of added noise, in 8-bit levels.
        jpeg: Quality of a JPEG compression; 0 is none.
        codec: Rate factor of an H.264 compression; 0 is none.
    """

    mirrored: bool
    zoom: float
    turn: float
    shift: tuple[float, float]
    gain: tuple[float, float, float]
    gamma: float
    saturation: float
    blur: float
    shrink: int
    noise: float
    jpeg: int
    codec: int


def draw_augmentation(
    rng: np.random.Generator, side: int, settings: AugmentationSettings
) -> Augmentation:
    """Draw an augmentation for crops of `side` pixels."""

    def sometimes(chance: float) -> bool:
        return bool(rng.random() < chance)

    colour, move, severity = settings.colour, settings.move, settings.severity
    tint = 1 + colour * (rng.uniform(-0.4, 0.4) + rng.uniform(-0.16, 0.16, 3))
    shift = rng.uniform(-move, move, 2) * side
    return Augmentation(
        mirrored=sometimes(settings.mirror),
        zoom=float(rng.uniform(1 - 1.5 * move, 1 + 2.5 * move)),
        turn=float(rng.uniform(-2, 2) * move),
        shift=(float(shift[0]), float(shift[1])),
        gain=(float(tint[0]), float(tint[1]), float(tint[2])),
        gamma=float(np.exp(colour * rng.uniform(-0.45, 0.45))),
        saturation=float(1 + colour * rng.uniform(-1, 0.6)),
        blur=float(rng.uniform(0.3, 1.6 + 1.6 * severity)) if sometimes(settings.blur) else 0.0,
        shrink=int(side * rng.uniform(0.35, 0.9)) if sometimes(settings.scale) else 0,
        noise=float(rng.uniform(1, 8 + 16 * severity)) if sometimes(settings.noise) else 0.0,
        jpeg=int(rng.integers(30 - round(20 * severity), 96)) if sometimes(settings.jpeg) else 0,
        codec=int(rng.integers(18, 38 + round(7 * severity))) if sometimes(settings.codec) else 0,
    )


def augment(crops: Crops, drawn: Augmentation, rng: np.random.Generator) -> Crops:
    """Apply one draw to all frames.

    Args:
        crops: (T, S, S, 3) uint8 RGB.
        drawn: What to do.
        rng: Draws the noise's pixels, which differ between frames as a sensor's do.

    Returns:
        The same shape and type.
    """
    changed = np.stack([_augment_frame(frame, drawn, rng) for frame in crops])
    if drawn.jpeg:
        changed = jpeg(changed, drawn.jpeg)
    return h264(changed, drawn.codec) if drawn.codec else changed


def warp(picture: Picture, drawn: Augmentation) -> Picture:
    """Apply what moves pixels: mirror, zoom, turn and shift.

    Args:
        picture: (S, S) or (S, S, 3), of any type that OpenCV warps; a mask for example.
        drawn: What to do.
    """
    side = picture.shape[0]
    middle = (side - 1) / 2
    cosine, sine = drawn.zoom * np.cos(drawn.turn), drawn.zoom * np.sin(drawn.turn)
    linear = np.array([[cosine, -sine], [sine, cosine]])
    if drawn.mirrored:
        linear[:, 0] *= -1
    center = np.array([middle, middle])
    matrix = np.column_stack([linear, center - linear @ center + np.array(drawn.shift)])
    return cv2.warpAffine(
        picture, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )


def _augment_frame(frame: Crops, drawn: Augmentation, rng: np.random.Generator) -> Crops:
    side = frame.shape[0]
    levels = np.linspace(0, 1, 256)[:, None] ** drawn.gamma * np.array(drawn.gain) * 255
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    result = cv2.LUT(warp(frame, drawn), table[None])
    if drawn.saturation != 1:
        grey = cv2.cvtColor(cv2.cvtColor(result, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        result = cv2.addWeighted(result, drawn.saturation, grey, 1 - drawn.saturation, 0)
    if drawn.blur:
        result = cv2.GaussianBlur(result, (0, 0), drawn.blur)
    if drawn.shrink:
        small = cv2.resize(result, (drawn.shrink, drawn.shrink), interpolation=cv2.INTER_AREA)
        result = cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)
    if drawn.noise:
        grain = np.rint(rng.standard_normal(result.shape, np.float32) * np.float32(drawn.noise))
        result = cv2.add(result, grain.astype(np.int16), dtype=cv2.CV_8U)
    return np.asarray(result, np.uint8)
