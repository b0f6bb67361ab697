"""The published versions, as their cards describe them."""

import json
import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from unmask_shared.artifacts import FaceMode
from unmask_shared.errors import DamagedModel, ModelNotFound, ObjectNotFound
from unmask_shared.model_files import content_type_of
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.model_versions import VersionManifest
from unmask_shared.videos import ModelRef

CARD_FILE: Final = "card.json"
FIGURES_FOLDER: Final = "figures"
# Vector graphics could carry scripts.
PICTURE_SUFFIXES: Final = frozenset({".png", ".jpg"})
_MOST_CACHED: Final = 256


class _Part(BaseModel):
    # Cards may say more than the list of models shows, also of kinds that come later.
    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)


class Thresholds(_Part):
    """Below the one a video counts as real, above the other as fake."""

    real_below: float
    fake_above: float


class Interval(_Part):
    """Ends of a 95 % interval, by a bootstrap over people."""

    low: float
    high: float


class Evaluation(_Part):
    """How well a version did on one set of videos."""

    split: str
    level: str
    people: int | None = None
    real: int
    fake: int
    auc: float | None
    auc_interval: Interval | None = None
    decided_share: float
    decided_accuracy: float | None


class CardSummary(_Part):
    """What the list of models shows of a card."""

    face_mode: FaceMode = "faces"
    clip_length: int
    input_size: int
    crop_margin: float
    thresholds: Thresholds
    evaluations: tuple[Evaluation, ...]
    figures: tuple[str, ...] = ()
    licence: str
    limits: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PublishedCard:
    """A version and its card.

    Attributes:
        manifest: What was published.
        card: All of the card.
        summary: The part of it that the list shows.
    """

    manifest: VersionManifest
    card: dict[str, Any]
    summary: CardSummary

    @property
    def model(self) -> ModelRef:
        """Name and version."""
        return ModelRef(name=self.manifest.name, version=self.manifest.version)

    @property
    def figures(self) -> tuple[str, ...]:
        """Paths of its pictures, below `figures/`."""
        paths = [PurePosixPath(path) for path in self.summary.figures]
        return tuple(
            str(path.relative_to(FIGURES_FOLDER))
            for path in paths
            if path.is_relative_to(FIGURES_FOLDER)
            and path.suffix in PICTURE_SUFFIXES
            and str(path) in self.manifest.files
        )


class ModelCatalogue:
    """Reads what is published; safe to use from several threads.

    What was published never changes, so a card is read once.
    """

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        self._cards: OrderedDict[ModelRef, PublishedCard] = OrderedDict()

    def all(self) -> Iterator[PublishedCard | tuple[ModelRef, DamagedModel]]:
        """Yield all versions; in the place of one that cannot be read, why.

        Raises:
            ObjectStoreUnavailable: The store does not answer.
        """
        for name, version in self._registry.versions():
            try:
                yield self.find(name, version)
            except DamagedModel as error:
                yield ModelRef(name=name, version=version), error

    def find(self, name: str, version: str) -> PublishedCard:
        """A version and its card.

        Raises:
            InvalidModelRef: There can be no such version.
            ModelNotFound: There is none.
            DamagedModel: Its manifest or its card is not what was published.
            ObjectStoreUnavailable: The store does not answer.
        """
        model = ModelRef(name=name, version=version)
        with self._lock:
            if model in self._cards:
                self._cards.move_to_end(model)
                return self._cards[model]
        found = self._read(name, version)
        with self._lock:
            self._cards[model] = found
            while len(self._cards) > _MOST_CACHED:
                self._cards.popitem(last=False)
        return found

    def figure(self, name: str, version: str, file: str) -> tuple[bytes, str]:
        """One picture of a version, and its media type.

        Args:
            name: Of the model.
            version: Of the checkpoint.
            file: One of the `figures` of its card.

        Raises:
            InvalidModelRef: There can be no such version.
            ModelNotFound: There is none.
            ObjectNotFound: It has no such picture.
            DamagedModel: The picture is not what was published.
            ObjectStoreUnavailable: The store does not answer.
        """
        if file not in self.find(name, version).figures:
            raise ObjectNotFound(f"{name} {version} has no figure {file[:255]!r}.")
        data = self._registry.read(name, version, f"{FIGURES_FOLDER}/{file}")
        return data, content_type_of(file)

    def _read(self, name: str, version: str) -> PublishedCard:
        manifest = self._registry.manifest(name, version)
        try:
            text = self._registry.read(name, version, CARD_FILE)
            card = json.loads(text)
            summary = CardSummary.model_validate(card)
        except ModelNotFound as error:  # the version is there, but not its card
            raise DamagedModel(error.detail) from error
        except (ValidationError, ValueError) as error:
            raise DamagedModel(
                f"The card of {name} {version} cannot be read: {type(error).__name__}."
            ) from error
        return PublishedCard(manifest=manifest, card=card, summary=summary)
