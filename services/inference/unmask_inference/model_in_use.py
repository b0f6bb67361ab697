"""The classifier that judges: the one a video asks for, or else the active version."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from unmask_inference.loaded import LoadedModels
from unmask_shared.errors import (
    DamagedModel,
    DependencyUnavailable,
    IncompatibleCheckpoint,
    ModelUnusable,
    UnmaskError,
)
from unmask_shared.model.card import ModelCard
from unmask_shared.model.checkpoint import CARD_FILE, WEIGHTS_FILE
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.model_versions import Activation, ActiveModel
from unmask_shared.videos import ModelRef, VideoRecord

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class BuiltIn:
    """The checkpoint that came with the worker.

    Attributes:
        classifier: Made of it.
        folder: Where it lies.
    """

    classifier: ClipClassifier
    folder: Path

    @property
    def model(self) -> ModelRef:
        """Its name and version."""
        return ModelRef(name=self.classifier.card.name, version=self.classifier.card.version)

    def files(self) -> dict[str, Path]:
        """All that belongs to it, by the paths in a published version."""
        figures = self.classifier.card.figures
        return {file: self.folder / file for file in (WEIGHTS_FILE, CARD_FILE, *figures)}


class ModelInUse:
    """Gives each job the classifier of the version that its video was accepted with.

    A job keeps what it was given. The active version is fetched, checked and warmed up before a
    job asks for it, beside the one that is in use; one that cannot be used is refused once, in the
    log and in the registry, and what judged before goes on. Versions for whole pictures are fetched
    when the first video wants them.
    """

    def __init__(
        self, registry: ModelRegistry, loaded: LoadedModels, *, built_in: BuiltIn, worker: str
    ) -> None:
        """Begin with the built-in checkpoint; nothing is fetched or published yet.

        Args:
            registry: Says which version is active.
            loaded: Has the classifiers of versions.
            built_in: Judges as long as nothing usable was activated.
            worker: Host and process, for those who read what it announces.
        """
        self._registry = registry
        self._loaded = loaded
        self._built_in = built_in
        self._worker = worker
        self._lock = threading.Lock()
        self._classifier = built_in.classifier
        self._published: ModelRef | None = None  # unless the built-in checkpoint judges
        self._announced = False
        self._looked = False
        self._seen: ActiveModel | None = None
        self._complaint = ""

    def classifier(self) -> ClipClassifier:
        """That of the active version, or of the newest one before it that can be used.

        Raises:
            DependencyUnavailable: It was never seen which version is active, and the store, which
                the job needs too, does not answer.
        """
        if not self._looked:
            self.look()
        return self._classifier

    def classifier_for(self, record: VideoRecord) -> ClipClassifier:
        """What a video is judged with, from its beginning to its end.

        A version that nobody chose and that cannot be used was the active one when the video came,
        and was refused since: what judges now takes its place.

        Raises:
            ModelUnusable: The sender chose a version that cannot be used.
            DependencyUnavailable: The store, which the job needs too, does not answer.
        """
        active = self.classifier()
        if record.model is None:
            return active
        try:
            return self._loaded.get(record.model)
        except DependencyUnavailable:
            raise
        except UnmaskError as error:
            if record.options.model is not None:
                raise ModelUnusable(f"{record.model} cannot be used: {error.detail}") from error
            log.warning(
                "%s judges instead of %s: %s",
                self._judge,
                record.model,
                error.detail,
                extra={"video_id": record.id, "code": error.code},
            )
            return active

    def look(self) -> None:
        """Take the version that is active, if it is another one than when this was last called.

        Raises:
            DependencyUnavailable: The store does not answer, or there is no room for the files.
        """
        with self._lock:
            self._announce()
            try:
                active = self._registry.active()
            except DamagedModel as error:
                self._complain(error.detail)
                self._looked = True
                return
            if self._looked and active == self._seen:
                return
            self._take(active)
            self._looked, self._seen, self._complaint = True, active, ""

    @contextmanager
    def following(self, *, every_s: float) -> Iterator[None]:
        """Look again and again while the body runs, in a thread."""
        stopped = threading.Event()

        def follow() -> None:
            while not stopped.wait(every_s):
                try:
                    self.look()
                except DependencyUnavailable as error:
                    self._complain(error.detail)
                except Exception:
                    # Without this thread no later activation would ever be seen.
                    log.exception("the active model could not be taken")

        thread = threading.Thread(target=follow, name="active-model", daemon=True)
        thread.start()
        try:
            yield
        finally:
            stopped.set()

    def _announce(self) -> None:
        """Publish the built-in checkpoint once, so that videos can be accepted with it."""
        if self._announced:
            return
        model = self._built_in.model
        try:
            self._registry.announce_built_in(
                model.name, model.version, self._built_in.files(), worker=self._worker
            )
            self._registry.clear_refusal(model.name, model.version)
        except OSError as error:  # what is published is read back into a temporary folder
            raise DependencyUnavailable(f"{model} cannot be published: {error}.") from error
        except DependencyUnavailable:
            raise
        except UnmaskError as error:
            log.error(  # noqa: TRY400 - a matter of files, not of code
                "%s (built in) judges only what no published version does: %s %s",
                model,
                error.detail,
                error.action,
                extra={"code": error.code},
            )
        else:
            self._loaded.hold(model, self._built_in.classifier)
        self._announced = True

    def _take(self, active: ActiveModel | None) -> None:
        if active is None:
            if self._published is not None:
                self._swap(self._built_in.classifier, None)
            return
        # A worker that starts has nothing older to keep: it takes what was active before.
        for activation in (active,) if self._looked else (active, *active.previous):
            if self._takes(activation):
                return

    def _takes(self, activation: Activation) -> bool:
        model = ModelRef(name=activation.name, version=activation.version)
        try:
            classifier = self._loaded.get(model, anew=True)
            _check_that_it_judges_faces(classifier.card)
        except DependencyUnavailable:
            raise
        except UnmaskError as error:
            log.error(  # noqa: TRY400 - a matter of the checkpoint, not of code
                "refused to judge with %s: %s %s goes on. %s",
                activation,
                error.detail,
                self._judge,
                error.action,
                extra={"code": error.code},
            )
            return False
        if model != self._published:
            self._swap(classifier, model)
        return True

    def _swap(self, classifier: ClipClassifier, published: ModelRef | None) -> None:
        before = self._judge
        self._classifier, self._published = classifier, published
        self._loaded.protect(published)
        log.info("%s judges from now on, instead of %s", self._judge, before)

    def _complain(self, problem: str) -> None:
        """Log what lasts once, not at every look."""
        if problem != self._complaint:
            log.error("%s %s goes on.", problem, self._judge)
        self._complaint = problem

    @property
    def _judge(self) -> str:
        card = self._classifier.card
        origin = "" if self._published else " (built in)"
        return f"{card.name} {card.version}{origin}"


def _check_that_it_judges_faces(card: ModelCard) -> None:
    """Versions for whole pictures are made active apart from those for faces.

    Raises:
        IncompatibleCheckpoint: It does not.
    """
    if card.face_mode != "faces":
        raise IncompatibleCheckpoint(
            f"{card.name} {card.version} judges whole pictures, but was activated for faces."
        )
