"""What can be wrong with a training run that is given to the service."""

from unmask_shared.errors import DependencyUnavailable, InvalidRequest, UnmaskError


class InvalidDatasetName(InvalidRequest):
    """A name can never be that of a data set in the object store."""

    code = "invalid_dataset_name"
    title = "This cannot be the name of a data set"
    action = "Use letters, digits, dots, underscores and hyphens; begin with a letter or a digit."


class DatasetNotFound(UnmaskError):
    """The object store has no such data set, or not all of it."""

    code = "dataset_not_found"
    http_status = 404
    title = "There is no such data set"
    action = "Upload it: python -m unmask_trainer upload FOLDER --name NAME."


class DatasetNameTaken(UnmaskError):
    """Other files were uploaded under this name."""

    code = "dataset_name_taken"
    http_status = 409
    title = "A data set of this name was uploaded before, with other files"
    action = "Give it another name: what was uploaded never changes, since runs depend on it."


class DamagedFolder(UnmaskError):
    """What the object store holds of a folder is not what was uploaded."""

    code = "damaged_folder"
    title = "A folder in the object store is damaged"
    action = "Upload the same folder again, which repairs it."


class RunNotFound(UnmaskError):
    """No training run has this id."""

    code = "run_not_found"
    http_status = 404
    title = "There is no such training run"
    action = "Choose one of those that `runs list` shows."


class RunIsOver(UnmaskError):
    """A run that has an outcome cannot be cancelled."""

    code = "run_is_over"
    http_status = 409
    title = "The training run is over"
    action = (
        "See its outcome with `runs show`; what it published can be undone by `models rollback`."
    )


class RunNotCompleted(UnmaskError):
    """A run that was watched did not end with a checkpoint."""

    code = "run_not_completed"
    title = "The training run did not complete"
    action = "`runs show` has its outcome; correct the cause and submit it anew."


class TrainingCrashed(UnmaskError):
    """A run was started again and again and got no further."""

    code = "training_crashed"
    title = "The training run crashed repeatedly"
    action = (
        "The worker's log has the reason; a smaller batch_size or fewer loaders take less memory."
    )


class RunInterrupted(DependencyUnavailable):
    """The process of a run ended before the run did; it goes on from its last state."""

    code = "run_interrupted"
    title = "The training run was interrupted"
    action = "A worker goes on with it in a moment."
