"""Does for one video what the preprocessor does, in a process that is nothing else."""

import sys
from pathlib import Path

import unmask_preprocessor.worker  # noqa: F401 # takes its share of the memory
from unmask_shared.sandbox import SandboxLimits
from unmask_shared.vision.encoding import CropEncoder, thumbnail_jpeg
from unmask_shared.vision.pipeline import FaceTracks, VisionSettings
from unmask_shared.vision.sandboxed import SandboxedExtraction


def whole_stage(extraction: SandboxedExtraction, path: Path) -> FaceTracks:
    """Everything that a worker does between fetching and storing."""
    with CropEncoder() as encoder:
        faces = extraction.extract(path, on_piece=encoder.add)
        for track in faces.tracks:
            thumbnail_jpeg(track)
            encoder.archive(track)
    return faces


if __name__ == "__main__":
    with SandboxedExtraction(VisionSettings(), SandboxLimits()) as own_extraction:
        whole_stage(own_extraction, Path(sys.argv[1]))
