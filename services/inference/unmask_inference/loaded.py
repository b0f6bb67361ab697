"""The published versions that are in memory, ready to judge."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from unmask_inference.published import PublishedModels
from unmask_shared.errors import (
    DependencyUnavailable,
    InvalidCheckpoint,
    InvalidModelRef,
    UnmaskError,
)
from unmask_shared.model.predict import ClipClassifier
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.videos import ModelRef

log = logging.getLogger(__name__)

# Many videos may ask for a version that cannot be used: not each of them has to fetch it.
_REMEMBER_REFUSAL_S: Final = 30.0


class LoadedModels:
    """Loads versions when they are asked for and keeps those that were used last.

    A version that cannot be used is refused: the registry shows why. Safe to use from several
    threads; one version is loaded at a time, and those that are loaded judge meanwhile.
    """

    def __init__(
        self, registry: ModelRegistry, models: PublishedModels, *, kept: int, worker: str
    ) -> None:
        """Begin with nothing in memory.

        Args:
            registry: Shows what was refused.
            models: Makes classifiers of versions.
            kept: Most versions in memory, beside those that are held.
            worker: Host and process, for those who read refusals.
        """
        self._registry = registry
        self._models = models
        self._kept = kept
        self._worker = worker
        self._lock = threading.Lock()
        self._loading = threading.Lock()
        self._held: dict[ModelRef, ClipClassifier] = {}
        self._loaded: OrderedDict[ModelRef, ClipClassifier] = OrderedDict()
        self._protected: ModelRef | None = None
        self._refused: dict[ModelRef, tuple[UnmaskError, float]] = {}

    def get(self, model: ModelRef, *, anew: bool = False) -> ClipClassifier:
        """The classifier of a version, from memory or from the registry.

        Args:
            model: The version.
            anew: Try again what was refused a moment ago, and let the registry show it no longer.

        Raises:
            ModelNotFound: There is no such version.
            InvalidModelRef: There can be none.
            InvalidCheckpoint: It cannot be used here.
            DependencyUnavailable: The store does not answer, or there is no room for the files.
        """
        found = self._find(model)
        if found is None:
            found = self._load_once(model, anew=anew)
        elif anew:
            # It works here, whatever another worker may have said before it was put right.
            self._clear_refusal(model)
        return found

    def hold(self, model: ModelRef, classifier: ClipClassifier) -> None:
        """Keep a classifier that is in memory anyway, whatever else is used."""
        with self._lock:
            self._held[model] = classifier

    def protect(self, model: ModelRef | None) -> None:
        """Keep this version even if others are used, instead of the one that was protected."""
        with self._lock:
            self._protected = model
            self._evict()

    def _find(self, model: ModelRef) -> ClipClassifier | None:
        with self._lock:
            if model in self._held:
                return self._held[model]
            if model in self._loaded:
                self._loaded.move_to_end(model)
            return self._loaded.get(model)

    def _load_once(self, model: ModelRef, *, anew: bool) -> ClipClassifier:
        with self._loading:
            # Another thread may have loaded it while this one waited.
            if found := self._find(model):
                return found
            if not anew:
                self._raise_refusal(model)
            classifier = self._load(model)
            self._keep(model, classifier)
        self._clear_refusal(model)
        return classifier

    def _keep(self, model: ModelRef, classifier: ClipClassifier) -> None:
        with self._lock:
            self._refused.pop(model, None)
            self._loaded[model] = classifier
            self._evict()

    def _evict(self) -> None:
        # Jobs that have one of them keep it until they end.
        idle = [model for model in self._loaded if model != self._protected]
        for model in idle[: max(0, len(self._loaded) - self._kept)]:
            del self._loaded[model]

    def _load(self, model: ModelRef) -> ClipClassifier:
        try:
            return self._models.load(model.name, model.version)
        except DependencyUnavailable:
            raise
        except UnmaskError as error:
            self._refuse(model, error)
            raise
        except Exception as error:
            # Whatever a checkpoint does, it must not take the worker down.
            log.exception("%s could not be loaded", model)
            refusal = InvalidCheckpoint(f"{type(error).__name__}: {error}")
            self._refuse(model, refusal)
            raise refusal from error

    def _refuse(self, model: ModelRef, error: UnmaskError) -> None:
        with self._lock:
            self._refused[model] = (error, time.monotonic() + _REMEMBER_REFUSAL_S)
        # A name that cannot be a key has no place in the registry either.
        if not isinstance(error, InvalidModelRef):
            with self._unless_the_store_is_away():
                self._registry.refuse(model.name, model.version, error, worker=self._worker)

    def _clear_refusal(self, model: ModelRef) -> None:
        with self._unless_the_store_is_away():
            self._registry.clear_refusal(model.name, model.version)

    def _raise_refusal(self, model: ModelRef) -> None:
        with self._lock:
            now = time.monotonic()
            self._refused = {key: known for key, known in self._refused.items() if known[1] > now}
            known = self._refused.get(model)
        if known is not None:
            raise type(known[0])(known[0].detail)

    @contextmanager
    def _unless_the_store_is_away(self) -> Iterator[None]:
        try:
            yield
        except DependencyUnavailable as error:
            log.warning("the registry does not show it: %s", error.detail)
