"""The packets of a video file, read by the demuxer of its container and no other.

A playlist in disguise is never followed: the demuxer is pinned to the container that the first
bytes show, and no protocol but local files is allowed.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from unmask_shared.containers import SNIFF_BYTES, sniff_container
from unmask_shared.errors import NotAVideo, NoVideoStream, UnreadableVideo, VideoTooDemanding

_log = logging.getLogger(__name__)

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


@dataclass(frozen=True, kw_only=True)
class DecodeLimits:
    """What a video may ask of the decoder at most."""

    max_pixels: int
    max_frames: int


class VideoSource:
    """The video stream of an open file.

    Attributes:
        stream: What the demuxer says about it.
    """

    def __init__(
        self, container: InputContainer, stream: VideoStream, limits: DecodeLimits
    ) -> None:
        self.stream = stream
        self._container = container
        self._limits = limits

    def packets(self) -> Iterator["Packet[VideoStream] | None"]:
        """The stream's packets as far as they can be read, then None, which empties the decoder."""
        try:
            for packet in self._container.demux(self.stream):
                if packet.size:
                    yield packet
        except av.FFmpegError as error:
            _log.info("the file is damaged, what came before is used: %s", error)
        yield None

    def decode(self, packet: "Packet[VideoStream] | None") -> list[VideoFrame]:
        """Decode one packet.

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

    def restart(self) -> None:
        """Forget the packets so far: the next one to decode is a key frame somewhere else."""
        self.stream.codec_context.flush_buffers()


@contextmanager
def open_video(path: Path, limits: DecodeLimits) -> Iterator[VideoSource]:
    """Open the moving pictures of a file.

    Raises:
        NotAVideo: The first bytes are not those of a known container.
        NoVideoStream: The file has sound or data only.
        UnreadableVideo: The container is damaged, or nothing decodes this codec.
        VideoTooDemanding: The frames are larger than the limits allow.
    """
    with path.open("rb") as file:
        name = sniff_container(file.read(SNIFF_BYTES))
    if name is None:
        raise NotAVideo("The first bytes are not those of a video container that Unmask reads.")
    try:
        container = av.open(
            # An absolute path behind `file:` can never be taken for another protocol.
            f"file:{path.resolve()}",
            format=_DEMUXERS[name],
            options={"protocol_whitelist": "file", "max_pixels": str(limits.max_pixels)},
            metadata_errors="replace",
        )
    except av.FFmpegError as error:
        raise UnreadableVideo(f"The {name} container is damaged: {error.strerror}.") from error
    with container:
        stream = _moving_pictures(container, name)
        context = stream.codec_context
        _check_size(context.width, context.height, limits)
        stream.thread_type = "AUTO"
        context.thread_count = _DECODER_THREADS
        yield VideoSource(container, stream, limits)


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
