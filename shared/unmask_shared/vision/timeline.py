"""When each frame of a video is shown, found from its packets alone."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Final

import numpy as np
from av.packet import Packet
from av.video.stream import VideoStream
from numpy.typing import NDArray

from unmask_shared.errors import UnreadableVideo, VideoTooDemanding

_FALLBACK_RATE: Final = Fraction(25)
# Bit of a VP8 frame header: the frame is shown (RFC 6386, section 9.1). Others only serve as
# references and never leave the decoder.
_VP8_SHOWN: Final = 0x10


@dataclass(frozen=True, kw_only=True)
class KeyFrame:
    """A frame at which decoding can start: its packet (from 0) and its display number."""

    packet: int
    number: int


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The frames of a video in display order.

    Attributes:
        times_s: `(N,)` float64, ascending, the first is 0.
        duration_s: Until the end of the last frame.
        fps: Mean frame rate; 0 for one frame.
        stamps: `(N,)` int64 presentation stamps, ascending and unique; None where the file has
            none to rely on: then frames are numbered as they leave the decoder.
        key_frames: Ascending; empty without stamps.
    """

    times_s: NDArray[np.float64]
    duration_s: float
    fps: float
    stamps: NDArray[np.int64] | None
    key_frames: tuple[KeyFrame, ...]

    def __len__(self) -> int:
        return len(self.times_s)

    def number_of(self, stamp: int | None, *, after: int) -> int | None:
        """Number a frame that left the decoder.

        Args:
            stamp: Its presentation stamp.
            after: Number of the frame before it.

        Returns:
            The display number, above `after`; None for a frame that has no place.
        """
        if self.stamps is None or stamp is None:
            number = after + 1
        else:
            number = int(np.searchsorted(self.stamps, stamp, side="right")) - 1
        return number if after < number < len(self) else None

    def key_frame_before(self, number: int) -> KeyFrame | None:
        """The last place to start decoding from so that frame `number` comes out whole."""
        candidates = [key for key in self.key_frames if key.number <= number]
        return max(candidates, key=lambda key: key.packet, default=None)


class TimelineBuilder:
    """Collects the stamps of packets, in the order of the file."""

    def __init__(self, *, max_frames: int) -> None:
        self._max_frames = max_frames
        self._packets = 0
        self._presented: list[int | None] = []
        self._decoded: list[int | None] = []
        self._keys: list[tuple[int, int | None]] = []
        self._last_duration = 0

    @property
    def frames(self) -> int:
        """How many shown frames were added."""
        return len(self._presented)

    def add(self, packet: "Packet[VideoStream]", *, codec: str) -> None:
        """Take one packet into account.

        Raises:
            VideoTooDemanding: There are more frames than allowed.
        """
        position = self._packets
        self._packets += 1
        if packet.is_discard or (codec == "vp8" and not bytes(packet)[0] & _VP8_SHOWN):
            return
        if self.frames == self._max_frames:
            raise VideoTooDemanding(f"The video has more than {self._max_frames} frames.")
        self._presented.append(packet.pts)
        self._decoded.append(packet.dts)
        self._last_duration = packet.duration or 0
        if packet.is_keyframe:
            self._keys.append((position, packet.pts))

    def build(self, *, time_base: Fraction, rate: Fraction | None) -> Timeline:
        """Order what was added.

        Args:
            time_base: Seconds per unit of the stamps.
            rate: Frames per second by the header, used only where there are no stamps.

        Raises:
            UnreadableVideo: No packet was added.
        """
        if not self.frames:
            raise UnreadableVideo("The video stream has no frames.")
        stamps = _reliable(self._presented)
        ticks = stamps if stamps is not None else _reliable(self._decoded)
        if ticks is None:
            times = np.arange(self.frames) / float(rate or _FALLBACK_RATE)
        else:
            times = (ticks - ticks[0]) * float(time_base)
        if len(times) == 1:
            return Timeline(
                times_s=times,
                duration_s=float(self._last_duration * time_base),
                fps=0.0,
                stamps=stamps,
                key_frames=(),
            )
        return Timeline(
            times_s=times,
            duration_s=float(times[-1] + np.median(np.diff(times))),
            fps=float((len(times) - 1) / times[-1]),
            stamps=stamps,
            key_frames=self._key_frames(stamps),
        )

    def _key_frames(self, stamps: NDArray[np.int64] | None) -> tuple[KeyFrame, ...]:
        if stamps is None:
            return ()
        return tuple(
            KeyFrame(packet=packet, number=int(np.searchsorted(stamps, stamp)))
            for packet, stamp in self._keys
            if stamp is not None
        )


def _reliable(stamps: list[int | None]) -> NDArray[np.int64] | None:
    """The stamps in ascending order, if every frame has its own."""
    if any(stamp is None for stamp in stamps):
        return None
    ordered = np.sort(np.array(stamps, dtype=np.int64))
    return ordered if bool(np.all(np.diff(ordered) > 0)) else None
