"""`unmask submit`: send videos to a server."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer

from unmask_client.async_client import AsyncClient
from unmask_client.command.arguments import (
    AsJson,
    FullFrame,
    Heatmaps,
    KeepFaceless,
    Landmarks,
    Model,
    Timeout,
    Url,
    Webhook,
    options_of,
)
from unmask_client.command.batch import Batch, End, Wanted
from unmask_client.command.batch_display import batch_display, summary
from unmask_client.command.exit_codes import ExitCode, exit_code_of, joined
from unmask_client.command.journal import Journal
from unmask_client.command.output import Output, errors_reported
from unmask_client.command.sources import expanded
from unmask_client.configuration import choose_server
from unmask_client.errors import WaitTimedOut
from unmask_client.models import Video


def submit(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE",
            help="Video files, folders with videos in and below them, addresses that the server "
            "fetches; `-` reads a list of these from standard input, one a line.",
        ),
    ],
    *,
    wait: Annotated[
        bool, typer.Option("--wait", "-w", help="Wait for the verdicts and show them.")
    ] = False,
    timeout: Timeout = None,
    parallel: Annotated[
        int,
        typer.Option("--parallel", "-p", min=1, max=64, help="So many at once."),
    ] = 2,
    journal: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            dir_okay=False,
            help="Note here what became of each. The same command goes on where it was, after "
            "Ctrl-C or a crash, and sends nothing twice.",
        ),
    ] = None,
    direct: Annotated[
        bool,
        typer.Option(
            "--direct",
            help="Send files straight to the object store, in parts; what breaks off goes on.",
        ),
    ] = False,
    webhook: Webhook = None,
    heatmaps: Heatmaps = False,
    landmarks: Landmarks = False,
    full_frame: FullFrame = False,
    keep_faceless: KeepFaceless = False,
    model: Model = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Send videos to a server, which judges them; prints an id, or the verdict, for each.

    Broken uploads are sent again; a video is never accepted twice for that. While the server is
    busy the command waits as long as it is asked to.

    Exit status: 0 all accepted. With --wait that of `unmask watch`: 0 all real, 3 a fake was found,
    4 inconclusive, 5 failed or cancelled, 6 not finished in time.

    Example: unmask submit --wait --json clip.mp4

    Example: find . -name '*.mp4' | unmask submit --wait --journal batch.jsonl -
    """
    found = expanded(sources, sys.stdin)
    output = Output(as_json=as_json)
    wanted = Wanted(
        options=options_of(
            heatmaps=heatmaps,
            landmarks=landmarks,
            full_frame=full_frame,
            keep_faceless=keep_faceless,
            model=model,
        ),
        webhook_url=webhook,
        direct=direct,
        wait=wait,
        timeout_s=timeout,
    )
    with errors_reported(output), Journal(journal) as notes:
        try:
            ends = asyncio.run(_run(found, url, wanted, notes, output, parallel=parallel))
        except KeyboardInterrupt:
            if journal is not None:
                output.note(_goes_on(journal))
            raise
        if len(found) > 1:
            table, told = summary([(end.source, end.outcome) for end in ends])
            output.err.print(table)
            output.err.print(told)
        if journal is not None and not all(isinstance(end.outcome, Video) for end in ends):
            output.note(_goes_on(journal))
    raise typer.Exit(joined(_code_of(end, wait=wait) for end in ends))


async def _run(
    sources: list[str],
    url: str | None,
    wanted: Wanted,
    journal: Journal,
    output: Output,
    *,
    parallel: int,
) -> list[End]:
    server = choose_server(url, api_key=None, timeout_s=1.0).url
    with batch_display(output, count=len(sources)) as display:
        async with AsyncClient(url) as client:
            batch = Batch(client, server=server, wanted=wanted, journal=journal, display=display)
            return await batch.run(sources, parallel=parallel)


def _goes_on(journal: Path) -> str:
    return f"The same command goes on where this one ends ({journal})."


def _code_of(end: End, *, wait: bool) -> ExitCode:
    if isinstance(end.outcome, WaitTimedOut):
        return ExitCode.UNFINISHED
    if not isinstance(end.outcome, Video):
        return ExitCode.ERROR
    return exit_code_of(end.outcome) if wait else ExitCode.OK
