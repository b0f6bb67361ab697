"""Clips of about a second for tests that send many; some of them are no videos at all."""

from dataclasses import dataclass, field
from pathlib import Path

from media_factory import Head, admiral, astronaut, film, write_video


@dataclass(frozen=True, kw_only=True)
class Clip:
    """What is sent.

    Attributes:
        name: How the ledger calls it.
        path: The file.
        options: Fields of the form.
    """

    name: str
    path: Path
    options: dict[str, str] = field(default_factory=dict)


def make_clips(folder: Path) -> list[Clip]:
    """Write the files; the same bytes each time."""
    folder.mkdir(parents=True, exist_ok=True)
    one = write_video(
        folder / "one.mp4",
        film(25, lambda n: [Head(portrait=astronaut(), center=(150 + n, 110), eye_distance=40)]),
    )
    two = write_video(
        folder / "two.mp4",
        film(
            25,
            lambda n: [
                Head(portrait=astronaut(), center=(90 + n, 110), eye_distance=36),
                Head(portrait=admiral(), center=(235, 105 + n), eye_distance=36),
            ],
        ),
    )
    nobody = write_video(folder / "nobody.mp4", film(25, lambda n: [], seed=3))
    cut = folder / "cut.mp4"
    cut.write_bytes(one.read_bytes()[:1500])  # ends before its index
    hollow = folder / "hollow.mp4"
    hollow.write_bytes(one.read_bytes()[:32] + bytes(4096))
    return [
        Clip(name="one face", path=one),
        Clip(name="one face, pictures", path=one, options={"heatmaps": "true"}),
        Clip(name="two faces", path=two),
        Clip(name="two faces, overlays", path=two, options={"landmark_overlays": "true"}),
        Clip(name="nobody", path=nobody),
        Clip(name="cut off", path=cut),
        Clip(name="no video", path=hollow),
    ]
