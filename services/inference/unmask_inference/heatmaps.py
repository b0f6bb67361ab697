"""Pictures of where the network sees signs of a forgery, on the most telling frames of a face."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask_shared.artifacts import TrackManifest, heatmap_key
from unmask_shared.model.card import LABELS
from unmask_shared.model.evidence import ClipEvidence
from unmask_shared.model.overlay import overlay
from unmask_shared.videos import Heatmap
from unmask_shared.vision.parts import work_in_parts

# Large enough to be looked at; crops are smaller.
_LEAST_SIDE: Final = 256
_WEBP_QUALITY: Final = 80


@dataclass(frozen=True, kw_only=True)
class DrawnHeatmap:
    """One frame of a face, coloured.

    Attributes:
        heatmap: Its place in the result, with the object key of the picture.
        webp: The picture.
    """

    heatmap: Heatmap
    webp: bytes


def draw_heatmaps(
    video_id: str,
    track: TrackManifest,
    crops: NDArray[np.uint8],
    explained: Sequence[tuple[range, ClipEvidence]],
    *,
    limit: int,
) -> tuple[DrawnHeatmap, ...]:
    """Draw the most telling frame of each of the clips that look most like a forgery.

    One frame of each clip, since neighbouring frames look alike. The telling one is that which
    adds most to the score for a forgery, to first order.

    Args:
        video_id: Begins the keys of the pictures.
        track: The face.
        crops: (N, S, S, 3) uint8 RGB, one for each of its frames.
        explained: Positions of each clip in the track, and what the network saw in it.
        limit: Most pictures.

    Returns:
        The most suspicious clip first; fewer than `limit` if there are fewer clips.
    """
    chosen = sorted(explained, key=lambda pair: _score(pair[1]), reverse=True)[:limit]
    places = [
        (clip[telling := int(np.argmax(evidence.contributions))], telling, evidence)
        for clip, evidence in chosen
    ]
    pictures = work_in_parts(
        lambda part: [_draw(crops[place], evidence, telling) for place, telling, evidence in part],
        places,
    )
    return tuple(
        DrawnHeatmap(
            heatmap=Heatmap(
                picture=heatmap_key(video_id, track.track_id, number),
                frame=track.frames[place].frame,
                time_s=track.frames[place].time_s,
                box=track.frames[place].box,
            ),
            webp=webp,
        )
        for number, ((place, _, _), webp) in enumerate(zip(places, pictures, strict=True))
    )


def _score(evidence: ClipEvidence) -> float:
    return float(evidence.logits[LABELS["fake"]] - evidence.logits[LABELS["real"]])


def _draw(crop: NDArray[np.uint8], evidence: ClipEvidence, position: int) -> bytes:
    side = max(_LEAST_SIDE, len(crop))
    larger = cv2.resize(crop, (side, side), interpolation=cv2.INTER_CUBIC)
    coloured = overlay(larger.astype(np.uint8, copy=False), evidence.heatmap(position, side))
    picture = cv2.cvtColor(coloured, cv2.COLOR_RGB2BGR)
    _, webp = cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, _WEBP_QUALITY])
    return webp.tobytes()
