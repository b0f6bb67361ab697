"""What all parts of a training run share."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from lightning_fabric import Fabric

from unmask_trainer.configuration import ExperimentSettings
from unmask_trainer.data_sets import DataSet
from unmask_trainer.training.loop import Watcher

# In a run's folder: what the run is of, and the weights that it began with.
RUN_FILE: Final = "run.json"
INITIAL_FILE: Final = "initial.safetensors"


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run, as one of its processes sees it.

    Attributes:
        fabric: Launched.
        settings: The experiment.
        data_sets: Faces and their split.
        out: Folder of the run.
        watcher: Is told how training goes.
    """

    fabric: Fabric
    settings: ExperimentSettings
    data_sets: Sequence[DataSet]
    out: Path
    watcher: Watcher

    def description(self) -> dict[str, Any]:
        """What decides the outcome, as plain data."""
        return {
            "experiment": self.settings.decisive(),
            "data": {one.name: one.digest() for one in self.data_sets},
        }
