"""Loads a published version and makes sure that it can judge what the preprocessor cuts."""

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from unmask_inference.classifiers import ClassifierMaker
from unmask_shared.errors import DependencyUnavailable, IncompatibleCheckpoint, InvalidCheckpoint
from unmask_shared.model.card import ModelCard
from unmask_shared.model.checkpoint import Checkpoint, load_checkpoint
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.model_registry import ModelRegistry


@dataclass(frozen=True, kw_only=True)
class CropForm:
    """What the preprocessor hands over.

    Attributes:
        size: Side of the crops or of the squeezed whole pictures, in pixels.
        margin: Context on each side of a face, as a fraction; whole pictures have none.
    """

    size: int
    margin: float

    @classmethod
    def of(cls, card: ModelCard) -> Self:
        """The form that a checkpoint was trained on."""
        return cls(size=card.input_size, margin=card.crop_margin)

    def __str__(self) -> str:
        return f"{self.size} px with margin {self.margin:g}"

    def fits(self, card: ModelCard) -> bool:
        """Whether this is what a checkpoint was trained on."""
        of_faces = card.face_mode == "faces"
        return card.input_size == self.size and (not of_faces or card.crop_margin == self.margin)


class PublishedModels:
    """Makes classifiers of published versions."""

    def __init__(
        self,
        registry: ModelRegistry,
        *,
        form: CropForm,
        maker: ClassifierMaker,
    ) -> None:
        """Remember what all classifiers have in common.

        Args:
            registry: Where the versions are.
            form: What they have to have been trained on.
            maker: Puts them to work.
        """
        self._registry = registry
        self._form = form
        self._maker = maker

    def load(self, name: str, version: str) -> ClipClassifier:
        """Fetch a version, check all of it, and warm it up.

        Its files are put down for as long as loading takes: the network stays in memory.

        Raises:
            ModelNotFound: There is no such version.
            InvalidCheckpoint: Its files are not those that were published, are no checkpoint of
                this name and version, do not fit what is cut here, or cannot be run.
            DependencyUnavailable: The store does not answer, or there is no room for the files.
        """
        checkpoint = self._fetch(name, version)
        card = checkpoint.card
        if (card.name, card.version) != (name, version):
            raise InvalidCheckpoint(
                f"Published as {name} {version}, but its card is that of {card.name} "
                f"{card.version}."
            )
        if not self._form.fits(card):
            kind = "crops of faces" if card.face_mode == "faces" else "whole pictures"
            raise IncompatibleCheckpoint(
                f"{name} {version} was trained on {kind} of {CropForm.of(card)}; here it would get "
                f"those of {self._form}."
            )
        return self._maker.make(checkpoint)

    def _fetch(self, name: str, version: str) -> Checkpoint:
        try:
            with tempfile.TemporaryDirectory(prefix="unmask-model-") as folder:
                self._registry.fetch(name, version, Path(folder))
                return load_checkpoint(Path(folder))
        except OSError as error:
            raise DependencyUnavailable(
                f"{name} {version} cannot be put into {tempfile.gettempdir()}: {error.strerror}."
            ) from error
