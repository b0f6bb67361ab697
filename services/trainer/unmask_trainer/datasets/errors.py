"""What can be wrong with a data set."""

from unmask_shared.errors import UnmaskError


class InvalidDataset(UnmaskError):
    """A data set is not what its layout, its lists or its own tables say."""

    code = "invalid_dataset"
    title = "The data set cannot be used"
    action = "Compare the folder with the layouts that docs/datasets.md describes."


class VideosGone(InvalidDataset):
    """Faces of a prepared data set have to be extracted anew, but its videos are not there."""

    code = "videos_gone"
    title = "The videos of a prepared data set are gone"
    action = (
        "Put the videos back, prepare them again from where they are now, or ask for crops as the "
        "folder was prepared with."
    )


class WorkerLost(UnmaskError):
    """A process of ours was ended by somebody else, most likely for want of memory."""

    code = "worker_lost"
    title = "A worker process was ended"
    action = "Run the command again, with fewer workers: what is done so far is kept."
