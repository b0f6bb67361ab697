"""How the frames of a track are cut into the clips that the network reads."""

from collections.abc import Sequence
from itertools import groupby

from unmask_shared.artifacts import FaceFrame
from unmask_shared.model.scoring import usable_clips


def clips_to_classify(frames: Sequence[FaceFrame], clip_length: int) -> tuple[range, ...]:
    """The clips of a track that training and serving read: those worth classifying.

    Args:
        frames: The track's frames, ascending.
        clip_length: Most frames of a clip.

    Returns:
        Positions in the track's frames; at least one clip for a track with frames.
    """
    clips = split_clips(frames, clip_length)
    return tuple(clips[i] for i in usable_clips([len(clip) for clip in clips]))


def split_clips(frames: Sequence[FaceFrame], clip_length: int) -> tuple[range, ...]:
    """Positions of each clip in a track's frames, and so in its crops.

    A clip never spans two sampled clips of the video, nor a gap in which the face was not seen:
    the network takes the frames that it is given for consecutive ones.

    Args:
        frames: The track's frames, ascending.
        clip_length: Most frames of a clip.

    Returns:
        Adjoining ranges that cover all frames, each of 1 to `clip_length`.
    """
    clips: list[range] = []
    runs = groupby(range(len(frames)), key=lambda i: (frames[i].clip, frames[i].frame - i))
    for _, run in runs:
        positions = list(run)
        for start in range(0, len(positions), clip_length):
            piece = positions[start : start + clip_length]
            clips.append(range(piece[0], piece[-1] + 1))
    return tuple(clips)
