"""Progress bars on standard error, for terminals only."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)

from unmask_client.command.output import Output
from unmask_client.operations import printable

_SHORTEST_NAME: Final = 12


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
    drawn = Progress(
        *columns,
        console=output.err,
        transient=True,
        disable=not output.is_watched,
        # Results that are sent to a file must not be drawn on the terminal instead.
        redirect_stdout=False,
    )
    if not output.is_watched:
        yield drawn
        return
    with output.with_bars(), drawn:
        yield drawn


def name_beside_bar(name: str, output: Output) -> str:
    """A name with its middle left out, if it would leave no room for the bar."""
    name = printable(name)
    most = max(_SHORTEST_NAME, output.err.width // 3)
    if len(name) <= most:
        return name
    head = (most - 1) // 2
    return f"{name[:head]}…{name[head + 1 - most :]}"
