"""`unmask batches`: what became of many videos that were handed over in one request."""

from collections.abc import Iterable
from datetime import UTC
from itertools import islice
from typing import Annotated

import typer
from rich.console import Group
from rich.table import Table
from rich.text import Text

from unmask_client.batches import Batch, BatchItem, BatchSummary
from unmask_client.client import Client
from unmask_client.command.arguments import AsJson, Url
from unmask_client.command.output import Output, errors_reported

BatchId = Annotated[str, typer.Argument(metavar="BATCH_ID", help="As `unmask batches` shows it.")]


def list_batches(
    context: typer.Context,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Show at most so many.")] = 20,
    url: Url = None,
    as_json: AsJson = False,
) -> None:
    """List the batches of a server, the newest first; POST /batches makes them.

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


def make_batches_app() -> typer.Typer:
    """Put the commands together."""
    app = typer.Typer(help="List and show the batches of a server.")
    app.callback(invoke_without_command=True)(list_batches)
    app.command("show")(show)
    return app


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
