"""What a worker and the process that trains for it tell each other.

The worker writes orders to the process's standard input; the process writes files into the run's
folder. When the pipe closes, the worker is gone, and the process ends at once with all of its
helpers: whatever it has on disk is whole, and the run goes on elsewhere.
"""

import os
import signal
import threading
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from unmask_shared.videos import Failure, ModelRef
from unmask_trainer.datasets.whole_files import replacing
from unmask_trainer.service.documents import TrainingProgress

PROGRESS_FILE: Final = "service-progress.json"
END_FILE: Final = "service-end.json"


class Order(StrEnum):
    """What a worker tells the process that trains."""

    PAUSE = "pause"
    """Save the state, also to the object store, and end."""

    CANCEL = "cancel"
    """End."""


class End(StrEnum):
    """How the process ended, when it could still tell."""

    PUBLISHED = "published"
    STOPPED = "stopped"
    FAILED = "failed"
    """The run cannot succeed: trying again would not help."""

    INTERRUPTED = "interrupted"
    """Something that it needs was away."""

    CRASHED = "crashed"


class ProcessEnd(BaseModel):
    """The last words of the process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    end: End
    model: ModelRef | None = None
    activated: bool = False
    failure: Failure | None = None
    problem: Annotated[str, Field(description="What an unforeseen error said.")] = ""


class Told(Exception):
    """An order that ends the run came in."""


class Orders:
    """The last order that came in, read from standard input by a thread."""

    def __init__(self) -> None:
        self._last: Order | None = None

    def listen(self) -> None:
        """Begin to read orders."""
        threading.Thread(target=self._listen, name="orders", daemon=True).start()

    @property
    def last(self) -> Order | None:
        """What was ordered, if anything."""
        return self._last

    def obey(self) -> None:
        """Go on if nothing else was ordered.

        Raises:
            Told: Something else was.
        """
        if self._last is not None:
            raise Told(self._last)

    def _listen(self) -> None:
        # Not through sys.stdin, whose lock a thread must not hold when the interpreter ends.
        while line := os.read(0, 64):
            self._last = Order(line.decode().split()[-1])
        os.killpg(0, signal.SIGKILL)


_Document = TypeVar("_Document", bound=BaseModel)


def write_file(path: Path, document: BaseModel) -> None:
    """Write a document that the other side reads at any time."""
    with replacing(path) as partial:
        partial.write_text(document.model_dump_json(), encoding="utf-8")


def read_progress_file(folder: Path) -> TrainingProgress | None:
    """What the process last said about how far it is."""
    return _read(folder / PROGRESS_FILE, TrainingProgress)


def read_end_file(folder: Path) -> ProcessEnd | None:
    """The last words of the process, if it could still say them."""
    return _read(folder / END_FILE, ProcessEnd)


def _read(path: Path, kind: type[_Document]) -> _Document | None:
    try:
        return kind.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None
