"""How a stage can end early."""

from unmask_shared.errors import UnmaskError


class TrainingDiverged(UnmaskError):
    """Nothing that was trained can be used."""

    code = "training_diverged"
    title = "Training diverged"
    action = "Lower the learning rate of the stage that the detail names, and train anew."


class RunPaused(Exception):
    """A watcher raises it after a batch: the state is saved, and the run can go on from there."""
