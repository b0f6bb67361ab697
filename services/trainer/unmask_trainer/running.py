"""What all parts of a training run share."""

from collections.abc import Mapping, Sequence
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


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    """Names of what another run has otherwise, or not at all.

    Args:
        ours: From `Run.description`, or a part of it.
        theirs: The same of the other run, as its `RUN_FILE` has it.
    """
    return [name for name, value in ours.items() if (name, value) not in theirs.items()]
