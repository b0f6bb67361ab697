"""How training can end early."""

from unmask_shared.errors import InvalidRequest, UnmaskError


class TrainingDiverged(UnmaskError):
    """Nothing that was trained can be used."""

    code = "training_diverged"
    title = "Training diverged"
    action = "Lower the learning rate of the stage that the detail names, and train anew."


class RunPaused(Exception):
    """A watcher raises it after a batch: the state is saved, and the run can go on from there."""


class InvalidExperiment(InvalidRequest):
    """An experiment's file, or what it is run on, does not fit."""

    code = "invalid_experiment"
    title = "The experiment cannot be run"
    action = "Correct the experiment's file or its data sets: docs/training.md describes them."
