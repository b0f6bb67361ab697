"""Ways in which face crops get worse on their way through the world."""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

import av
import cv2
import numpy as np
from numpy.typing import NDArray

Crops = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Degradation:
    """One way to degrade a clip.

    Attributes:
        name: For the document.
        title: For readers, with the unit of the strength.
        strengths: From mild to severe.
        apply: From a clip (T, S, S, 3) uint8 RGB and a strength to the same shape and type.
    """

    name: str
    title: str
    strengths: tuple[float, ...]
    apply: Callable[[Crops, float], Crops]


def jpeg(crops: Crops, quality: float) -> Crops:
    """Compress each frame as JPEG of a quality from 1 to 100."""

    def compress(frame: Crops) -> cv2.typing.MatLike:
        done, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, int(quality)])
        decoded = cv2.imdecode(data, cv2.IMREAD_COLOR) if done else None
        if decoded is None:
            raise RuntimeError(f"OpenCV could not compress a crop of {frame.shape} as JPEG")
        return decoded

    # The codec takes red for blue and back again: JPEG treats both alike but for their weights.
    return _each(crops, lambda frame: compress(np.ascontiguousarray(frame[..., ::-1]))[..., ::-1])


def h264(crops: Crops, rate_factor: float) -> Crops:
    """Encode the clip as H.264 with a constant rate factor from 0 to 51, and decode it again.

    Raises:
        RuntimeError: When the codec gives back another number of frames.
    """
    side = crops.shape[1]
    even = side + side % 2
    padded = np.pad(crops, ((0, 0), (0, even - side), (0, even - side), (0, 0)), mode="edge")
    file = BytesIO()
    with av.open(file, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = even
        stream.pix_fmt = "yuv420p"
        stream.options = {
            "crf": f"{rate_factor:g}",
            "preset": "veryfast",
            "threads": "1",
            # Without it, the same clip does not always give the same bytes, even on one machine.
            "x264-params": "cpu-independent=1",
        }
        for frame in padded:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode(None))
    file.seek(0)
    with av.open(file, "r") as encoded:
        frames = [
            np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            for frame in encoded.decode(video=0)
        ]
    if len(frames) != len(crops):
        raise RuntimeError(f"H.264 gave back {len(frames)} of {len(crops)} frames")
    return np.stack(frames)[:, :side, :side]


def shrink(crops: Crops, factor: float) -> Crops:
    """Scale down to a share of the side, over 0 and up to 1, and up again."""
    side = crops.shape[1]
    small = max(1, round(side * factor))

    def resize(frame: Crops) -> cv2.typing.MatLike:
        reduced = cv2.resize(frame, (small, small), interpolation=cv2.INTER_AREA)
        return cv2.resize(reduced, (side, side), interpolation=cv2.INTER_LINEAR)

    return _each(crops, resize)


def blur(crops: Crops, sigma: float) -> Crops:
    """Gaussian blur with a standard deviation in pixels of the crop."""
    return _each(crops, lambda frame: cv2.GaussianBlur(frame, (0, 0), sigma))


def noise(crops: Crops, deviation: float) -> Crops:
    """Add Gaussian noise of a standard deviation in 8-bit levels; the same for the same clip."""
    rng = np.random.default_rng(int(crops.astype(np.uint64).sum()))
    grain = rng.standard_normal(crops.shape, np.float32) * np.float32(deviation)
    return np.clip(np.rint(crops + grain), 0, 255).astype(np.uint8)


DEGRADATIONS = (
    Degradation(name="jpeg", title="JPEG quality", strengths=(90, 60, 30, 15), apply=jpeg),
    Degradation(name="h264", title="H.264 rate factor", strengths=(23, 30, 37, 44), apply=h264),
    Degradation(
        name="scale", title="Scaled down to, and up again", strengths=(0.75, 0.5, 0.3), apply=shrink
    ),
    Degradation(name="blur", title="Blur in pixels", strengths=(0.7, 1.5, 3), apply=blur),
    Degradation(name="noise", title="Noise in levels of 255", strengths=(4, 10, 25), apply=noise),
)
"""What the robustness sweep does."""


def _each(crops: Crops, change: Callable[[Crops], cv2.typing.MatLike]) -> Crops:
    return np.stack([np.asarray(change(frame), np.uint8) for frame in crops])
