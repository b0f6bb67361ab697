"""Which version will judge a video that is accepted now."""

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from unmask_shared.artifacts import FaceMode
from unmask_shared.errors import DamagedModel, ModelNotFound, ModelRefused, UnknownModel
from unmask_shared.model_registry import ModelRegistry
from unmask_shared.model_versions import Activation, ActiveModel, BuiltInModel, Refusal
from unmask_shared.videos import AnalysisOptions, ModelRef

log = logging.getLogger(__name__)

# Many uploads in a second cost the store as much as one does.
_REMEMBER_S: Final = 1.0
_MOST_NAMED: Final = 20


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A version that was activated and that a worker has refused since."""

    model: ModelRef
    refusal: Refusal


@dataclass(frozen=True, kw_only=True)
class Judging:
    """What judges videos of one face mode that are accepted now.

    Attributes:
        model: The version; None before a worker has announced the built-in checkpoint. Of whole
            pictures it is the one for faces if none was activated for them, which then says that
            it cannot judge them.
        active: What was activated for this face mode, with what was active before.
        built_in: What came with the workers.
        refused: What was activated later than `model`, newest first.
    """

    model: ModelRef | None
    active: ActiveModel | None
    built_in: BuiltInModel | None
    refused: tuple[Refused, ...] = ()


class ModelChoice:
    """Reads which version judges; safe to use from several threads."""

    def __init__(
        self, registry: ModelRegistry, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Prepare; nothing is read yet.

        Args:
            registry: Has the versions.
            clock: Seconds, by which what is remembered grows old.
        """
        self._registry = registry
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[FaceMode, tuple[float, Judging]] = {}

    def pin(self, options: AnalysisOptions) -> ModelRef | None:
        """The version that a video which is accepted now is judged by, whatever comes later.

        Args:
            options: What the sender asks for: a version, or else what is active for faces or for
                whole pictures.

        Returns:
            None if nobody knows: no worker has announced its checkpoint yet.

        Raises:
            UnknownModel: The chosen version is not published.
            ModelRefused: A worker has refused it, or its manifest is damaged.
            ObjectStoreUnavailable: The store does not answer.
        """
        if options.model is None:
            return self.judging(options.face_mode).model
        model = ModelRef.parse(options.model)
        self.check(model)
        return model

    def check(self, model: ModelRef, *, despite_refusal: bool = False) -> None:
        """Return if videos can be accepted with this version.

        Args:
            model: The version.
            despite_refusal: Whether it may have been refused.

        Raises:
            UnknownModel: It is not published.
            ModelRefused: A worker has refused it, or its manifest is damaged.
            ObjectStoreUnavailable: The store does not answer.
        """
        try:
            self._registry.manifest(model.name, model.version)
        except ModelNotFound as error:
            raise UnknownModel(f"{model} is not published; {self._published()}") from error
        except DamagedModel as error:
            raise ModelRefused(error.detail) from error
        refusal = None if despite_refusal else self.refusal(model)
        if refusal is not None:
            raise ModelRefused(f"{model} was refused by {refusal.worker}: {refusal.detail}")

    def refusal(self, model: ModelRef) -> Refusal | None:
        """Why a worker did not take a version; None for one that can be used, or was not tried.

        The built-in version cannot be refused: the workers that announced it have it in memory.
        Others of them may have said so while they were replaced.

        Raises:
            ObjectStoreUnavailable: The store does not answer.
        """
        if model == _ref(self.judging().built_in):
            return None
        return self._refusal(model)

    def judging(self, face_mode: FaceMode = "faces") -> Judging:
        """What judges faces, or whole pictures, as it was a second ago at most.

        Raises:
            ObjectStoreUnavailable: It was never read, and the store does not answer.
        """
        with self._lock:
            return self._judging(face_mode)

    def forget(self) -> None:
        """Read again next time: something was activated."""
        with self._lock:
            self._known = {}

    def _judging(self, face_mode: FaceMode) -> Judging:
        now = self._clock()
        read_at, before = self._known.get(face_mode, (-math.inf, None))
        if before is None or now - read_at > _REMEMBER_S:
            otherwise = self._judging("faces").model if face_mode == "full_frame" else None
            self._known[face_mode] = (now, self._read(face_mode, before, otherwise))
        return self._known[face_mode][1]

    def _read(
        self, face_mode: FaceMode, before: Judging | None, otherwise: ModelRef | None
    ) -> Judging:
        try:
            active, built_in = self._registry.active(face_mode), self._registry.built_in()
        except DamagedModel as error:
            # As the workers do: what judged before goes on.
            log.error("%s %s", error.detail, error.action)  # noqa: TRY400 - no matter of code
            return before or Judging(model=None, active=None, built_in=None)
        refused: list[Refused] = []
        for activation in (active, *active.previous) if active else ():
            model = ModelRef(name=activation.name, version=activation.version)
            refusal = None if model == _ref(built_in) else self._refusal(model)
            if refusal is None:
                return Judging(
                    model=model, active=active, built_in=built_in, refused=tuple(refused)
                )
            refused.append(Refused(model=model, refusal=refusal))
        return Judging(
            model=otherwise or _ref(built_in),
            active=active,
            built_in=built_in,
            refused=tuple(refused),
        )

    def _refusal(self, model: ModelRef) -> Refusal | None:
        try:
            return self._registry.refusal(model.name, model.version)
        except DamagedModel as error:
            # The workers know better whether they can use it.
            log.error("%s %s", error.detail, error.action)  # noqa: TRY400 - no matter of code
            return None

    def _published(self) -> str:
        found = [f"{name}/{version}" for name, version in self._registry.versions()]
        if not found:
            return "nothing is."
        more = f" and {len(found) - _MOST_NAMED} more" if len(found) > _MOST_NAMED else ""
        return f"published are {', '.join(found[:_MOST_NAMED])}{more}."


def _ref(model: Activation | BuiltInModel | None) -> ModelRef | None:
    return ModelRef(name=model.name, version=model.version) if model else None
