"""`python -m unmask_trainer models`: what is published, what judges, and which is to judge."""

import argparse
import sys
from collections.abc import Callable, Iterator
from typing import Final

from unmask_shared.artifacts import FaceMode
from unmask_shared.errors import InvalidCheckpoint, InvalidModelRef
from unmask_shared.model.card import Evaluation, Interval, ModelCard
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.model_versions import KINDS, ActiveModel, VersionManifest
from unmask_shared.object_store import make_object_store
from unmask_shared.settings import StoreSettings
from unmask_trainer.registry import activate_version, read_card, undo_activation

_BUILT_IN = "the checkpoint in the workers' UNMASK_MODEL_DIR"
# What judges if nothing was activated.
_OTHERWISE: Final[dict[FaceMode, str]] = {
    "faces": f"none; {_BUILT_IN} judges",
    "full_frame": "none; what judges faces says that it cannot",
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the actions of the command."""
    parser.description = (
        "Works on the object store that UNMASK_OBJECT_STORE and the settings beside it name. "
        "Workers look every few seconds which version is active."
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")

    def add(name: str, purpose: str, run: Callable[..., Iterator[str]]) -> argparse.ArgumentParser:
        action = actions.add_parser(name, help=purpose)
        action.set_defaults(run=lambda options: _run(run, options))
        return action

    add("list", "published versions, newest first, and what is wrong with them", _list)
    rollback = add("rollback", "undo the last activation", _rollback)
    rollback.add_argument(
        "--full-frame",
        action="store_const",
        const="full_frame",
        default="faces",
        dest="face_mode",
        help="that of a version for whole pictures",
    )
    activate = add("activate", "let the workers judge with a version", _activate)
    activate.add_argument("name", metavar="NAME")
    activate.add_argument("version", metavar="VERSION")
    show = add("show", "what a version (by default the active one) is, and how it does", _show)
    show.add_argument("name", metavar="NAME", nargs="?")
    show.add_argument("version", metavar="VERSION", nargs="?")


def describe_store(settings: StoreSettings) -> str:
    """Which object store the settings mean, for people."""
    if settings.object_store == "local":
        return str((settings.data_dir / "store").resolve())
    return f"bucket {settings.s3_bucket} at {settings.s3_endpoint}"


def _run(
    run: Callable[[ModelRegistry, argparse.Namespace], Iterator[str]], options: argparse.Namespace
) -> None:
    settings = StoreSettings()
    store = make_object_store(settings)
    store.check()
    for line in run(ModelRegistry(store), options):
        sys.stdout.write(f"{line}\n")


def _list(registry: ModelRegistry, options: argparse.Namespace) -> Iterator[str]:  # noqa: ARG001 - as the others
    active = {}
    ends = []
    for face_mode, kind in KINDS.items():
        active[face_mode], problem = _active(registry, face_mode)
        ends.append(problem or f"Active for {kind}: {active[face_mode] or _OTHERWISE[face_mode]}.")
    names = {(one.name, one.version) for one in active.values() if one is not None}
    rows = []
    for name, version in registry.versions():
        try:
            published = registry.manifest(name, version).published_at
            when = f"{published:%Y-%m-%d %H:%M}"
        except InvalidCheckpoint as error:
            rows.append(("", name, version, error.detail))
            continue
        state = _state(registry, name, version, active=(name, version) in names)
        rows.append((when, name, version, state))
    rows.sort(reverse=True)
    widths = [max(len(row[column]) for row in [*rows, _HEAD]) for column in range(3)]
    for row in [_HEAD, *rows]:
        cells = [cell.ljust(width) for cell, width in zip(row[:3], widths, strict=True)]
        yield "  ".join([*cells, row[3]]).rstrip()
    yield ""
    yield from ends


_HEAD = ("published (UTC)", "name", "version", "state")


def _active(registry: ModelRegistry, face_mode: FaceMode) -> tuple[ActiveModel | None, str]:
    try:
        return registry.active(face_mode), ""
    except InvalidCheckpoint as error:
        return None, f"{error.detail} Activate a version to put that right."


def _state(registry: ModelRegistry, name: str, version: str, *, active: bool) -> str:
    state = "active" if active else ""
    try:
        refusal = registry.refusal(name, version)
    except InvalidCheckpoint as error:
        return f"{state} ({error.detail})".strip()
    if refusal is None:
        return state
    refused = (
        f"refused by {refusal.worker} at {refusal.refused_at:%Y-%m-%d %H:%M}: {refusal.detail}"
    )
    return f"{state}, but {refused}" if active else refused


def _activate(registry: ModelRegistry, options: argparse.Namespace) -> Iterator[str]:
    yield f"{activate_version(registry, options.name, options.version)} is active"


def _rollback(registry: ModelRegistry, options: argparse.Namespace) -> Iterator[str]:
    active = undo_activation(registry, options.face_mode)
    kind = KINDS[options.face_mode]
    yield f"Active for {kind}: {active or _OTHERWISE[options.face_mode]}."


def _show(registry: ModelRegistry, options: argparse.Namespace) -> Iterator[str]:
    name, version = options.name, options.version
    if name is None:
        active = registry.active()
        if active is None:
            yield f"No published version is active: {_BUILT_IN} judges."
            return
        name, version = active.name, active.version
    elif version is None:
        raise InvalidModelRef(f"Give a version of {name} too.")
    manifest = registry.manifest(name, version)
    card = read_card(registry, name, version)
    yield f"{card.name} {card.version}"
    yield from _facts(manifest, card)
    yield "Evaluations (figures with their 95 % intervals over people, where they are known):"
    yield from (f"  {_evaluation(row)}" for row in card.evaluations)
    yield from _words(card)
    yield "Files:"
    for path, file in sorted(manifest.files.items()):
        yield f"  {file.sha256}  {file.bytes:>10}  {path}"


def _facts(manifest: VersionManifest, card: ModelCard) -> Iterator[str]:
    data = card.training_data
    yield f"  trained    {card.created_at:%Y-%m-%d %H:%M} UTC"
    yield f"  published  {manifest.published_at:%Y-%m-%d %H:%M} UTC"
    yield f"  network    {card.architecture.trunk}, LSTM of {card.architecture.lstm_hidden}"
    yield (
        f"  reads      {card.face_mode}: {card.input_size} px, margin {card.crop_margin:g}, "
        f"{card.clip_length} frames"
    )
    yield (
        f"  verdict    real below {card.thresholds.real_below:g}, fake above "
        f"{card.thresholds.fake_above:g}, temperature {card.temperature:g}"
    )
    yield (
        f"  data       {data.people} people, {data.videos_real} real and {data.videos_fake} fake "
        f"videos: {data.description}"
    )
    yield f"  licence    {card.licence}"


def _words(card: ModelCard) -> Iterator[str]:
    for title, texts in (
        ("Evaluation data", (card.evaluation_data,)),
        ("Intended use", (card.intended_use,)),
        ("Out of scope", card.out_of_scope_uses),
        ("Limits", card.limits),
        ("Ethical considerations", card.ethical_considerations),
    ):
        yield f"{title}:"
        yield from (f"  - {text}" for text in texts)


def _evaluation(row: Evaluation) -> str:
    auc = "not defined" if row.auc is None else _figure(row.auc, row.auc_interval)
    people = "" if row.people is None else f" of {row.people} people"
    return (
        f"{row.split}, by {row.level}: AUC {auc}, accuracy "
        f"{_figure(row.accuracy, row.accuracy_interval)} on {row.real} real and {row.fake} fake"
        f"{people}; {row.note}".rstrip("; ")
    )


def _figure(value: float, interval: Interval | None) -> str:
    """A figure with its 95 % interval, if the card has one."""
    if interval is None:
        return f"{value:.3f}"
    return f"{value:.3f} ({interval.low:.3f} to {interval.high:.3f})"
