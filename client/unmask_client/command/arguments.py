"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

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
