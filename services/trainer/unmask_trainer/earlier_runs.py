"""What a run can take over from an earlier one, instead of training it again."""

import json
import shutil
from pathlib import Path

from unmask_trainer.datasets.whole_files import replacing
from unmask_trainer.running import INITIAL_FILE, RUN_FILE, Run, differences
from unmask_trainer.stages import DONE_FILE, WEIGHTS_FILE, stage_folder
from unmask_trainer.training.errors import InvalidExperiment


def shared_stages(run: Run, earlier: Path) -> int:
    """How many stages an earlier run has finished that this one begins with, too.

    What comes of a stage depends on its settings, its number and what was before it alone, so these
    need not be trained again.

    Args:
        run: Needs nothing in its folder yet.
        earlier: Folder of the other run.

    Returns:
        Their number, at least 1.

    Raises:
        InvalidExperiment: `earlier` has nothing that the run could begin with.
    """
    try:
        theirs = json.loads((earlier / RUN_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise InvalidExperiment(f"{earlier} holds no run: it has no {RUN_FILE}") from error
    ours = run.description()
    their_stages, our_stages = (about["experiment"].pop("stages") for about in (theirs, ours))
    different = differences(ours["experiment"], theirs["experiment"])
    if theirs["data"] != ours["data"]:
        different.append("data")
    if different:
        words = " and another ".join(different)
        raise InvalidExperiment(f"nothing of {earlier} can be taken over: it has another {words}")
    count = 0
    for theirs_is, ours_is in zip(their_stages, our_stages, strict=False):
        done = stage_folder(earlier, count, ours_is["kind"]) / DONE_FILE
        if theirs_is != ours_is or not done.exists():
            break
        count += 1
    if not count:
        raise InvalidExperiment(
            f"nothing of {earlier} can be taken over: its first stage is another one, or unfinished"
        )
    return count


def take_over_stages(run: Run, earlier: Path, count: int) -> None:
    """Copy the first weights and those of so many stages, where the run has not got them yet.

    Args:
        run: The run.
        earlier: Folder of the other run, which stays as it is.
        count: See `shared_stages`.
    """
    if not (run.out / INITIAL_FILE).exists():
        _copy(earlier / INITIAL_FILE, run.out / INITIAL_FILE)
    for number, stage in enumerate(run.settings.stages[:count]):
        there, here = (stage_folder(out, number, stage.kind) for out in (earlier, run.out))
        if not (here / DONE_FILE).exists():
            here.mkdir(parents=True, exist_ok=True)
            _copy(there / WEIGHTS_FILE, here / WEIGHTS_FILE)
            _copy(there / DONE_FILE, here / DONE_FILE)  # last: with it, the stage is done


def _copy(source: Path, target: Path) -> None:
    with replacing(target) as partial:
        shutil.copyfile(source, partial)
