"""Shows on a terminal how a training run goes."""

from tqdm import tqdm  # type: ignore[import-untyped]  # it ships no types

from unmask_shared.closing import Closing
from unmask_trainer.training.records import EpochRecord


class TerminalWatcher(Closing):
    """A bar for each epoch, and a line when it is done."""

    def __init__(self, *, shown: bool = True) -> None:
        """Show nothing yet.

        Args:
            shown: False for all processes of a distributed run but the first.
        """
        self._shown = shown
        self._bar: tqdm | None = None

    def on_batch(self, *, epoch: int, batch: int, batches: int) -> None:
        """Move the bar."""
        if not self._shown:
            return
        if self._bar is None:
            self._bar = tqdm(
                total=batches,
                initial=batch - 1,
                desc=f"epoch {epoch}",
                unit="batch",
                leave=False,
                disable=None,
            )
        self._bar.update()

    def on_epoch(self, record: EpochRecord) -> None:
        """Replace the bar by a line."""
        self.close()
        if self._shown:
            tqdm.write(record.line())

    def close(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
