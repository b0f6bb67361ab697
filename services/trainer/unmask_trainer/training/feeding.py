"""Data loaders that follow a plan."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from torch.utils.data import DataLoader

from unmask_trainer.interrupts import SHIELDED
from unmask_trainer.processes import keep_to_one_thread
from unmask_trainer.training.loop import Feed
from unmask_trainer.training.plan import (
    Draw,
    PlanSettings,
    batches,
    plan_epoch,
    plan_validation,
)
from unmask_trainer.training.samples import Batch, Samples, collate

_PREFETCHED: Final = 4


@dataclass(frozen=True, kw_only=True)
class FeedSettings:
    """How one process of a run is fed.

    Attributes:
        batch_size: Clips of a batch of one process.
        loaders: Processes that read; 0 reads in between.
        pinned: Whether batches are put where a GPU fetches them faster.
        rank: Which process this is.
        world: Number of processes.
    """

    batch_size: int
    loaders: int
    pinned: bool
    rank: int = 0
    world: int = 1


def make_feed(train: Samples, val: Samples, plan: PlanSettings, settings: FeedSettings) -> Feed:
    """Feed one process of a stage.

    Args:
        train: Augmented clips.
        val: Clips of other people, as they are.
        plan: How an epoch is planned.
        settings: How this process is fed.
    """
    train_reader = _Reader(train, loaders=settings.loaders, pinned=settings.pinned)
    val_reader = _Reader(val, loaders=min(settings.loaders, 1), pinned=settings.pinned)
    size, rank, world = settings.batch_size, settings.rank, settings.world

    def of_epoch(epoch: int) -> Iterator[list[Draw]]:
        groups = plan_epoch(train.units, plan, epoch)
        return batches(groups, size=size, rank=rank, world=world)

    # Whole units in turn: each process judges its own, and waits for nobody.
    validation = list(batches(plan_validation(val.units, plan)[rank::world], size=size))
    return Feed(
        train=lambda epoch, first: train_reader.read(list(islice(of_epoch(epoch), first, None))),
        batches=lambda epoch: sum(1 for _ in of_epoch(epoch)),
        val=lambda: val_reader.read(validation),
        dataset_of=[unit.dataset for unit in val.units],
    )


class _Reader:
    """A loader whose processes stay, while what they are to read changes with each epoch."""

    def __init__(self, samples: Samples, *, loaders: int, pinned: bool) -> None:
        self._order: list[list[Draw]] = []
        self._loader = DataLoader(
            samples,
            # The loader hands on whatever the sampler gives: here, draws.
            batch_sampler=self._order,
            collate_fn=collate,
            num_workers=loaders,
            pin_memory=pinned,
            prefetch_factor=_PREFETCHED if loaders else None,
            persistent_workers=loaders > 0,
            worker_init_fn=_prepare_process if loaders else None,
            # Forking a process in which OpenMP has threads can hang, and a fork server outlives a
            # run that is killed, with all readers.
            multiprocessing_context=SHIELDED if loaders else None,
        )

    def read(self, order: Sequence[list[Draw]]) -> Iterator[Batch]:
        self._order[:] = order
        return iter(self._loader)


def _prepare_process(_: int) -> None:
    keep_to_one_thread()
