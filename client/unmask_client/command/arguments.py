"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from unmask_client.models import AnalysisOptions

AsJson = Annotated[
    bool,
    typer.Option("--json", help="One JSON document per line on standard output, for programs."),
]
Url = Annotated[
    str | None,
    typer.Option(
        "--url",
        envvar="UNMASK_URL",
        help="Base URL of the server.",
        show_default="http://127.0.0.1:8000",
    ),
]
VideoId = Annotated[str, typer.Argument(metavar="ID", help="What `unmask submit` printed.")]
VideoIds = Annotated[list[str], typer.Argument(metavar="ID", help="Ids of videos.")]
FullFrame = Annotated[
    bool,
    typer.Option(
        "--full-frame", help="Judge whole pictures, not faces; needs a model trained on them."
    ),
]
KeepFaceless = Annotated[
    bool,
    typer.Option("--keep-faceless", help="With --full-frame, judge pictures without a face."),
]
Heatmaps = Annotated[
    bool, typer.Option("--heatmaps", help="Draw where the network sees signs of a forgery.")
]
Landmarks = Annotated[bool, typer.Option("--landmarks", help="Draw the 68 landmarks of each face.")]
Model = Annotated[
    str | None,
    typer.Option(metavar="NAME/VERSION", help="A published model, instead of the active one."),
]
Webhook = Annotated[
    str | None,
    typer.Option(
        "--webhook", metavar="URL", help="The server sends a signed message there at the end."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE",
        exists=True,
        readable=True,
        help="Video files, or folders with videos in and below them.",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        min=0,
        metavar="SECONDS",
        help="Wait no longer than this for each video.",
        show_default="for ever",
    ),
]


def options_of(
    *, heatmaps: bool, landmarks: bool, full_frame: bool, keep_faceless: bool, model: str | None
) -> AnalysisOptions:
    """What these options ask for."""
    return AnalysisOptions(
        face_mode="full_frame" if full_frame else "faces",
        keep_faceless_frames=keep_faceless,
        landmark_overlays=landmarks,
        heatmaps=heatmaps,
        model=model,
    )
