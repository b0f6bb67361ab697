"""How the frames of a track are cut into the clips that the network reads."""

from collections.abc import Sequence
from itertools import groupby
from typing import Literal, assert_never

from unmask_shared.artifacts import FaceFrame
from unmask_shared.model.scoring import usable_clips

ShortClips = Literal["mask", "repeat_last", "wrap"]
"""What the network reads of a clip that is too short: what there is, and no more; then the last
frame again and again; or the clip from its beginning, again and again."""


def clips_to_classify(
    frames: Sequence[FaceFrame], clip_length: int, *, frame_step: int = 1
) -> tuple[range, ...]:
    """The clips of a track that training and serving read: those worth classifying.

    Args:
        frames: The track's frames, ascending.
        clip_length: Most frames of a clip.
        frame_step: Distance of the sampled frames.

    Returns:
        Positions in the track's frames; at least one clip for a track with frames.
    """
    clips = split_clips(frames, clip_length, frame_step=frame_step)
    return tuple(clips[i] for i in usable_clips([len(clip) for clip in clips]))


def split_clips(
    frames: Sequence[FaceFrame], clip_length: int, *, frame_step: int = 1
) -> tuple[range, ...]:
    """Positions of each clip in a track's frames, and so in its crops.

    A clip never spans two sampled clips of the video, nor a gap in which the face was not seen:
    the network takes the frames that it is given for equally distant ones.

    Args:
        frames: The track's frames, ascending.
        clip_length: Most frames of a clip.
        frame_step: Distance of the sampled frames, 1 where every frame of a clip was looked at.

    Returns:
        Adjoining ranges that cover all frames, each of 1 to `clip_length`.
    """
    clips: list[range] = []
    runs = groupby(
        range(len(frames)), key=lambda i: (frames[i].clip, frames[i].frame - i * frame_step)
    )
    for _, run in runs:
        positions = list(run)
        for start in range(0, len(positions), clip_length):
            piece = positions[start : start + clip_length]
            clips.append(range(piece[0], piece[-1] + 1))
    return tuple(clips)


def frames_to_read(frames: int, clip_length: int, policy: ShortClips) -> tuple[int, ...]:
    """Which frames of a clip the network reads, in order.

    Args:
        frames: Frames that the clip has, from 1 to `clip_length`.
        clip_length: Frames of a full clip.
        policy: What becomes of a clip that has fewer.

    Returns:
        Positions in the clip: all of them, and with a policy other than `mask` as many more as a
        full clip has.

    Raises:
        ValueError: The clip has no frame, or more than a full one.
    """
    if not 1 <= frames <= clip_length:
        raise ValueError(f"a clip has {frames} frames, not from 1 to {clip_length}")
    match policy:
        case "mask":
            return tuple(range(frames))
        case "repeat_last":
            return tuple(min(i, frames - 1) for i in range(clip_length))
        case "wrap":
            return tuple(i % frames for i in range(clip_length))
        case _:
            assert_never(policy)
