"""Publishes and activates checkpoints that were seen to work."""

import tempfile
from pathlib import Path

from unmask_shared.artifacts import FaceMode
from unmask_shared.errors import InvalidCheckpoint
from unmask_shared.model.card import ModelCard
from unmask_shared.model.checkpoint import CARD_FILE, WEIGHTS_FILE, load_checkpoint, parse_card
from unmask_shared.model.predict import ClipClassifier, best_device
from unmask_shared.model.rehearsal import rehearse
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.model_versions import ActiveModel, VersionManifest
from unmask_trainer.evaluation.for_cards import read_additions
from unmask_trainer.export import export_checkpoint


def try_checkpoint(folder: Path) -> ModelCard:
    """Load a checkpoint and let it classify something.

    Raises:
        InvalidCheckpoint: It cannot be loaded or run, or gives no finite logits.
    """
    checkpoint = load_checkpoint(folder)
    rehearse(ClipClassifier(checkpoint, best_device()))
    return checkpoint.card


def publish_checkpoint(
    registry: ModelRegistry,
    folder: Path,
    *,
    version: str | None = None,
    evaluation: Path | None = None,
) -> VersionManifest:
    """Put a checkpoint with its figures into the registry, after trying it.

    Args:
        registry: Takes it.
        folder: The checkpoint.
        version: Takes the place of the version on the card, in the published copy.
        evaluation: What `evaluate --out` wrote about this checkpoint: the published card has its
            rows and figures too.

    Raises:
        InvalidEvaluation: The evaluation is of another checkpoint, or damaged.
        InvalidCheckpoint: It does not work, or a figure that the card names is missing.
        InvalidModelRef: The version cannot be one.
        ModelVersionTaken: Something else was published under this name and version.
    """
    card = try_checkpoint(folder)
    if evaluation is not None:
        added = read_additions(evaluation, card)
        with tempfile.TemporaryDirectory(prefix="unmask-evaluated-") as evaluated:
            export_checkpoint(folder, Path(evaluated), further=added.rows, figures=added.figures)
            return publish_checkpoint(registry, Path(evaluated), version=version)
    files = {file: folder / file for file in (WEIGHTS_FILE, CARD_FILE, *card.figures)}
    if version is None or version == card.version:
        return registry.publish(card.name, card.version, files)
    with tempfile.TemporaryDirectory(prefix="unmask-card-") as changed:
        files[CARD_FILE] = Path(changed, CARD_FILE)
        text = card.model_copy(update={"version": version}).model_dump_json(indent=2)
        files[CARD_FILE].write_text(f"{text}\n", encoding="utf-8")
        return registry.publish(card.name, version, files)


def activate_version(registry: ModelRegistry, name: str, version: str) -> ActiveModel:
    """Make a published version the one that judges, after trying it.

    Raises:
        ModelNotFound: It is not published.
        InvalidCheckpoint: It is damaged, does not work, or is the checkpoint of another version.
    """
    card = _try_published(registry, name, version)
    return registry.activate(name, version, face_mode=card.face_mode)


def undo_activation(registry: ModelRegistry, face_mode: FaceMode = "faces") -> ActiveModel | None:
    """Go back to what was active before for faces or for whole pictures, after trying it.

    Returns:
        What is active now; None for the checkpoint that comes with the workers.

    Raises:
        NothingToRollBack: Nothing is active.
        InvalidCheckpoint: What was active before is damaged or does not work any more.
    """
    active = registry.active(face_mode)
    if active is not None and active.previous:
        _try_published(registry, active.previous[0].name, active.previous[0].version)
    return registry.rollback(face_mode)


def read_card(registry: ModelRegistry, name: str, version: str) -> ModelCard:
    """The card of a published version.

    Raises:
        ModelNotFound: It is not published.
        InvalidCheckpoint: The card is damaged.
    """
    text = registry.read(name, version, CARD_FILE)
    return parse_card(text, origin=f"{CARD_FILE} of {name} {version}")


def _try_published(registry: ModelRegistry, name: str, version: str) -> ModelCard:
    with tempfile.TemporaryDirectory(prefix="unmask-model-") as folder:
        registry.fetch(name, version, Path(folder))
        card = try_checkpoint(Path(folder))
    if (card.name, card.version) != (name, version):
        raise InvalidCheckpoint(
            f"Published as {name} {version}, but its card is that of {card.name} {card.version}."
        )
    return card
