"""A video that needs more memory than it may have is told so, wherever the memory runs out."""

from pathlib import Path

import pytest
from hostile_clips import clip

from unmask_shared.errors import DecoderCrashed, VideoTooDemanding
from unmask_shared.sandbox import SandboxLimits
from unmask_shared.vision.pipeline import VisionSettings
from unmask_shared.vision.sandboxed import SandboxedExtraction

MIB = 1024 * 1024


@pytest.mark.parametrize("mebibytes", [20, 40, 60])
def test_a_large_video_meets_a_small_limit(tmp_path: Path, mebibytes: int) -> None:
    path = tmp_path / "large.mp4"
    path.write_bytes(
        clip("mp4", "libx264", size=(3840, 2160), codec_options={"preset": "ultrafast"})
    )
    limits = SandboxLimits(memory_bytes=mebibytes * MIB, cpu_s=30, wall_s=60)
    # Some decoders crash when they get no memory, which nobody outside can tell from other crashes.
    with (
        SandboxedExtraction(VisionSettings(), limits) as extraction,
        pytest.raises((VideoTooDemanding, DecoderCrashed)),
    ):
        extraction.extract(path)
