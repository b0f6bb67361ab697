"""The experiment of a run, read from its record."""

from collections.abc import Sequence

from unmask_trainer.configuration import ExperimentSettings, parse_experiment
from unmask_trainer.training.errors import InvalidExperiment


def experiment_of(text: str, changes: Sequence[str]) -> ExperimentSettings:
    """Read an experiment that a worker is to run.

    Args:
        text: The experiment's file, TOML.
        changes: `KEY=VALUE` each, which replace what the file says.

    Raises:
        InvalidExperiment: It says something that does not exist or is out of its range, or asks
            for several hosts, which no worker can start.
    """
    settings = parse_experiment(text, changes, name="experiment.toml")
    if settings.hardware.nodes > 1:
        raise InvalidExperiment(
            f"hardware.nodes is {settings.hardware.nodes}, but a worker trains on its own host: "
            "use `train` under torchrun for several"
        )
    return settings
