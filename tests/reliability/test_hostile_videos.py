"""Whatever file a stranger sends, reading it ends in faces or in an error that says why."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hostile_media import GROUPS, Hostile

from unmask_shared.errors import DecoderCrashed, NotAVideo, UnmaskError, UnreadableVideo
from unmask_shared.sandbox import SandboxLimits
from unmask_shared.vision.pipeline import FaceTracks, VisionSettings
from unmask_shared.vision.sandboxed import SandboxedExtraction

MIB = 1024 * 1024
# Far from what any of these files should need, so reaching one of them is a failure.
LIMITS = SandboxLimits(memory_bytes=1024 * MIB, cpu_s=20, wall_s=40, result_bytes=64 * MIB)
SETTINGS = VisionSettings(max_clips=2, min_clips=1, max_frames=500_000)


@pytest.fixture(scope="module")
def extraction() -> Iterator[SandboxedExtraction]:
    with SandboxedExtraction(SETTINGS, LIMITS) as started:
        yield started


def read(extraction: SandboxedExtraction, path: Path) -> FaceTracks | UnmaskError:
    try:
        return extraction.extract(path)
    except UnmaskError as error:
        return error


def complaint(file: Hostile, outcome: FaceTracks | UnmaskError) -> str | None:
    """What is wrong with the way a file was taken."""
    if isinstance(outcome, FaceTracks):
        if file.error is not None:
            return f"gave {outcome.video}, not {file.error.__name__}"
        return None
    told = f"{type(outcome).__name__}: {outcome.detail}"
    if isinstance(outcome, DecoderCrashed) or "limit of this installation" in outcome.detail:
        return told
    if not isinstance(outcome, file.error or (UnreadableVideo, NotAVideo)) or file.readable:
        return told
    if len(outcome.detail) < 20 or not outcome.detail.isprintable():
        return f"a useless text: {told!r}"
    return None


@pytest.mark.parametrize("group", GROUPS)
def test_every_file_ends_in_faces_or_in_an_error_that_says_why(
    group: str, extraction: SandboxedExtraction, tmp_path: Path
) -> None:
    path, complaints = tmp_path / "video.mp4", []
    for file in GROUPS[group]():
        path.write_bytes(file.data)
        if (wrong := complaint(file, read(extraction, path))) is not None:
            complaints.append(f"{file.name}: {wrong}")
    path.unlink()
    assert not complaints
