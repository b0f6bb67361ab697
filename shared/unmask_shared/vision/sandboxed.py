"""The face pipeline in a process that can harm nobody: see `unmask_shared.sandbox`."""

import importlib
import pkgutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import BinaryIO

import av
import cv2

from unmask_shared.closing import Closing
from unmask_shared.errors import DecoderCrashed
from unmask_shared.sandbox import Reply, Sandbox, SandboxLimits, Serve, SyscallFilter
from unmask_shared.vision.face_track import FacePiece
from unmask_shared.vision.faces import make_detector
from unmask_shared.vision.pipeline import FaceTracks, VisionSettings, extract_faces
from unmask_shared.vision.rehearsal import rehearse
from unmask_shared.vision.transfer import (
    FacesReader,
    FacesWriter,
    pack_settings,
    unpack_settings,
)


def _ignore(_news: object) -> None:
    pass


class SandboxedExtraction(Closing):
    """`extract_faces`, one video at a time, in forks of a process with the models loaded.

    Threads may share it and then wait for each other. The models for landmark overlays are large,
    so they are loaded, beside the others, when the first video asks for them.
    """

    def __init__(
        self,
        settings: VisionSettings,
        limits: SandboxLimits,
        *,
        syscall_filter: SyscallFilter | None = None,
    ) -> None:
        """Prepare to extract; processes start with the first video, or by `start`.

        Args:
            settings: How faces are extracted; tells which models are needed.
            limits: What one video may use.
            syscall_filter: See `Sandbox`.
        """
        self._settings = settings
        self._limits = limits
        self._filter = syscall_filter
        self._sandboxes: dict[bytes, Sandbox] = {}
        self._lock = threading.Lock()

    def start(self) -> None:
        """Load the models now.

        Raises:
            SandboxUnavailable: Loading failed, or the system call filter is missing.
        """
        self._sandbox_for(self._settings).start()

    def extract(
        self,
        path: Path,
        settings: VisionSettings | None = None,
        on_progress: Callable[[float], None] = _ignore,
        on_piece: Callable[[FacePiece], None] = _ignore,
    ) -> FaceTracks:
        """Find, follow and crop every face of a video.

        Args:
            path: The video file.
            settings: Instead of those given at first; the detector must be the same.
            on_progress: See `extract_faces`.
            on_piece: See `extract_faces`; called while the others are being made.

        Raises:
            UnmaskError: See `extract_faces`; also `VideoTooDemanding` where a limit is reached,
                and `DecoderCrashed`.
            SandboxFailure: For no fault of the video.
        """
        settings = settings or self._settings
        sandbox = self._sandbox_for(settings)
        reader = FacesReader(settings)

        def take(data: bytes) -> None:
            with _sense_expected():
                pieces = reader.feed(data)
            for piece in pieces:
                on_piece(piece)

        sandbox.run(path, pack_settings(settings), on_progress, take)
        with _sense_expected():
            return reader.faces()

    def close(self) -> None:
        """End the processes; another video would start them again."""
        with self._lock:
            for sandbox in self._sandboxes.values():
                sandbox.close()
            self._sandboxes.clear()

    def _sandbox_for(self, settings: VisionSettings) -> Sandbox:
        models = VisionSettings(
            detector=settings.detector,
            yunet_model=settings.yunet_model,
            landmark_overlays=settings.landmark_overlays,
        )
        key = pack_settings(models)
        with self._lock:
            if key not in self._sandboxes:
                self._sandboxes[key] = Sandbox(
                    f"{__name__}:load",
                    argument=key.decode(),
                    limits=self._limits,
                    syscall_filter=self._filter,
                )
            return self._sandboxes[key]


@contextmanager
def _sense_expected() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise DecoderCrashed(f"What the decoder sent makes no sense: {error}.") from error


def load(models: str) -> Serve:
    """The factory of the sandbox: loads what the settings need, and nothing opens a file later.

    Args:
        models: Settings, as by `pack_settings`.
    """
    settings = unpack_settings(models.encode())
    # The frames of a clip are decoded in other threads already.
    cv2.setNumThreads(1)
    _import_all_of(av)
    make_detector(settings.detector, yunet_model=settings.yunet_model)
    rehearse(settings)
    return _serve


def _import_all_of(package: ModuleType) -> None:
    """PyAV imports some of its modules when a file needs them."""
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _serve(file: BinaryIO, request: bytes, reply: Reply) -> None:
    writer = FacesWriter(reply.result)
    try:
        faces = extract_faces(file, unpack_settings(request), reply.progress, on_piece=writer.add)
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(str(error)) from error  # what the sandbox takes for a limit reached
        raise
    writer.finish(faces)
