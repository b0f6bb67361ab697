"""`unmask batches`: many videos that are handed over in one request, and what became of them."""

import sys
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC
from itertools import islice
from typing import Annotated

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from unmask_client.batch_models import Batch, BatchItem, BatchSummary
from unmask_client.batches import NewItem
from unmask_client.client import Client
from unmask_client.command.arguments import (
    AsJson,
    FullFrame,
    Heatmaps,
    KeepFaceless,
    Landmarks,
    Model,
    Url,
    Webhook,
    Yes,
    options_of,
)
from unmask_client.command.exit_codes import ExitCode, exit_code_of, joined
from unmask_client.command.output import Output, errors_reported
from unmask_client.command.progress import bars
from unmask_client.command.sources import with_lists
from unmask_client.command.verdicts import describe
from unmask_client.errors import BatchWaitTimedOut, NotFound
from unmask_client.operations import is_url

BatchId = Annotated[str, typer.Argument(metavar="BATCH_ID", help="As `unmask batches` shows it.")]


def list_batches(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Show at most so many.")] = 20,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List the batches of a server, the newest first.

    Without a further command, this is what `unmask batches` does.
    """
    if context.invoked_subcommand is not None:
        return
    output = Output(as_json=as_json)
    with errors_reported(output), Client(url) as client:
        found = islice(client.batches(), limit)
        if as_json:
            for batch in found:
                output.show(batch.model_dump(mode="json"), "")
        else:
            output.print(_table(found))


def show(batch_id: BatchId, url: Url = None, as_json: AsJson = False) -> None:
    """Show where each item of a batch stands, with the id of its video or its problem."""
    output = Output(as_json=as_json)
    with errors_reported(output), Client(url) as client:
        batch = client.batch(batch_id)
        output.show(batch.model_dump(mode="json"), _in_words(batch))


def submit(
    addresses: Annotated[
        list[str],
        typer.Argument(
            metavar="URL",
            help="Addresses that the server fetches, up to 200; `-` reads them from standard "
            "input, one a line.",
        ),
    ],
    *,
    webhook: Webhook = None,
    heatmaps: Heatmaps = False,
    landmarks: Landmarks = False,
    full_frame: FullFrame = False,
    keep_faceless: KeepFaceless = False,
    model: Model = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Hand over many videos in one request, which the server fetches one after the other.

    They wait until no other videos do. Files of your own are sent by `unmask submit`.

    Example: unmask batches submit --webhook https://example.com/hook - < addresses.txt
    """
    output = Output(as_json=as_json)
    options = options_of(
        heatmaps=heatmaps,
        landmarks=landmarks,
        full_frame=full_frame,
        keep_faceless=keep_faceless,
        model=model,
    )
    items = [NewItem(source_url=one, options=options) for one in _listed(addresses)]
    with errors_reported(output), Client(url) as client:
        batch = client.submit_batch(items, webhook_url=webhook)
        output.show(batch.model_dump(mode="json"), batch.id)


def watch(
    batch_id: BatchId,
    timeout: Annotated[
        float | None,
        typer.Option(min=0, metavar="SECONDS", help="Wait no longer.", show_default="for ever"),
    ] = None,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """Follow a batch to its end, and show what came out of each of its videos.

    Ctrl-C ends the watching, not the videos.

    Exit status: that of `unmask watch`, where an item that was refused counts as failed.
    """
    output = Output(as_json=as_json)
    with errors_reported(output), Client(url) as client:
        try:
            batch = _ended(client, batch_id, timeout_s=timeout, output=output)
        except BatchWaitTimedOut as error:
            output.report(error, id=batch_id)
            raise typer.Exit(ExitCode.UNFINISHED) from error
        codes = [_show_end(client, item, output) for item in batch.items]
    raise typer.Exit(joined(codes))


def cancel(batch_id: BatchId, url: Url = None, as_json: AsJson = False) -> None:
    """Let no more items become videos, and cancel the videos of a batch that have not ended."""
    output = Output(as_json=as_json)
    with errors_reported(output), Client(url) as client:
        batch = client.cancel_batch(batch_id)
        output.show(batch.model_dump(mode="json"), _in_words(batch))


def delete(batch_id: BatchId, yes: Yes = False, url: Url = None, as_json: AsJson = False) -> None:
    """Erase a batch with all of its videos, and everything that was made of them, for good.

    Asks before it does so, unless standard input is no terminal or --yes is given.
    """
    output = Output(as_json=as_json)
    with errors_reported(output), Client(url) as client:
        if not yes and output.can_ask:
            typer.confirm("Erase the batch with all of its videos for good?", abort=True, err=True)
        client.delete_batch(batch_id)
        output.show({"id": batch_id, "deleted": True}, f"{batch_id} is erased")


def make_batches_app() -> typer.Typer:
    """Put the commands together."""
    app = typer.Typer(help="Submit, list, follow, cancel and erase the batches of a server.")
    app.callback(invoke_without_command=True)(list_batches)
    for command in (submit, show, watch, cancel, delete):
        app.command(command.__name__)(command)
    return app


def _ended(client: Client, batch_id: str, *, timeout_s: float | None, output: Output) -> Batch:
    with bars(output) as progress:
        task = progress.add_task("batch", total=None, note="")

        def tell(batch: Batch) -> None:
            note = f"{batch.ended} of {batch.total} ended"
            progress.update(task, total=batch.total, completed=batch.ended, note=note)

        return client.wait_for_batch(batch_id, timeout_s=timeout_s, on_progress=tell)


def _show_end(client: Client, item: BatchItem, output: Output) -> ExitCode:
    """Show what became of an item; what it means for scripts."""
    video = None
    if item.video_id is not None and item.status != "erased":
        with suppress(NotFound):  # it was erased just now
            video = client.get(item.video_id)
    if video is None:
        words = Text(f"item {item.number}  {item.status.upper()}  ") + _file_or_problem(item)
        output.show(item.model_dump(mode="json"), words)
        return ExitCode.FAILED
    output.show(video.as_json(), describe(video))
    return exit_code_of(video)


def _listed(addresses: Iterable[str]) -> list[str]:
    """All addresses, those of standard input included.

    Raises:
        BadParameter: One is none of HTTP, or there is none.
    """
    found = [one.strip() for one in with_lists(addresses, sys.stdin) if one.strip()]
    for one in found:
        if not is_url(one):
            raise typer.BadParameter(
                f"{one} is no http or https URL; files are sent by `unmask submit`."
            )
    if not found:
        raise typer.BadParameter("standard input names no address.")
    return found


def _table(batches: Iterable[BatchSummary]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("id", no_wrap=True, min_width=36)
    table.add_column("accepted (UTC)", no_wrap=True, min_width=16)
    table.add_column("items", justify="right")
    table.add_column("")
    for batch in batches:
        state = "cancelled" if batch.is_cancelled else "items wait" if batch.is_open else ""
        accepted = batch.created_at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
        table.add_row(batch.id, accepted, str(batch.total), state)
    return table


def _in_words(batch: Batch) -> Group:
    counted = ", ".join(f"{count} {status}" for status, count in batch.counts.items() if count)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("", justify="right")
    table.add_column("status", no_wrap=True)
    table.add_column("video", no_wrap=True, min_width=36)
    table.add_column("file")
    for item in batch.items:
        table.add_row(str(item.number), item.status, item.video_id or "", _file_or_problem(item))
    return Group(Text(f"{batch.id}: {counted}"), table)


def _file_or_problem(item: BatchItem) -> Text:
    if item.problem is not None:
        return Text(f"{item.problem.title}: {item.problem.detail}", style="red")
    return Text(item.filename or "")
