"""The classifier that judges, following the registry's active version while jobs run."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from unmask_inference.published import PublishedModels
from unmask_shared.errors import (
    DamagedModel,
    DependencyUnavailable,
    InvalidCheckpoint,
    InvalidModelRef,
    UnmaskError,
)
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.model_versions import Activation, ActiveModel

log = logging.getLogger(__name__)


class ModelInUse:
    """Gives each job the classifier of the version that is active when the job begins.

    A job keeps what it was given; another version is fetched, checked and warmed up beside it, and
    takes its place when it is ready. A version that cannot be used is refused once, in the log and
    in the registry, and what judged before goes on.
    """

    def __init__(
        self,
        registry: ModelRegistry,
        models: PublishedModels,
        *,
        built_in: ClipClassifier,
        worker: str,
    ) -> None:
        """Begin with the built-in checkpoint; nothing is fetched yet.

        Args:
            registry: Says which version is active.
            models: Makes classifiers of versions.
            built_in: Judges as long as nothing usable was activated.
            worker: Host and process, for those who read refusals.
        """
        self._registry = registry
        self._models = models
        self._built_in = built_in
        self._worker = worker
        self._lock = threading.Lock()
        self._classifier = built_in
        self._published: tuple[str, str] | None = None  # name and version, unless it is built in
        self._looked = False
        self._seen: ActiveModel | None = None
        self._complaint = ""

    def classifier(self) -> ClipClassifier:
        """What a job that begins now is judged with, from its beginning to its end.

        Raises:
            DependencyUnavailable: It was never seen which version is active, and the store, which
                the job needs too, does not answer.
        """
        if not self._looked:
            self.look()
        return self._classifier

    def look(self) -> None:
        """Take the version that is active, if it is another one than when this was last called.

        Raises:
            DependencyUnavailable: The store does not answer, or there is no room for the files.
        """
        with self._lock:
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

    def _take(self, active: ActiveModel | None) -> None:
        if active is None:
            if self._published is not None:
                self._swap(self._built_in, None)
            return
        # A worker that starts has nothing older to keep: it takes what was active before.
        for activation in (active,) if self._looked else (active, *active.previous):
            if self._takes(activation):
                return

    def _takes(self, activation: Activation) -> bool:
        name, version = activation.name, activation.version
        if (name, version) == self._published:
            return True
        try:
            classifier = self._models.load(name, version)
        except DependencyUnavailable:
            raise
        except UnmaskError as error:
            self._refuse(activation, error)
            return False
        except Exception as error:
            # Whatever a checkpoint does, it must not take the worker down or end this thread.
            log.exception("%s could not be loaded", activation)
            self._refuse(activation, InvalidCheckpoint(f"{type(error).__name__}: {error}"))
            return False
        self._swap(classifier, (name, version))
        with self._unless_the_store_is_away():
            self._registry.clear_refusal(name, version)
        return True

    def _swap(self, classifier: ClipClassifier, published: tuple[str, str] | None) -> None:
        before = self._judge
        self._classifier, self._published = classifier, published
        log.info("%s judges from now on, instead of %s", self._judge, before)

    def _refuse(self, activation: Activation, error: UnmaskError) -> None:
        log.error(
            "refused to judge with %s: %s %s goes on. %s",
            activation,
            error.detail,
            self._judge,
            error.action,
            extra={"code": error.code},
        )
        # A name that cannot be a key has no place in the registry either.
        if not isinstance(error, InvalidModelRef):
            with self._unless_the_store_is_away():
                self._registry.refuse(
                    activation.name, activation.version, error, worker=self._worker
                )

    @contextmanager
    def _unless_the_store_is_away(self) -> Iterator[None]:
        try:
            yield
        except DependencyUnavailable as error:
            log.warning("the registry does not show it: %s", error.detail)

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
