"""What a picture file is: a video of one frame, to the statistics."""

import hashlib
from pathlib import Path

from unmask_shared.errors import UnreadableVideo
from unmask_shared.vision.picture_files import decode_picture, read_header
from unmask_trainer.statistics.inspection import Header, Inspection, VideoFacts


def inspect_picture(path: Path, inspection: Inspection) -> VideoFacts:
    """Read and decode a picture.

    Raises:
        UnreadableVideo: The file cannot be opened, is no picture, or is damaged.
        VideoTooDemanding: The picture is larger than the limits allow.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise UnreadableVideo(f"The file cannot be read: {reason}.") from error
    height, width, _ = decode_picture(data, max_pixels=inspection.limits.max_pixels).shape
    form = read_header(data).format
    return VideoFacts(
        container=form,
        codec=form,
        width=width,
        height=height,
        fps=0.0,
        frames=1,
        complete=True,
        duration_s=0.0,
        decoded_frames=1 if inspection.decode else None,
        header=Header(frames=None, fps=None, duration_s=None),
        sha256=hashlib.sha256(data).hexdigest() if inspection.digest else None,
    )
