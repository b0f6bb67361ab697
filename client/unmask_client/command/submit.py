"""`unmask submit`: send videos to a server."""

from pathlib import Path
from typing import Annotated

import typer

from unmask_client.client import Client
from unmask_client.command.arguments import AsJson, FullFrame, Timeout, Url
from unmask_client.command.exit_codes import ExitCode, joined
from unmask_client.command.following import follow
from unmask_client.command.output import Output, errors_reported
from unmask_client.command.progress import upload_bars
from unmask_client.command.verdicts import describe
from unmask_client.errors import UnmaskClientError
from unmask_client.models import AnalysisOptions, Video
from unmask_client.operations import is_url


def submit(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE|URL...", help="Video files, or addresses that the server fetches."
        ),
    ],
    *,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait for the verdicts and show them.")
    ] = False,
    timeout: Timeout = None,
    heatmaps: Annotated[
        bool, typer.Option("--heatmaps", help="Draw where the network sees signs of a forgery.")
    ] = False,
    landmarks: Annotated[
        bool, typer.Option("--landmarks", help="Draw the 68 landmarks of each face.")
    ] = False,
    full_frame: FullFrame = False,
    keep_faceless: Annotated[
        bool,
        typer.Option("--keep-faceless", help="With --full-frame, judge pictures without a face."),
    ] = False,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME/VERSION", help="A published model, instead of the active one."),
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Send videos to a server, which judges them; prints an id for each.

    Broken uploads are sent again; a video is never accepted twice for that.

    Exit status: 0 all accepted. With --wait that of `unmask watch`: 0 all real, 3 a fake was found,
    4 inconclusive, 5 failed or cancelled, 6 not finished in time.

    Example: unmask submit --wait --json clip.mp4
    """
    _check(sources)
    output = Output(as_json=as_json)
    options = AnalysisOptions(
        face_mode="full_frame" if full_frame else "faces",
        keep_faceless_frames=keep_faceless,
        landmark_overlays=landmarks,
        heatmaps=heatmaps,
        model=model,
    )
    with errors_reported(output):
        with Client(url) as client:
            videos = [_submit(client, source, options, output) for source in sources]
        accepted = [video for video in videos if video is not None]
        codes = [ExitCode.OK if len(accepted) == len(videos) else ExitCode.ERROR]
        if wait:
            ids = [video.id for video in accepted]
            codes.append(follow(ids, url=url, timeout_s=timeout, output=output))
        else:
            for video in accepted:
                output.show(video.as_json(), describe(video))
    raise typer.Exit(joined(codes))


def _check(sources: list[str]) -> None:
    """Refuse the command line before anything is sent."""
    for source in sources:
        if not is_url(source) and not Path(source).is_file():
            raise typer.BadParameter(f"{source!r} is neither a file nor an http(s) address.")


def _submit(client: Client, source: str, options: AnalysisOptions, output: Output) -> Video | None:
    with upload_bars(output) as progress:
        name = source if is_url(source) else Path(source).name
        task = progress.add_task(name, total=None)
        try:
            return client.submit(
                source,
                options,
                on_upload=lambda sent, total: progress.update(task, completed=sent, total=total),
            )
        except UnmaskClientError as error:  # the others may be accepted
            output.report(error, source=source)
            return None
