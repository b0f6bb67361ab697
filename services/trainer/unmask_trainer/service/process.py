"""The process that trains for a worker: `python -m unmask_trainer.service.process RUN_ID`.

A process of its own, so that a run that crashes takes no worker down, whose GPU memory is free
afterwards, and which can start itself again for each further GPU.
"""

import fcntl
import json
import logging
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from unmask_shared.errors import DependencyUnavailable, InvalidRequest, UnmaskError
from unmask_shared.logs import configure_logging
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.object_store import ObjectStore, make_object_store
from unmask_shared.settings import LogSettings, StoreSettings
from unmask_shared.videos import Failure, ModelRef
from unmask_trainer.configuration import ExperimentSettings
from unmask_trainer.datasets.whole_files import replacing
from unmask_trainer.experiment import run_experiment
from unmask_trainer.finishing import CHECKPOINT_FOLDER
from unmask_trainer.registry import activate_version, publish_checkpoint
from unmask_trainer.service.documents import Phase, TrainingRecord, read_progress, read_record
from unmask_trainer.service.errors import RunInterrupted
from unmask_trainer.service.exchange import (
    END_FILE,
    End,
    Order,
    Orders,
    ProcessEnd,
    Told,
    write_file,
)
from unmask_trainer.service.experiments import experiment_of
from unmask_trainer.service.reporting import Reporter
from unmask_trainer.service.settings import TrainerSettings
from unmask_trainer.service.states import TRAINED_FILE, RunStates
from unmask_trainer.service.stored_data import StoredData
from unmask_trainer.training.errors import InvalidExperiment, RunPaused
from unmask_trainer.watching import TerminalWatcher

log = logging.getLogger(__name__)

_FOLDERS_FILE: Final = "data-folders.json"


class RunProcess:
    """Runs one experiment, from data sets in the store to a published checkpoint."""

    def __init__(
        self, record: TrainingRecord, store: ObjectStore, settings: TrainerSettings, orders: Orders
    ) -> None:
        """Do nothing yet.

        Args:
            record: What is to be done.
            store: Has the data sets; receives states and checkpoint.
            settings: Where to work.
            orders: What ends the work early.
        """
        self._record = record
        self._store = store
        self._settings = settings
        self._orders = orders
        self._folder = settings.run_folder(record.id).resolve()
        self._states = RunStates(store, record.id, self._folder)

    def run(self) -> ProcessEnd:
        """Train and publish, or go on with it.

        Raises:
            UnmaskError: It cannot be done.
            Told: An order ended it between two phases.
            RunPaused: An order ended it between two batches.
            RunInterrupted: A process that was given up still works in the run's folder.
        """
        with _alone(self._folder):
            return self._run_alone()

    def _run_alone(self) -> ProcessEnd:
        try:
            experiment = experiment_of(self._record.experiment, self._record.changes)
            self._states.restore()
            self._folder.mkdir(parents=True, exist_ok=True)
            before = read_progress(self._store, self._record.id)
            reporter = Reporter(
                self._folder,
                experiment.stages,
                self._orders,
                self._states,
                fraction=before.fraction if before else 0.0,
            )
            self._train(experiment, reporter)
            reporter.begin(Phase.PUBLISHING)
            return self._publish()
        except (Told, RunPaused):
            if self._orders.last is Order.PAUSE:
                self._states.keep(wait=True)
            raise
        finally:
            self._states.close()

    def _train(self, experiment: ExperimentSettings, reporter: Reporter) -> None:
        if (self._folder / TRAINED_FILE).exists():
            return
        reporter.begin(Phase.FETCHING)
        data = StoredData(self._store)
        folders = [data.fetch(name, self._settings.data_folder) for name in self._record.data]
        with replacing(self._folder / _FOLDERS_FILE) as partial:
            partial.write_text(json.dumps([str(folder) for folder in folders]), encoding="utf-8")
        reporter.begin(Phase.TRAINING)
        try:
            run_experiment(
                experiment,
                folders,
                self._folder,
                workers=self._settings.trainer_workers,
                watcher=reporter,
            )
        except InvalidRequest as error:
            raise InvalidExperiment(error.detail) from error
        with replacing(self._folder / TRAINED_FILE) as partial:
            partial.write_text("{}\n", encoding="utf-8")
        # The card says when it was made: published is this one, whoever comes to publish it.
        self._states.keep(wait=True)

    def _publish(self) -> ProcessEnd:
        registry = ModelRegistry(self._store)
        published = publish_checkpoint(
            registry, self._folder / CHECKPOINT_FOLDER, version=self._record.version
        )
        if self._record.activate:
            activate_version(registry, published.name, published.version)
        return ProcessEnd(
            end=End.PUBLISHED,
            model=ModelRef(name=published.name, version=published.version),
            activated=self._record.activate,
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold a lock beside the folder, which the kernel gives back when the process ends."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(f"{folder.name}.lock").open("wb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunInterrupted(f"Another process is at work in {folder}.") from error
        yield


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, and write down how it ended.

    Returns:
        The exit code; what it means stands in the run's folder.
    """
    [run_id] = sys.argv[1:] if arguments is None else arguments
    settings, store = TrainerSettings(), make_object_store(StoreSettings())
    configure_logging("trainer", LogSettings())
    if int(os.environ.get("LOCAL_RANK", "0")) > 0:
        _help(read_record(store, run_id), settings)
        return 0
    orders = Orders()
    orders.listen()
    end = _run(run_id, store, settings, orders)
    write_file(settings.run_folder(run_id) / END_FILE, end)
    return 0


def _run(run_id: str, store: ObjectStore, settings: TrainerSettings, orders: Orders) -> ProcessEnd:
    try:
        return RunProcess(read_record(store, run_id), store, settings, orders).run()
    except (Told, RunPaused):
        return ProcessEnd(end=End.STOPPED)
    except DependencyUnavailable as error:
        log.warning("the run waits: %s", error.detail, extra={"run_id": run_id})
        return ProcessEnd(end=End.INTERRUPTED, problem=error.detail)
    except UnmaskError as error:
        return ProcessEnd(end=End.FAILED, failure=Failure.of(error))
    except Exception as error:
        # The edge of the process: whoever reads its end decides whether it is tried again.
        log.exception("the run crashed", extra={"run_id": run_id})
        return ProcessEnd(end=End.CRASHED, problem=f"{type(error).__name__}: {error}")


def _help(record: TrainingRecord, settings: TrainerSettings) -> None:
    """Be one of the further processes of a run, which the first one has started."""
    folder = settings.run_folder(record.id).resolve()
    folders = json.loads((folder / _FOLDERS_FILE).read_text(encoding="utf-8"))
    run_experiment(
        experiment_of(record.experiment, record.changes),
        [Path(path) for path in folders],
        folder,
        workers=settings.trainer_workers,
        watcher=TerminalWatcher(shown=False),
    )


if __name__ == "__main__":
    sys.exit(main())
