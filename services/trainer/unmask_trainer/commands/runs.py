"""`python -m unmask_trainer runs`: what was submitted, how far it is, and how it ended."""

import argparse
import sys
import time
from collections.abc import Callable, Iterator

from unmask_shared.errors import DamagedDocument
from unmask_shared.object_store import make_object_store
from unmask_shared.settings import StoreSettings
from unmask_trainer.commands.submit import make_submissions
from unmask_trainer.service.documents import RunStatus
from unmask_trainer.service.errors import RunNotCompleted
from unmask_trainer.service.submissions import RunState, RunStore
from unmask_trainer.training.records import EpochRecord

_HEAD = ("submitted (UTC)", "id", "status", "done", "data")
_LOOK_EVERY_S = 2.0


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the actions of the command."""
    parser.description = (
        "Works on the object store that UNMASK_OBJECT_STORE and the settings beside it name; "
        "`cancel` also on Redis."
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    def add(name: str, purpose: str, run: Callable[..., Iterator[str]]) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=purpose)
        action.set_defaults(run=lambda options: _run(run, options))
        return action

    add("list", "all runs, the newest first", _list)
    for name, purpose, run in (
        ("show", "what a run is, how far it is and how it ended", _show),
        ("watch", "the same, as it goes on, to its end", _watch),
        ("cancel", "end a run, whether it waits or runs", _cancel),
    ):
        add(name, purpose, run).add_argument("id", metavar="ID")


def _run(run: Callable[[argparse.Namespace], Iterator[str]], options: argparse.Namespace) -> None:
    for line in run(options):
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()


def _runs() -> RunStore:
    store = make_object_store(StoreSettings())
    store.check()
    return RunStore(store)


def _list(_: argparse.Namespace) -> Iterator[str]:
    runs = _runs()
    rows = [_row(runs, run_id) for run_id in reversed(runs.ids())]
    widths = [max(len(row[column]) for row in [_HEAD, *rows]) for column in range(len(_HEAD))]
    for row in [_HEAD, *rows]:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _row(runs: RunStore, run_id: str) -> tuple[str, ...]:
    try:
        state = runs.state(run_id)
    except DamagedDocument as error:
        return ("", run_id, "", "", error.detail)
    when = f"{state.record.created_at:%Y-%m-%d %H:%M}"
    return (when, run_id, _status(state), f"{state.fraction:.0%}", ", ".join(state.record.data))


def _show(options: argparse.Namespace) -> Iterator[str]:
    state = _runs().state(options.id)
    record = state.record
    yield f"{record.id}: {_status(state)}, {state.fraction:.1%}"
    yield f"  submitted  {record.created_at:%Y-%m-%d %H:%M} UTC"
    yield f"  data       {', '.join(record.data)}"
    if record.changes:
        yield f"  changes    {', '.join(record.changes)}"
    yield from _epochs(state, 0)
    yield from _outcome(state)


def _watch(options: argparse.Namespace) -> Iterator[str]:
    runs, shown, before = _runs(), 0, ""
    while True:
        state = runs.state(options.id)
        for line in _epochs(state, shown):
            shown += 1
            yield line
        phase = state.progress.phase if state.progress else ""
        now = f"{_status(state)} {phase}".strip() if state.outcome is None else _status(state)
        if now != before:
            yield f"{now}, {state.fraction:.1%}"
            before = now
        if state.outcome is not None:
            break
        time.sleep(_LOOK_EVERY_S)
    yield from _outcome(state)
    if state.status is not RunStatus.COMPLETED:
        raise RunNotCompleted(f"The run {options.id} is {state.status}.")


def _cancel(options: argparse.Namespace) -> Iterator[str]:
    if make_submissions().cancel(options.id):
        yield f"{options.id} is cancelled"
    else:
        yield f"{options.id} will be cancelled within seconds, unless it is publishing"


def _status(state: RunState) -> str:
    return "cancelling" if state.cancelling and state.outcome is None else str(state.status)


def _epochs(state: RunState, first: int) -> Iterator[str]:
    documents = state.progress.epochs if state.progress else ()
    yield from (EpochRecord.of(document).line() for document in documents[first:])


def _outcome(state: RunState) -> Iterator[str]:
    outcome = state.outcome
    if outcome is None:
        return
    if outcome.model is not None:
        active = ", and is active" if outcome.activated else ""
        yield f"{outcome.model.name} {outcome.model.version} is published{active}"
    if outcome.failure is not None:
        failure = outcome.failure
        yield f"{failure.title} ({failure.code}): {failure.detail}"
        yield failure.action
