"""Faces of still pictures, searched in a process that can harm nobody, many pictures at a time.

To fork such a process takes longer than to find the face of a small picture, so each job gets a
bundle: the files one after the other. If a bundle comes to no end, its halves are tried, down to
the picture that is at fault.
"""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Final

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from unmask_shared.closing import Closing
from unmask_shared.errors import (
    DecoderCrashed,
    UnmaskError,
    UnreadableVideo,
    VideoTooDemanding,
)
from unmask_shared.sandbox import Reply, Sandbox, SandboxFailure, SandboxLimits, Serve
from unmask_shared.vision import sandboxed
from unmask_shared.vision.pipeline import FaceTracks, VisionSettings
from unmask_shared.vision.stills import extract_still
from unmask_shared.vision.transfer import (
    pack_faces,
    pack_settings,
    unpack_faces,
    unpack_settings,
)

Outcome = FaceTracks | UnmaskError | SandboxFailure | OSError
"""What became of one picture: its faces, or why there are none."""

_LENGTH_BYTES: Final = 8
_FACES: Final = b"f"
# The first one that fits: a picture that is too large is also one that cannot be read.
_REFUSALS: Final[dict[bytes, type[UnmaskError]]] = {b"d": VideoTooDemanding, b"u": UnreadableVideo}
_LONGEST_DETAIL: Final = 500
_NOISE_SIDE: Final = 64


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    settings: str
    lengths: tuple[int, ...]


class SandboxedStills(Closing):
    """`extract_still` for bundles of files, in forks of a process with the models loaded."""

    def __init__(self, settings: VisionSettings, limits: SandboxLimits) -> None:
        """Prepare to extract; processes start with the first bundle.

        Args:
            settings: How faces are extracted.
            limits: What one bundle may use.
        """
        self._settings = settings
        self._sandbox = Sandbox(
            f"{__name__}:load", argument=pack_settings(settings).decode(), limits=limits
        )

    def close(self) -> None:
        """End the processes; another bundle would start them again."""
        self._sandbox.close()

    def extract(self, paths: Sequence[Path]) -> list[Outcome]:
        """Find and crop the faces of pictures.

        Args:
            paths: The files; together they are held in memory.

        Returns:
            What became of each, in the given order.

        Raises:
            SandboxUnavailable: Nothing can be decoded on this machine.
        """
        outcomes: list[Outcome | None] = []
        files: list[bytes] = []
        for path in paths:
            try:
                files.append(path.read_bytes())
                outcomes.append(None)
            except OSError as error:
                outcomes.append(error)
        found = iter(self._extract(files) if files else ())
        return [next(found) if outcome is None else outcome for outcome in outcomes]

    def _extract(self, files: Sequence[bytes]) -> list[Outcome]:
        try:
            return self._run(files)
        except (DecoderCrashed, VideoTooDemanding, SandboxFailure) as error:
            if len(files) == 1:
                return [error]
        middle = len(files) // 2
        return self._extract(files[:middle]) + self._extract(files[middle:])

    def _run(self, files: Sequence[bytes]) -> list[Outcome]:
        request = _Request(
            settings=pack_settings(self._settings).decode(),
            lengths=tuple(map(len, files)),
        )
        with tempfile.NamedTemporaryFile(prefix="unmask-") as bundle:
            bundle.writelines(files)
            bundle.flush()
            result = self._sandbox.run(Path(bundle.name), request.model_dump_json().encode())
        try:
            outcomes = [self._outcome(kind, part) for kind, part in _parts(result.data)]
        except ValueError as error:
            raise DecoderCrashed(f"What the decoder sent makes no sense: {error}.") from error
        if len(outcomes) != len(files):
            raise DecoderCrashed(
                f"The decoder answered {len(outcomes)} times for {len(files)} pictures."
            )
        return outcomes

    def _outcome(self, kind: bytes, part: bytes) -> Outcome:
        if kind == _FACES:
            return unpack_faces(part, self._settings)
        if kind not in _REFUSALS:
            raise ValueError(f"an answer of the unknown kind {kind!r}")
        text = part[:_LONGEST_DETAIL].decode(errors="replace")
        return _REFUSALS[kind]("".join(filter(str.isprintable, text)))


def load(settings: str) -> Serve:
    """The factory of the sandbox: loads what pictures need, and nothing opens a file later.

    Args:
        settings: As by `pack_settings`.
    """
    sandboxed.load(settings)
    noise = np.random.default_rng(0).integers(0, 255, (_NOISE_SIDE, _NOISE_SIDE, 3), np.uint8)
    for suffix in (".jpg", ".png", ".webp"):
        _, data = cv2.imencode(suffix, noise)
        extract_still(data.tobytes(), unpack_settings(settings.encode()))
    return _serve


def _serve(file: BinaryIO, request: bytes, reply: Reply) -> None:
    try:
        wanted = _Request.model_validate_json(request)
    except ValidationError as error:
        raise ValueError(f"the request for pictures is not valid: {error}") from error
    settings = unpack_settings(wanted.settings.encode())
    for length in wanted.lengths:
        kind, parts = _extract(_read(file, length), settings)
        size = sum(map(len, parts))
        reply.result(b"".join([kind, size.to_bytes(_LENGTH_BYTES, "big"), *parts]))


def _extract(data: bytes, settings: VisionSettings) -> tuple[bytes, Sequence[bytes | memoryview]]:
    try:
        return _FACES, pack_faces(extract_still(data, settings))
    except UnmaskError as error:
        for kind, refusal in _REFUSALS.items():
            if isinstance(error, refusal):
                return kind, [error.detail.encode()]
        raise
    except cv2.error as error:
        if error.code == cv2.Error.StsNoMem:
            raise MemoryError(str(error)) from error  # what the sandbox takes for a limit reached
        raise


def _read(file: BinaryIO, length: int) -> bytes:
    """As many bytes: unbuffered files may give fewer at once."""
    data = bytearray()
    while len(data) < length:
        piece = file.read(length - len(data))
        if not piece:
            raise ValueError(f"the bundle ends {length - len(data)} bytes too early")
        data += piece
    return bytes(data)


def _parts(data: bytes | bytearray) -> Iterator[tuple[bytes, bytes]]:
    start = 0
    while start < len(data):
        end = start + 1 + _LENGTH_BYTES
        length = int.from_bytes(data[start + 1 : end], "big")
        if end + length > len(data):
            raise ValueError(f"{end + length - len(data)} bytes are missing")
        yield bytes(data[start : start + 1]), bytes(data[end : end + length])
        start = end + length
