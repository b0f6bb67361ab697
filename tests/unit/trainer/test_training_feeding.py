"""How the processes that read for a training behave."""

from labelled_crops import labelled_crops
from reader_states import ReaderStates

from unmask_trainer.datasets.fresh import FreshForgeries
from unmask_trainer.training.feeding import FeedSettings, make_feed
from unmask_trainer.training.plan import PlanSettings
from unmask_trainer.training.samples import SampleSettings
from unmask_trainer.training.units import units_of


def test_readers_use_one_thread_each(tmp_path):
    faces = labelled_crops(tmp_path, people=4)
    samples = ReaderStates(
        units_of(faces, "set"),
        FreshForgeries(faces, margin=0.15),
        SampleSettings(window=1, margin=0.15, short_clips="mask", side=None, augmentation=None),
    )
    feed = make_feed(
        samples,
        samples,
        PlanSettings(balance="pairs", fresh=0.0, repeats={}, seed=0),
        FeedSettings(batch_size=4, loaders=2, pinned=False),
    )

    batches = [*feed.train(1, 0), *feed.val()]

    assert len(batches) == 4
    for batch in batches:
        assert batch.units.tolist() == [1] * 4
