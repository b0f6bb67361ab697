"""The experiment of a run, read from its record."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from unmask_shared.errors import InvalidRequest
from unmask_trainer.configuration import ExperimentSettings, read_experiment
from unmask_trainer.service.errors import InvalidExperiment


def experiment_of(text: str, changes: Sequence[str]) -> ExperimentSettings:
    """Read an experiment that a worker is to run.

    Args:
        text: The experiment's file, TOML.
        changes: `KEY=VALUE` each, which replace what the file says.

    Raises:
        InvalidExperiment: It says something that does not exist or is out of its range, or asks
            for several hosts, which no worker can start.
    """
    with tempfile.TemporaryDirectory(prefix="unmask-experiment-") as folder:
        path = Path(folder, "experiment.toml")
        path.write_text(text, encoding="utf-8")
        try:
            settings = read_experiment(path, changes)
        except InvalidRequest as error:
            raise InvalidExperiment(error.detail.replace(str(path), path.name)) from error
    if settings.hardware.nodes > 1:
        raise InvalidExperiment(
            f"hardware.nodes is {settings.hardware.nodes}, but a worker trains on its own host: "
            "use `train` under torchrun for several"
        )
    return settings
