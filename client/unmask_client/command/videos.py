"""Commands about videos that a server has."""

from datetime import UTC, datetime
from itertools import islice
from pathlib import Path, PurePath
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from unmask_client.client import Client
from unmask_client.command.arguments import AsJson, Timeout, Url, VideoId, VideoIds, Yes
from unmask_client.command.exit_codes import ExitCode, exit_code_of
from unmask_client.command.following import follow
from unmask_client.command.output import Output, errors_reported
from unmask_client.command.verdicts import STYLES, describe
from unmask_client.errors import UnmaskClientError
from unmask_client.models import Status, Verdict, VideoSummary
from unmask_client.operations import VideoFilter

_DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"]


def status(video_id: VideoId, url: Url = None, as_json: AsJson = False) -> None:
    """Tell where a video stands, and what came out of it.

    Exit status: that of `unmask watch`; 6 if it is not finished.

    Example: unmask status ID --json | jq .progress
    """
    output = Output(as_json=as_json)
    with errors_reported(output), Client(url) as client:
        video = client.get(video_id)
        output.show(video.as_json(), describe(video))
    raise typer.Exit(exit_code_of(video))


def watch(
    video_ids: VideoIds, timeout: Timeout = None, url: Url = None, as_json: AsJson = False
) -> None:
    """Follow videos to their end, with a bar for each, and show what came out.

    Ctrl-C ends the watching, not the videos.

    Exit status: 0 all real, 3 a fake was found, 4 inconclusive, 5 failed or cancelled, 6 not
    finished in time. Of several, the first in this order counts: 3, 1, 5, 6, 4.
    """
    output = Output(as_json=as_json)
    with errors_reported(output):
        code = follow(video_ids, url=url, timeout_s=timeout, output=output)
    raise typer.Exit(code)


def list_videos(
    *,
    statuses: Annotated[
        list[Status] | None, typer.Option("--status", help="Only these; may be repeated.")
    ] = None,
    verdicts: Annotated[
        list[Verdict] | None, typer.Option("--verdict", help="Only these; may be repeated.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(formats=_DATES, help="Accepted then or later, in UTC.")
    ] = None,
    until: Annotated[
        datetime | None, typer.Option(formats=_DATES, help="Accepted before, in UTC.")
    ] = None,
    name: Annotated[str, typer.Option(help="Part of the file's name.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Show at most so many.")] = 20,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List the videos of a server, the newest first.

    Example: unmask list --verdict fake --since 2026-05-01 --json | jq -r .id
    """
    output = Output(as_json=as_json)
    wanted = VideoFilter(
        statuses=statuses or (),
        verdicts=verdicts or (),
        created_after=since and since.replace(tzinfo=UTC),
        created_before=until and until.replace(tzinfo=UTC),
        filename=name,
    )
    with errors_reported(output), Client(url) as client:
        found = islice(client.list(wanted), limit)
        if as_json:
            for video in found:
                output.show(video.model_dump(mode="json"), "")
        else:
            output.print(_table(list(found)))


def report(
    video_id: VideoId,
    to: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", dir_okay=False, show_default="ID.html", help="Where."
        ),
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Save the report on a video: one HTML file to read, print and keep.

    Example: unmask report ID -o clip.html
    """
    output = Output(as_json=as_json)
    file = to or Path(f"{PurePath(video_id).name}.html")
    with errors_reported(output), Client(url) as client:
        client.report(video_id, file)
        output.show({"id": video_id, "report": str(file)}, Text(str(file)))


def cancel(video_ids: VideoIds, url: Url = None, as_json: AsJson = False) -> None:
    """End videos without a result; their files stay until `unmask delete`.

    Exit status: 0 all are cancelled, 1 one had ended already, or is not there.
    """
    output = Output(as_json=as_json)
    failed = False
    with errors_reported(output), Client(url) as client:
        for video_id in video_ids:
            try:
                video = client.cancel(video_id)
            except UnmaskClientError as error:  # the others may be cancelled
                output.report(error, id=video_id)
                failed = True
            else:
                output.show(video.as_json(), describe(video))
    raise typer.Exit(ExitCode.ERROR if failed else ExitCode.OK)


def delete(
    video_ids: VideoIds,
    yes: Yes = False,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Erase videos from a server, with everything that was made of them, for good.

    Asks before it does so, unless standard input is no terminal or --yes is given.
    """
    output = Output(as_json=as_json)
    failed = False
    with errors_reported(output), Client(url) as client:
        if not yes and output.can_ask:
            typer.confirm(f"Erase {len(video_ids)} video(s) for good?", abort=True, err=True)
        for video_id in video_ids:
            try:
                client.delete(video_id)
            except UnmaskClientError as error:  # the others may be erased
                output.report(error, id=video_id)
                failed = True
            else:
                output.show({"id": video_id, "deleted": True}, f"{video_id} is erased")
    raise typer.Exit(ExitCode.ERROR if failed else ExitCode.OK)


def _table(videos: list[VideoSummary]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("id", no_wrap=True, min_width=36)
    table.add_column("accepted (UTC)", no_wrap=True, min_width=16)
    table.add_column("outcome", no_wrap=True, min_width=12)
    table.add_column("fake", no_wrap=True, min_width=4)
    table.add_column("file", no_wrap=True)
    for video in videos:
        table.add_row(
            video.id,
            video.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M"),
            _outcome(video),
            "" if video.fake_probability is None else f"{video.fake_probability:.2f}",
            Text(video.filename),
        )
    return table


def _outcome(video: VideoSummary) -> Text:
    if video.verdict is not None:
        return Text(video.verdict.value, style=STYLES[video.verdict])
    if video.status.is_final:
        return Text(video.status.value, style="yellow")
    return Text(f"{video.status.value} {video.progress:.0%}")
