"""Progress bars on standard error, for terminals only."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from unmask_client.command.output import Output


@contextmanager
def bars(output: Output) -> Iterator[Progress]:
    """Bars of things that get done, from 0 to 1; nothing is drawn when nobody watches."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[note]}", markup=False),
        TimeElapsedColumn(),
    )
    with _drawn(output, *columns) as progress:
        yield progress


@contextmanager
def upload_bars(output: Output) -> Iterator[Progress]:
    """Bars of bytes on their way."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn())
    with _drawn(output, *columns) as progress:
        yield progress


def _drawn(output: Output, *columns: ProgressColumn) -> Progress:
    return Progress(
        *columns,
        console=output.err,
        transient=True,
        disable=not output.is_watched,
        # Results that are sent to a file must not be drawn on the terminal instead.
        redirect_stdout=False,
    )
