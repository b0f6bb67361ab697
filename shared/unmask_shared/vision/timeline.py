"""When each frame of a video is shown and where decoding can start, found without decoding.

Headers are not believed. An MP4's sample table says where each frame lies, and what lies outside
of the file does not count; that takes a few milliseconds for an hour. Of other containers all
packets are read and counted, about a second for an hour.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from unmask_shared.containers import has_fragments
from unmask_shared.errors import UnreadableVideo, VideoTooDemanding
from unmask_shared.vision.source import VideoSource

if TYPE_CHECKING:  # generic only in the annotations
    from unmask_shared.vision.source import VideoPacket

_FALLBACK_RATE: Final = Fraction(25)
# Bit of a VP8 frame header: the frame is shown (RFC 6386, section 9.1). Others only serve as
# references and never leave the decoder.
_VP8_SHOWN: Final = 0x10


@dataclass(frozen=True, kw_only=True)
class KeyFrame:
    """A frame at which decoding can start.

    Attributes:
        packet: Its packet in the order of the file, from 0.
        shown: How many frames before it in the file are shown: its number, unless frames that
            follow it in the file are shown earlier ("open" groups of pictures).
        stamp: Its decoding stamp.
    """

    packet: int
    shown: int
    stamp: int | None


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """The frames of a video.

    Attributes:
        frames: How many there are.
        duration_s: Until the end of the last frame.
        fps: Mean frame rate; 0 for one frame.
        key_frames: Ascending; empty where stamps cannot be relied on.
        has_stamps: Whether every frame has a presentation stamp of its own; else frames are
            numbered as they leave the decoder.
        times_s: `(N,)` float64, ascending from 0, for videos without such stamps; else None.
        can_seek: Whether the container finds each key frame by its decoding stamp.
    """

    frames: int
    duration_s: float
    fps: float
    key_frames: tuple[KeyFrame, ...]
    has_stamps: bool
    times_s: NDArray[np.float64] | None
    can_seek: bool

    def key_frame_before(self, number: int) -> KeyFrame | None:
        """The last place to start decoding from so that frame `number` comes out."""
        low, high = 0, len(self.key_frames)
        while low < high:
            middle = (low + high) // 2
            if self.key_frames[middle].shown <= number:
                low = middle + 1
            else:
                high = middle
        return self.key_frames[low - 1] if low else None


def _ignore(_share: float) -> None:
    pass


def read_timeline(
    source: VideoSource, *, max_frames: int, on_read: Callable[[float], None] = _ignore
) -> Timeline:
    """Count the frames of a video; afterwards the source is at its beginning.

    Args:
        source: At its beginning.
        max_frames: More are refused.
        on_read: Called with the share of the file that was read, in [0, 1], where it must be read.

    Raises:
        UnreadableVideo: There is no frame.
        VideoTooDemanding: There are more than `max_frames`.
    """
    if _has_whole_index(source):
        return _from_index(source, max_frames=max_frames)
    timeline = count_packets(source, max_frames=max_frames, on_read=on_read)
    source.rewind()
    return timeline


def count_packets(
    source: VideoSource, *, max_frames: int, on_read: Callable[[float], None] = _ignore
) -> Timeline:
    """The same by reading every packet, from where the source is to its end."""
    builder = TimelineBuilder(max_frames=max_frames)
    codec = source.stream.codec_context.name
    file_bytes = max(1, source.file_bytes)
    for packet in source.packets():
        builder.add(packet, codec=codec)
        on_read(min(1.0, max(0, packet.pos or 0) / file_bytes))
    stream = source.stream
    return builder.build(
        time_base=source.time_base,
        rate=stream.average_rate,
        reordered=bool(stream.codec_context.has_b_frames),
    )


def _has_whole_index(source: VideoSource) -> bool:
    """Whether the demuxer knew all packets when it opened the file: an MP4 without fragments."""
    return (
        source.container_name == "mp4"
        and len(source.stream.index_entries) > 0
        and not has_fragments(source.read_at, source.file_bytes)
    )


def _from_index(source: VideoSource, *, max_frames: int) -> Timeline:
    entries = source.stream.index_entries
    if len(entries) > max_frames:
        raise _too_many(max_frames)
    end = source.file_bytes
    keys: list[KeyFrame] = []
    stamps: list[int] = []
    packets = 0
    for entry in entries:
        if not entry.size:
            continue
        if entry.pos + entry.size > end:
            break
        if entry.is_keyframe:
            keys.append(KeyFrame(packet=packets, shown=len(stamps), stamp=entry.timestamp))
        packets += 1
        if not entry.is_discard:
            stamps.append(entry.timestamp)
    if not stamps:
        raise UnreadableVideo("The video stream has no frames.")
    ticks = np.array(stamps, dtype=np.int64)
    span = _span(ticks)
    # A single frame lasts as long as the header says: nothing else tells.
    step = _usual_step(ticks) if len(ticks) > 1 else max(0, source.stream.duration or 0)
    time_base = source.time_base
    return Timeline(
        frames=len(stamps),
        duration_s=float((span + step) * time_base),
        fps=_rate(len(stamps), span, time_base),
        key_frames=tuple(keys),
        has_stamps=True,
        times_s=None,
        can_seek=True,
    )


class TimelineBuilder:
    """Collects the stamps of packets, in the order of the file."""

    def __init__(self, *, max_frames: int) -> None:
        self._max_frames = max_frames
        self._packets = 0
        self._presented: list[int | None] = []
        self._decoded: list[int | None] = []
        self._keys: list[KeyFrame] = []
        self._last_duration = 0

    @property
    def frames(self) -> int:
        """How many shown frames were added."""
        return len(self._presented)

    def add(self, packet: "VideoPacket", *, codec: str) -> None:
        """Take one packet into account.

        Raises:
            VideoTooDemanding: There are more frames than allowed.
        """
        position = self._packets
        self._packets += 1
        if not is_shown(packet, codec=codec):
            return
        if self.frames == self._max_frames:
            raise _too_many(self._max_frames)
        if packet.is_keyframe:
            self._keys.append(KeyFrame(packet=position, shown=self.frames, stamp=packet.dts))
        self._presented.append(packet.pts)
        self._decoded.append(packet.dts)
        self._last_duration = packet.duration or 0

    def build(
        self, *, time_base: Fraction, rate: Fraction | None, reordered: bool = False
    ) -> Timeline:
        """Order what was added.

        Args:
            time_base: Seconds per unit of the stamps.
            rate: Frames per second by the header, used only where there are no stamps.
            reordered: Whether frames are stored in another order than they are shown. Stamps that
                ascend all the same are not those of presentation: AVI has no others.

        Raises:
            UnreadableVideo: No packet was added.
        """
        if not self.frames:
            raise UnreadableVideo("The video stream has no frames.")
        stamps = _reliable(self._presented)
        ticks = stamps if stamps is not None else _reliable(self._decoded)
        if ticks is None:
            period = 1 / (rate or _FALLBACK_RATE)
            ticks, time_base, step = np.arange(self.frames), period, 1.0
        else:
            step = _usual_step(ticks) if self.frames > 1 else float(self._last_duration)
        span = _span(ticks)
        has_stamps = stamps is not None and not (reordered and self._ascend(stamps))
        return Timeline(
            frames=self.frames,
            duration_s=float((span + step) * time_base),
            fps=_rate(self.frames, span, time_base),
            key_frames=tuple(self._keys) if has_stamps else (),
            has_stamps=has_stamps,
            times_s=None if has_stamps else _since_first(ticks) * float(time_base),
            can_seek=False,
        )

    def _ascend(self, stamps: NDArray[np.int64]) -> bool:
        return self.frames > 1 and bool(np.all(stamps == np.array(self._presented)))


def is_shown(packet: "VideoPacket", *, codec: str) -> bool:
    """Whether the packet becomes a frame; some only serve as references, or are cut away."""
    hidden = codec == "vp8" and not bytes(packet)[0] & _VP8_SHOWN
    return not packet.is_discard and not hidden


def _too_many(max_frames: int) -> VideoTooDemanding:
    return VideoTooDemanding(f"The video has more than {max_frames} frames.")


def _reliable(stamps: list[int | None]) -> NDArray[np.int64] | None:
    """The stamps in ascending order, if every frame has its own."""
    if any(stamp is None for stamp in stamps):
        return None
    ordered = np.sort(np.array(stamps, dtype=np.int64))
    return ordered if bool(np.all(np.diff(ordered) > 0)) else None


def _span(ticks: NDArray[np.int64]) -> int:
    return int(ticks[-1]) - int(ticks[0])


def _since_first(ticks: NDArray[np.int64]) -> NDArray[np.float64]:
    """Ticks after the first one, for which 63 bits may be too few."""
    return np.asarray((ticks - ticks[0]).view(np.uint64), np.float64)


def _usual_step(ticks: NDArray[np.int64]) -> float:
    return float(np.median(np.diff(ticks)))


def _rate(frames: int, span: int, time_base: Fraction) -> float:
    return float((frames - 1) / (span * time_base)) if frames > 1 and span > 0 else 0.0
