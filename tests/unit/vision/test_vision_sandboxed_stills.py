from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from media_factory import Head, admiral, astronaut, scenery, show

from unmask_shared.errors import UnreadableVideo, VideoTooDemanding
from unmask_shared.sandbox import SandboxLimits
from unmask_shared.vision.pipeline import FaceTracks, VisionSettings
from unmask_shared.vision.sandboxed_stills import SandboxedStills
from unmask_shared.vision.stills import extract_still

SETTINGS = VisionSettings(crop_size=48, max_pixels=500_000)


@pytest.fixture(scope="module")
def sandboxed() -> Iterator[SandboxedStills]:
    with SandboxedStills(SETTINGS, SandboxLimits(wall_s=60)) as stills:
        yield stills


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two faces, nobody, and one that is too large, in different formats."""
    folder = tmp_path_factory.mktemp("pictures")
    shown = {
        "a.jpg": show(scenery(240, 240), Head(portrait=astronaut(), center=(120, 110))),
        "b.png": show(scenery(300, 240), Head(portrait=admiral(), center=(150, 110))),
        "c.webp": scenery(200, 200),
        "d.jpg": scenery(1000, 1000),
    }
    for name, pixels in shown.items():
        cv2.imwrite(str(folder / name), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))
    return sorted(folder.iterdir())


def test_the_sandbox_finds_what_the_pipeline_finds(
    sandboxed: SandboxedStills, pictures: list[Path]
) -> None:
    found = sandboxed.extract(pictures[:3])

    for path, faces in zip(pictures, found, strict=False):
        expected = extract_still(path.read_bytes(), SETTINGS)
        assert isinstance(faces, FaceTracks)
        assert len(faces.tracks) == len(expected.tracks)
        for track, other in zip(faces.tracks, expected.tracks, strict=True):
            assert track.frames == other.frames
            assert np.array_equal(track.crops, other.crops)
    assert [len(faces.tracks) for faces in found if isinstance(faces, FaceTracks)] == [1, 1, 0]


def test_each_picture_has_an_outcome_of_its_own_in_its_place(
    sandboxed: SandboxedStills, pictures: list[Path], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(pictures[0].read_bytes()[:3000])

    gone, first, cut, large, second = sandboxed.extract(
        [tmp_path / "gone.jpg", pictures[0], broken, pictures[3], pictures[1]]
    )

    assert isinstance(gone, FileNotFoundError)
    assert isinstance(first, FaceTracks)
    assert isinstance(cut, UnreadableVideo)
    assert "cut off" in cut.detail
    assert isinstance(large, VideoTooDemanding)
    assert isinstance(second, FaceTracks)


def test_nothing_at_all_is_no_job(sandboxed: SandboxedStills) -> None:
    assert sandboxed.extract([]) == []


def test_a_picture_that_reaches_a_limit_takes_no_other_with_it(
    pictures: list[Path], tmp_path: Path
) -> None:
    """The bundle is halved until the one that is too much stands alone."""
    settings = VisionSettings(crop_size=48, max_pixels=10**9)
    monster = tmp_path / "monster.png"
    # 120 megapixels in a small file.
    cv2.imwrite(str(monster), np.zeros((10_000, 12_000, 3), np.uint8))
    limits = SandboxLimits(memory_bytes=400 * 1024 * 1024)
    with SandboxedStills(settings, limits) as stills:
        first, large, second = stills.extract([pictures[0], monster, pictures[1]])

    assert isinstance(first, FaceTracks)
    assert isinstance(large, VideoTooDemanding)
    assert "memory" in large.detail
    assert isinstance(second, FaceTracks)
