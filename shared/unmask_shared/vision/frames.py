"""Decoding the frames of a plan, and as little else as possible."""

from bisect import bisect_right, insort
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from av.video.frame import VideoFrame

from unmask_shared.artifacts import VideoInfo
from unmask_shared.errors import UnreadableVideo
from unmask_shared.vision.display import Display
from unmask_shared.vision.picture import Picture
from unmask_shared.vision.sampling import Clip
from unmask_shared.vision.source import VideoSource
from unmask_shared.vision.timeline import KeyFrame, Timeline, is_shown

if TYPE_CHECKING:  # generic only in the annotations
    from unmask_shared.vision.source import VideoPacket

# Frames are stored up to 16 places before their turn (H.264 and HEVC); twice that is safe.
_LOOKAHEAD: Final = 32


@dataclass(frozen=True, kw_only=True)
class DecodedFrame:
    """One frame.

    Attributes:
        number: Position in display order, from 0.
        time_s: When it is shown, in seconds after the first frame.
        picture: Its pixels.
    """

    number: int
    time_s: float
    picture: Picture


class _Decoded(NamedTuple):
    """A frame as it left the decoder; most are only on the way to others."""

    number: int
    picture: VideoFrame
    display: Display


class FrameReader:
    """Moves forward through one video and hands out clips.

    Attributes:
        decoded: Frames that were decoded so far, also those on the way to a clip.
    """

    def __init__(self, source: VideoSource, timeline: Timeline) -> None:
        """Prepare to read a source that is at its beginning."""
        self.decoded = 0
        self._source = source
        self._timeline = timeline
        self._codec = source.stream.codec_context.name
        self._time_base = source.time_base
        self._display: Display | None = None
        self._ready: deque[_Decoded] = deque()
        self._last_number = -1
        self._at_end = False
        self._stretch = _Stretch(source.packets(), codec=self._codec, packet=0, number=0)
        self._first_stamp = self._stretch.first_stamp
        # Decoding stamps are known of each key frame, but demuxers seek by presentation stamps.
        self._delay = self._stretch.delay
        self._can_seek = timeline.can_seek

    def read(self, clips: Sequence[Clip]) -> Iterator[tuple[DecodedFrame, ...]]:
        """Decode the given clips, one after the other.

        Frames that are damaged or missing are left out, so a clip may be shorter than asked for,
        even empty. Where the frames right before a key frame's place in the file cannot be decoded
        from it, the clip begins at the key frame instead.

        Args:
            clips: Disjoint, ascending.

        Yields:
            The frames of each clip, in display order.
        """
        for clip in clips:
            yield self._read(clip)

    def info(self) -> VideoInfo:
        """What is known about the video now that some of it was decoded.

        Raises:
            UnreadableVideo: Nothing could be decoded.
        """
        if self._display is None:
            raise UnreadableVideo(
                f"None of the {self._timeline.frames} {self._codec} frames can be decoded."
            )
        return VideoInfo(
            duration_s=self._timeline.duration_s,
            fps=self._timeline.fps,
            width=self._display.width,
            height=self._display.height,
            frames=self._timeline.frames,
            codec=self._codec,
            rotation=90 * self._display.quarter_turns,
        )

    def _read(self, clip: Clip) -> tuple[DecodedFrame, ...]:
        wanted = self._approach(clip)
        frames = []
        while wanted and (decoded := self._next_frame(wanted)) is not None:
            if decoded.number > wanted[-1]:
                self._ready.appendleft(decoded)
                break
            if decoded.number in wanted:
                frames.append(self._finished(decoded))
            if decoded.number == wanted[-1]:
                break
        return tuple(frames)

    def _approach(self, clip: Clip) -> Clip:
        """Go to the key frame before a clip unless decoding is past it; what can be read there."""
        key = self._timeline.key_frame_before(clip[0])
        if key is None or key.packet <= self._stretch.packet:
            return clip
        self._jump(key)
        late = self._last_number + 1 - clip[0]
        if late <= 0:
            return clip
        return [number + late for number in clip if number + late < self._timeline.frames]

    def _jump(self, key: KeyFrame) -> None:
        self._source.forget()
        self._ready.clear()
        self._at_end = False
        self._stretch = self._stretch_from(key)
        self._last_number = self._stretch.number_of_first() - 1

    def _stretch_from(self, key: KeyFrame) -> "_Stretch":
        if self._can_seek and key.stamp is not None:
            self._source.seek(key.stamp + self._delay)
            packets = self._source.packets()
            first = _packet_of(packets, key.stamp)
            if first is not None:
                return self._new_stretch(chain([first], packets), key)
            # The sample table says what the demuxer does not do.
            self._can_seek = False
            self._source.rewind()
            self._stretch = _Stretch(self._source.packets(), codec=self._codec, packet=0, number=0)
        return self._new_stretch(self._stretch.skip_to(key.packet), key)

    def _new_stretch(self, packets: "Iterator[VideoPacket]", key: KeyFrame) -> "_Stretch":
        return _Stretch(packets, codec=self._codec, packet=key.packet, number=key.shown)

    def _next_frame(self, wanted: Clip) -> "_Decoded | None":
        while not self._ready:
            if self._at_end:
                return None
            packet = self._stretch.next_packet()
            self._at_end = packet is None
            if packet is not None:
                self.decoded += 1
                self._source.skip_unreferenced(self._is_on_the_way(packet, wanted))
            for picture in self._source.decode(packet):
                self._take(picture)
        return self._ready.popleft()

    def _is_on_the_way(self, packet: "VideoPacket", wanted: Clip) -> bool:
        if not self._timeline.has_stamps or packet.pts is None:
            return False
        return self._stretch.number_of(packet.pts) not in wanted

    def _take(self, picture: VideoFrame) -> None:
        if self._display is None:
            self._display = self._source.display_of(picture)
        stamp = picture.pts if self._timeline.has_stamps else None
        number = self._last_number + 1 if stamp is None else self._stretch.number_of(stamp)
        if not self._last_number < number < self._timeline.frames:
            return
        self._last_number = number
        self._ready.append(_Decoded(number, picture, self._display))

    def _finished(self, decoded: "_Decoded") -> DecodedFrame:
        stamp = decoded.picture.pts if self._timeline.has_stamps else None
        return DecodedFrame(
            number=decoded.number,
            time_s=self._time_of(decoded.number, stamp),
            picture=Picture(decoded.picture, decoded.display),
        )

    def _time_of(self, number: int, stamp: int | None) -> float:
        if self._timeline.times_s is not None:
            return float(self._timeline.times_s[number])
        if stamp is None or self._first_stamp is None:
            return number / self._timeline.fps if self._timeline.fps else 0.0
        return max(0.0, float((stamp - self._first_stamp) * self._time_base))


def _packet_of(packets: "Iterator[VideoPacket]", stamp: int) -> "VideoPacket | None":
    """The packet with this decoding stamp, from before it on; None if there is none."""
    for packet in packets:
        if packet.dts is None or packet.dts >= stamp:
            return packet if packet.dts == stamp else None
    return None


class _Stretch:
    """Packets that follow one another in the file, with the numbers of their frames.

    The number of a frame is the number of frames shown before it: those of earlier packets, and
    those of this stretch with an earlier stamp, which are known a little ahead.

    Attributes:
        packet: Position in the file of the next packet, counted from 0.
    """

    def __init__(
        self, packets: "Iterator[VideoPacket]", *, codec: str, packet: int, number: int
    ) -> None:
        """Start a stretch.

        Args:
            packets: From a key frame on.
            codec: Name of the codec.
            packet: Position of the first packet.
            number: Shown frames before it in the file.
        """
        self.packet = packet
        self._packets = packets
        self._codec = codec
        self._number = number
        self._pending: deque[VideoPacket] = deque()
        self._stamps: list[int] = []
        self._look_ahead()
        self._first = self._pending[0].pts if self._pending else None

    @property
    def delay(self) -> int:
        """How much later the first packet's frame is shown than it is decoded."""
        first = self._pending[0] if self._pending else None
        if first is None or first.pts is None or first.dts is None:
            return 0
        return first.pts - first.dts

    @property
    def first_stamp(self) -> int | None:
        """Presentation stamp of the frame that is shown first."""
        return self._stamps[0] if self._stamps else None

    def next_packet(self) -> "VideoPacket | None":
        """Take the next packet; None at the end of what can be read."""
        if not self._pending:
            return None
        self.packet += 1
        packet = self._pending.popleft()
        self._look_ahead()
        return packet

    def skip_to(self, packet: int) -> "Iterator[VideoPacket]":
        """What comes from the packet at this position on; the stretch is of no use afterwards."""
        rest = chain(self._pending, self._packets)
        while self.packet < packet and next(rest, None) is not None:
            self.packet += 1
        return rest

    def number_of(self, stamp: int) -> int:
        """The number of the frame with this presentation stamp."""
        return self._number + bisect_right(self._stamps, stamp) - 1

    def number_of_first(self) -> int:
        """The number of the first packet's frame; others of the stretch may be shown before it."""
        return self._number if self._first is None else self.number_of(self._first)

    def _look_ahead(self) -> None:
        while len(self._pending) <= _LOOKAHEAD:
            packet = next(self._packets, None)
            if packet is None:
                return
            self._pending.append(packet)
            if packet.pts is not None and is_shown(packet, codec=self._codec):
                insort(self._stamps, packet.pts)
