"""Random changes that a clip survives with its label; every frame of a clip gets the same ones."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Crops = NDArray[np.uint8]
Picture = cv2.typing.MatLike


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """One draw; its fields hold for all frames of a clip.

    Attributes:
        mirrored: Left and right are exchanged.
        zoom: Magnification about the middle.
        shift: Displacement, in pixels.
        gain: Factors on red, green and blue.
        gamma: Exponent of the tone curve.
        blur: Standard deviation of a Gaussian blur in pixels; 0 is none.
        shrink: Side in pixels that the crop is reduced to and enlarged from; 0 is none.
        noise: Standard deviation of added noise, in 8-bit levels.
        jpeg: Quality of a JPEG compression; 0 is none.
    """

    mirrored: bool
    zoom: float
    shift: tuple[float, float]
    gain: tuple[float, float, float]
    gamma: float
    blur: float
    shrink: int
    noise: float
    jpeg: int


def draw_augmentation(rng: np.random.Generator, side: int) -> Augmentation:
    """Draw an augmentation for crops of `side` pixels."""

    def sometimes(chance: float) -> bool:
        return bool(rng.random() < chance)

    tint = rng.uniform(0.8, 1.2) + rng.uniform(-0.08, 0.08, 3)
    shift = rng.uniform(-0.04, 0.04, 2) * side
    return Augmentation(
        mirrored=sometimes(0.5),
        zoom=float(rng.uniform(0.94, 1.1)),
        shift=(float(shift[0]), float(shift[1])),
        gain=(float(tint[0]), float(tint[1]), float(tint[2])),
        gamma=float(rng.uniform(0.8, 1.25)),
        blur=float(rng.uniform(0.3, 1.2)) if sometimes(0.1) else 0.0,
        shrink=int(side * rng.uniform(0.5, 0.9)) if sometimes(0.1) else 0,
        noise=float(rng.uniform(1, 6)) if sometimes(0.1) else 0.0,
        jpeg=int(rng.integers(40, 95)) if sometimes(0.25) else 0,
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
    return np.stack([_augment_frame(frame, drawn, rng) for frame in crops])


def warp(picture: Picture, drawn: Augmentation) -> Picture:
    """Apply what moves pixels: mirror, zoom and shift.

    Args:
        picture: (S, S) or (S, S, 3), of any type that OpenCV warps; a mask for example.
        drawn: What to do.
    """
    side = picture.shape[0]
    middle = (side - 1) / 2
    turn = -drawn.zoom if drawn.mirrored else drawn.zoom
    matrix = np.array(
        [
            [turn, 0, middle - turn * middle + drawn.shift[0]],
            [0, drawn.zoom, middle - drawn.zoom * middle + drawn.shift[1]],
        ]
    )
    return cv2.warpAffine(
        picture, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
    )


def _augment_frame(frame: Crops, drawn: Augmentation, rng: np.random.Generator) -> Crops:
    side = frame.shape[0]
    result = warp(frame, drawn)
    if drawn.shrink:
        small = cv2.resize(result, (drawn.shrink, drawn.shrink), interpolation=cv2.INTER_AREA)
        result = cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)
    if drawn.blur:
        result = cv2.GaussianBlur(result, (0, 0), drawn.blur)
    levels = np.linspace(0, 1, 256)[:, None] ** drawn.gamma * np.array(drawn.gain) * 255
    table = np.clip(np.rint(levels), 0, 255).astype(np.uint8)
    result = cv2.LUT(result, table[None])
    if drawn.noise:
        grain = np.rint(rng.standard_normal(result.shape, np.float32) * np.float32(drawn.noise))
        result = cv2.add(result, grain.astype(np.int16), dtype=cv2.CV_8U)
    if drawn.jpeg:
        result = _compress(np.asarray(result, np.uint8), drawn.jpeg)
    return np.asarray(result, np.uint8)


def _compress(frame: Crops, quality: int) -> Crops:
    done, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if done else None
    if decoded is None:
        raise RuntimeError(f"OpenCV could not compress a crop of {frame.shape} as JPEG")
    return np.asarray(decoded, np.uint8)
