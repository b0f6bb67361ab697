"""What people see of a batch: a bar for each video that is under way, one for all, a table."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import Progress, TaskID
from rich.table import Table
from rich.text import Text

from unmask_client.command.output import Output
from unmask_client.command.progress import bars, name_beside_bar
from unmask_client.command.verdicts import STYLES, describe
from unmask_client.errors import UnmaskClientError
from unmask_client.models import Video
from unmask_client.operations import is_url, printable

_NOT_SENT = "not sent"


class Row:
    """One video of a batch."""

    def __init__(self, source: str, output: Output, progress: Progress, task: TaskID) -> None:
        self._source = source
        self._output = output
        self._progress = progress
        self._task = task

    def sent(self, sent: int, total: int | None) -> None:
        """Draw how much has left."""
        self._progress.update(self._task, completed=sent, total=total, note="sending")

    def follow(self, video: Video) -> None:
        """Draw how far the analysis is."""
        self._progress.update(
            self._task, completed=video.progress, total=1.0, note=video.status.value
        )

    def move(self, done: float) -> None:
        """Draw how much of the work on it is done, from 0 to 1."""
        self._progress.update(self._task, completed=done, total=1.0)

    def note(self, text: str) -> None:
        """Say why nothing moves."""
        self._progress.update(self._task, note=text)

    def show(self, video: Video) -> None:
        """Print what came out, or where it stands."""
        self._output.show({"file": self._source, **video.as_json()}, describe(video))

    def show_error(self, error: UnmaskClientError) -> None:
        """Print what went wrong."""
        self._output.report(error, file=self._source)


class BatchDisplay:
    """Draws the bars of a batch."""

    def __init__(self, output: Output, progress: Progress, *, count: int) -> None:
        self._output = output
        self._progress = progress
        self._all = None
        if count > 1:
            self._all = progress.add_task("all", total=count, note=f"0 of {count}")
        self._count = count
        self._done = 0

    @contextmanager
    def row(self, source: str) -> Iterator[Row]:
        """Draw a bar until the end of the block."""
        name = source if is_url(source) else Path(source).name
        beside = name_beside_bar(name, self._output)
        task = self._progress.add_task(beside, total=None, note="")
        try:
            yield Row(source, self._output, self._progress, task)
        finally:
            self._progress.remove_task(task)
            self._done += 1
            if self._all is not None:
                note = f"{self._done} of {self._count}"
                self._progress.update(self._all, completed=self._done, note=note)


@contextmanager
def batch_display(output: Output, *, count: int) -> Iterator[BatchDisplay]:
    """Draw bars until the end of the block, where somebody watches."""
    with bars(output) as progress:
        yield BatchDisplay(output, progress, count=count)


def summary(ends: Sequence[tuple[str, Video | UnmaskClientError | None]]) -> tuple[Table, str]:
    """A table of what became of each, and a sentence that counts.

    Args:
        ends: Each source with its video, the error, or None if it was not sent.
    """
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("outcome", no_wrap=True)
    table.add_column("fake", no_wrap=True)
    table.add_column("file", no_wrap=True)
    table.add_column("id", no_wrap=True)
    counts: Counter[str] = Counter()
    for source, end in ends:
        outcome = _outcome(end)
        counts[outcome.plain] += 1
        video = end if isinstance(end, Video) else None
        probability = video.result.fake_probability if video and video.result else None
        table.add_row(
            outcome,
            "" if probability is None else f"{probability:.2f}",
            Text(printable(source)),
            video.id if video else "",
        )
    told = ", ".join(f"{count} {outcome}" for outcome, count in counts.most_common())
    return table, f"{len(ends)} videos: {told}"


def _outcome(end: Video | UnmaskClientError | None) -> Text:
    if end is None:
        return Text(_NOT_SENT, style="yellow")
    if isinstance(end, UnmaskClientError):
        return Text("error", style="bold red")
    if end.result is not None:
        return Text(end.result.verdict.value, style=STYLES[end.result.verdict])
    return Text(end.status.value, style="yellow")
