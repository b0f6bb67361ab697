"""What a stage needs to go on exactly where it was."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from lightning_fabric import Fabric
from numpy.typing import NDArray
from torch import nn

from unmask_trainer.datasets.whole_files import full_disk_is_told
from unmask_trainer.training.optimisation import Descent, EarlyStopping
from unmask_trainer.training.records import EpochRecord

STATE_FILE: Final = "last.ckpt"


@dataclass(kw_only=True)
class Progress:
    """How far a stage is; everything else that decides its course follows from seeds.

    Attributes:
        stopping: The early stopping.
        epoch: The epoch that is being trained, from 1.
        batch: Batches of it that are done.
        step: Batches of the whole stage that are done.
        sums: (3,) float64 of this process: sum of losses, right answers and clips of this epoch.
        seconds: That this epoch has taken.
        waited: Seconds of it in which training waited for data.
        history: The epochs before.
    """

    stopping: EarlyStopping
    epoch: int = 1
    batch: int = 0
    step: int = 0
    sums: torch.Tensor = field(default_factory=lambda: torch.zeros(3, dtype=torch.float64))
    seconds: float = 0.0
    waited: float = 0.0
    history: list[EpochRecord] = field(default_factory=list)

    def begin_next_epoch(self) -> None:
        """Forget what belongs to the epoch that is done."""
        self.epoch, self.batch = self.epoch + 1, 0
        self.sums = torch.zeros_like(self.sums)
        self.seconds = self.waited = 0.0

    def document(self) -> dict[str, Any]:
        """As plain data and tensors, which torch loads without running code."""
        return {
            "stopping": asdict(self.stopping),
            "epoch": self.epoch,
            "batch": self.batch,
            "step": self.step,
            "sums": self.sums,
            "seconds": self.seconds,
            "waited": self.waited,
            "history": [record.document() for record in self.history],
        }

    def take(self, document: dict[str, Any]) -> None:
        """The reverse of `document`."""
        plain = dict(document)
        self.stopping = EarlyStopping(**plain.pop("stopping"))
        self.history = [EpochRecord.of(one) for one in plain.pop("history")]
        for name, value in plain.items():
            setattr(self, name, value)


def save_state(
    fabric: Fabric, folder: Path, module: nn.Module, descent: Descent, progress: Progress
) -> None:
    """Write the state; a process that is killed meanwhile leaves the one before.

    With several processes, all have to call it.
    """
    fabric.barrier()
    # Each process has summed up its own clips: the first one saves the sum of all.
    sums = total(fabric, progress.sums)
    if fabric.is_global_zero:
        partial = folder / f".{STATE_FILE}.partial"
        state = {
            "module": module.state_dict(),
            "optimiser": descent.optimiser.state_dict(),
            "schedule": descent.schedule.state_dict(),
            "progress": progress.document() | {"sums": sums},
        }
        with full_disk_is_told(partial):
            torch.save(state, partial)
        partial.replace(folder / STATE_FILE)
    fabric.barrier()


def load_state(
    fabric: Fabric, folder: Path, module: nn.Module, descent: Descent, progress: Progress
) -> bool:
    """Go on where a run stopped; False if there is nothing to go on from.

    Raises:
        RuntimeError: The state is of another network.
    """
    path = folder / STATE_FILE
    if not path.is_file():
        return False
    state = torch.load(path, map_location=fabric.device, weights_only=True)
    module.load_state_dict(state["module"])
    descent.optimiser.load_state_dict(state["optimiser"])
    descent.schedule.load_state_dict(state["schedule"])
    progress.take(state["progress"])
    if not fabric.is_global_zero:
        # The first process goes on with the sum of all.
        progress.sums = torch.zeros_like(progress.sums)
    return True


def total(fabric: Fabric, sums: torch.Tensor) -> torch.Tensor:
    """The sum over all processes, on the device."""
    # Reducing works in place.
    mine = sums.clone().to(fabric.device)
    if fabric.world_size > 1:
        torch.distributed.all_reduce(mine)
    return mine


def gathered(fabric: Fabric, mine: torch.Tensor) -> NDArray[np.float64]:
    """Columns of all processes, which may have different numbers of them."""
    if fabric.world_size == 1:
        return np.asarray(mine.numpy(), np.float64)
    parts: list[Any] = [None] * fabric.world_size
    torch.distributed.all_gather_object(parts, mine.numpy())
    return np.concatenate(parts, axis=1)
