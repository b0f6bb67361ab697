"""The packets of a video file, read by the demuxer of its container and no other.

A playlist in disguise is never followed: the demuxer is pinned to the container that the first
bytes show, and FFmpeg is given an open file instead of a name, with no protocol to open another.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, BinaryIO, Final

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from unmask_shared.containers import SNIFF_BYTES, sniff_container
from unmask_shared.errors import NotAVideo, NoVideoStream, UnreadableVideo, VideoTooDemanding
from unmask_shared.vision.display import Display, display_of

_log = logging.getLogger(__name__)

if TYPE_CHECKING:  # generic only in the annotations
    VideoPacket = Packet[VideoStream]

_DEMUXERS: Final = {
    "mp4": "mov",
    "matroska": "matroska",
    "avi": "avi",
    "mpeg-ps": "mpeg",
    "mpeg-ts": "mpegts",
    "flv": "flv",
    "asf": "asf",
    "ogg": "ogg",
    "gif": "gif",
}
# Two threads decode 1.3 times as fast as one here; more cost memory and help little.
_DECODER_THREADS: Final = 2
_FALLBACK_TIME_BASE: Final = Fraction(1, 90_000)


@dataclass(frozen=True, kw_only=True)
class DecodeLimits:
    """What a video may ask of the decoder at most.

    Attributes:
        max_pixels: Of one frame.
        max_frames: Of the whole video.
    """

    max_pixels: int
    max_frames: int


class VideoSource:
    """The video stream of an open file.

    Attributes:
        container_name: Which container the first bytes show, as in `containers.sniff_container`.
        stream: What the demuxer says about it.
    """

    def __init__(self, file: BinaryIO, container_name: str, limits: DecodeLimits) -> None:
        """Open the container; see `open_video` for the errors."""
        self._file = file
        self._limits = limits
        self.container_name = container_name
        self._container = _open_container(file, container_name, limits)
        self.stream = self._prepare_stream()

    @property
    def time_base(self) -> Fraction:
        """Seconds per unit of the stream's stamps."""
        return self.stream.time_base or _FALLBACK_TIME_BASE

    @property
    def file_bytes(self) -> int:
        """Size of the file."""
        return os.fstat(self._file.fileno()).st_size

    def read_at(self, offset: int, count: int) -> bytes:
        """Bytes of the file, past FFmpeg, whose place in the file stays as it is."""
        return os.pread(self._file.fileno(), count, offset)

    def packets(self) -> "Iterator[VideoPacket]":
        """The stream's packets from here on, as far as they can be read."""
        try:
            for packet in self._container.demux(self.stream):
                if packet.size:
                    yield packet
        except av.FFmpegError as error:
            _log.info("the file is damaged, what came before is used: %s", error)

    def decode(self, packet: "VideoPacket | None") -> list[VideoFrame]:
        """Decode one packet, or empty the decoder with None.

        Returns:
            The frames that are complete now; none where the packet is damaged.

        Raises:
            VideoTooDemanding: A frame is larger than the limits allow.
        """
        try:
            pictures = self.stream.decode(packet)
        except av.FFmpegError as error:
            # Decoders recover at the next key frame.
            _log.debug("a packet cannot be decoded: %s", error)
            return []
        for picture in pictures:
            _check_size(picture.width, picture.height, self._limits)
        return pictures

    def display_of(self, picture: VideoFrame) -> Display:
        """How the stream is shown, by its first decoded picture."""
        aspect = self.stream.sample_aspect_ratio
        return display_of(picture, float(aspect) if aspect else None)

    def skip_unreferenced(self, skip: bool) -> None:
        """Decode only frames that others are built on, or all again, from the next packet on."""
        self.stream.codec_context.skip_frame = "NONREF" if skip else "DEFAULT"

    def forget(self) -> None:
        """Empty the decoder: the next packet to decode is a key frame somewhere else."""
        self.stream.codec_context.flush_buffers()

    def seek(self, stamp: int) -> None:
        """Go on reading at the key frame with this decoding stamp, or at the one before."""
        self._container.seek(stamp, stream=self.stream)

    def rewind(self) -> None:
        """Start reading from the beginning again."""
        self.close()
        self._container = _open_container(self._file, self.container_name, self._limits)
        self.stream = self._prepare_stream()

    def close(self) -> None:
        """Release the decoder; the file stays open."""
        self._container.close()

    def _prepare_stream(self) -> VideoStream:
        stream = _moving_pictures(self._container, self.container_name)
        context = stream.codec_context
        _check_size(context.width, context.height, self._limits)
        stream.thread_type = "AUTO"
        context.thread_count = _DECODER_THREADS
        return stream


@contextmanager
def open_video(file: BinaryIO, limits: DecodeLimits) -> Iterator[VideoSource]:
    """Open the moving pictures of a file.

    Args:
        file: Open for reading; its place is moved.
        limits: What the video may ask for.

    Raises:
        NotAVideo: The first bytes are not those of a known container.
        NoVideoStream: The file has sound or data only.
        UnreadableVideo: The container is damaged, or nothing decodes this codec.
        VideoTooDemanding: The frames are larger than the limits allow.
    """
    name = sniff_container(os.pread(file.fileno(), SNIFF_BYTES, 0))
    if name is None:
        raise NotAVideo("The first bytes are not those of a video container that Unmask reads.")
    source = VideoSource(file, name, limits)
    try:
        yield source
    finally:
        source.close()


def _open_container(file: BinaryIO, name: str, limits: DecodeLimits) -> InputContainer:
    # FFmpeg duplicates the descriptor, and duplicates share their place in the file.
    os.lseek(file.fileno(), 0, os.SEEK_SET)
    try:
        return av.open(
            "fd:",
            format=_DEMUXERS[name],
            options={
                "fd": str(file.fileno()),
                "protocol_whitelist": "fd",
                "max_pixels": str(limits.max_pixels),
            },
            metadata_errors="replace",
        )
    except av.FFmpegError as error:
        raise UnreadableVideo(f"The {name} container is damaged: {error.strerror}.") from error


def _moving_pictures(container: InputContainer, name: str) -> VideoStream:
    """The largest video stream; cover pictures of songs do not count."""
    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & Disposition.attached_pic
    ]
    if not streams:
        raise NoVideoStream(
            f"None of the {len(container.streams)} streams of the {name} file has moving pictures."
        )
    # Streams without a decoder have no context, which PyAV's annotations leave out.
    decodable = [stream for stream in streams if getattr(stream, "codec_context", None)]
    if not decodable:
        raise UnreadableVideo(f"The codec of the video in the {name} file is not known.")
    return max(
        decodable, key=lambda stream: stream.codec_context.width * stream.codec_context.height
    )


def _check_size(width: int, height: int, limits: DecodeLimits) -> None:
    if width * height > limits.max_pixels:
        raise VideoTooDemanding(
            f"The frames are {width}x{height}; at most {limits.max_pixels} pixels are decoded."
        )
