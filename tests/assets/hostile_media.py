"""Files that a stranger might upload to break, stall or fool the decoder.

Everything is made from numbers and small clips, so that the same files come out each time.
"""

import io
import random
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from hostile_clips import FRAMES, Size, black, clip, clips, other_codecs, remuxed
from hostile_parts import (
    alias,
    compressed_moov,
    dotted_gif,
    ftyp,
    mixed_jpegs,
    patched,
    repeated,
    sound,
    still,
    with_boxes,
    with_sps,
)
from mp4_boxes import Box, full, huge_sps, join, moov, split, starts, time_to_sample

from unmask_shared.errors import NotAVideo, NoVideoStream, UnmaskError, VideoTooDemanding

CUTS = 40
FLIP_SEEDS = 6


@dataclass(frozen=True, kw_only=True)
class Hostile:
    """A file, and how reading it may end.

    Attributes:
        error: The error that must come; None if any result and any error about the video will do.
        readable: Whether a result must come.
    """

    name: str
    data: bytes
    error: type[UnmaskError] | None = None
    readable: bool = False


def intact() -> Iterator[Hostile]:
    """The clips that the others are made from, to know that those fail for their own reasons."""
    for name, data in (clips() | other_codecs()).items():
        yield Hostile(name=name, data=data, readable=True)


def truncated() -> Iterator[Hostile]:
    """Every container, cut after each fortieth of it."""
    for name, data in clips().items():
        for cut in range(1, CUTS):
            yield Hostile(name=f"{name}, {cut}/{CUTS}", data=data[: len(data) * cut // CUTS])


def truncated_at_boxes() -> Iterator[Hostile]:
    """MP4 and MOV, cut before each box, after its head, and in the middle of its head."""
    for name in ("mp4", "faststart", "fragmented", "mov"):
        data = clips()[name]
        for number, (kind, start) in enumerate(starts(data)):
            for extra in (0, 4, 12):
                yield Hostile(name=f"{name} {number} {kind}+{extra}", data=data[: start + extra])


def damaged() -> Iterator[Hostile]:
    """Every container and codec with random bytes changed behind its signature."""
    for name, data in (clips() | other_codecs()).items():
        for seed in range(FLIP_SEEDS):
            chance = random.Random(f"{name} {seed}")
            flipped = bytearray(data)
            # From one byte in 20 down to one in 2000.
            for _ in range(max(1, len(data) // (20 * (1 + seed**3)))):
                flipped[chance.randrange(32, len(data))] ^= 1 << chance.randrange(8)
            yield Hostile(name=f"{name}, seed {seed}", data=bytes(flipped))


def absurd_sizes() -> Iterator[Hostile]:
    """Headers that ask for billions of pixels, and pictures of odd shapes."""
    mp4 = clips()["mp4"]
    yield Hostile(name="tkhd", data=patched(mp4, b"tkhd", -8, b"\xff\xff\0\0" * 2))
    yield Hostile(name="stsd", data=patched(mp4, b"stsd", 40, b"\xff\xff" * 2))
    yield Hostile(name="sps", data=with_sps(mp4, huge_sps()))
    gif = clips()["gif"]
    yield Hostile(name="gif screen", data=gif[:6] + b"\xff\xff\xff\xff" + gif[10:])
    yield Hostile(
        name="gif frame", data=gif.replace(b"\x2c\0\0\0\0\x60\0\x40\0", b"\x2c" + b"\xff" * 8)
    )
    mkv = clips()["mkv"]
    yield Hostile(
        name="mkv", data=mkv.replace(b"\xb0\x81\x60\xba\x81\x40", b"\xb0\x82\xff\xff\xba\x81\xff")
    )
    for width, height in ((1, 1), (1, 2), (2, 1), (16384, 1), (1, 16384), (8192, 2)):
        yield Hostile(
            name=f"{width}x{height}",
            data=clip("mov", "png", size=(width, height), pix_fmt="rgb24", frames=3),
            readable=True,
        )
    yield Hostile(
        name="5000x4000",
        data=clip("mov", "mjpeg", size=(5000, 4000), pix_fmt="yuvj420p", frames=1, draw=black),
        error=VideoTooDemanding,
    )


def many_frames() -> Iterator[Hostile]:
    """Claims of very many frames, some of them true."""
    mov = clips()["mov"]
    for claimed in (1_000_000, 2**31 - 1, 2**32 - 1):
        yield Hostile(name=f"claims {claimed} of one size", data=repeated(mov, claimed, chunks=1))
        yield Hostile(
            name=f"claims {claimed} in stts only",
            data=with_boxes(mov, time_to_sample((claimed, 1))),
        )
    yield Hostile(
        name="a million times one frame",
        data=repeated(mov, 1_000_000, chunks=1_000_000),
        error=VideoTooDemanding,
    )
    yield Hostile(
        name="a tenth of a million times one frame",
        data=repeated(mov, 100_000, chunks=100_000),
        readable=True,
    )
    yield Hostile(
        name="gif with a million frames", data=dotted_gif(1_000_000), error=VideoTooDemanding
    )
    yield Hostile(name="gif with a thousand frames", data=dotted_gif(1000), readable=True)
    yield Hostile(name="one frame", data=clip("mp4", "libx264", frames=1), readable=True)


def playlists() -> Iterator[Hostile]:
    """Texts that make FFmpeg open other files and addresses, and MOV files that refer to some."""
    texts = {
        "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        "hls over http": "#EXTM3U\n#EXTINF:9,\nhttp://127.0.0.1:9/x.ts\n",
        "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static">'
        "<Period><AdaptationSet><Representation><BaseURL>file:///etc/passwd</BaseURL>"
        "</Representation></AdaptationSet></Period></MPD>",
        "concat": "ffconcat version 1.0\nfile /etc/passwd\n",
        "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
        "rtsp": "RTSPtext\nrtsp://127.0.0.1:9/x\n",
        "svg": '<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
        "image sequence": "%03d.png\n",
    }
    for name, text in texts.items():
        yield Hostile(name=name, data=text.encode(), error=NotAVideo)
    mp4 = clips()["mp4"]
    target = b"file:///etc/passwd\0"
    for kind, payload in ((b"url ", target), (b"alis", alias(b"/etc/passwd"))):
        reference = Box(
            b"dref", bytes(4) + struct.pack(">I", 1) + Box(kind, bytes(4) + payload).to_bytes()
        )
        yield Hostile(name=f"dref {kind.decode()}", data=with_boxes(mp4, reference))
    rdrf = Box(b"rdrf", bytes(4) + b"url " + struct.pack(">I", len(target)) + target)
    movie = Box(b"moov", boxes=[Box(b"rmra", boxes=[Box(b"rmda", boxes=[rdrf])])])
    yield Hostile(name="reference movie", data=ftyp() + movie.to_bytes())


def disguises() -> Iterator[Hostile]:
    """Files that are something else, whole or behind the first bytes of a video."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as opened:
        opened.writestr("zeros", bytes(10_000_000))
    others = {
        "empty": b"",
        "one byte": b"\0",
        "zeros": bytes(5000),
        "text": b"no video " * 1000,
        "png": still("PNG"),
        "jpeg": still("JPEG"),
        "webp": still("WEBP"),
        "zip": archive.getvalue(),
        "pdf": b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\ntrailer\n<<>>\n%%EOF\n" * 20,
        "elf": b"\x7fELF\x02\x01\x01" + bytes(5000),
        "html": b"<!doctype html><video src=x>" * 50,
        "wav": b"RIFF\x24\0\0\0WAVEfmt " + bytes(2000),
    }
    for name, data in others.items():
        yield Hostile(name=name, data=data, error=NotAVideo)
        for head in ("mp4", "mkv", "avi", "flv", "gif"):
            yield Hostile(name=f"{head} head, then {name}", data=clips()[head][:64] + data)
    for first in ("mp4", "gif", "ts"):
        yield Hostile(name=f"zip behind {first}", data=clips()[first] + archive.getvalue())
    yield Hostile(name="heic brand", data=b"\0\0\0\x18ftypheic" + bytes(5000), error=NotAVideo)


def bombs() -> Iterator[Hostile]:
    """Little that unpacks to very much."""
    wide: Size = (4000, 3000)
    yield Hostile(
        name="png in mov", data=clip("mov", "png", size=wide, pix_fmt="rgb24", frames=2, draw=black)
    )
    yield Hostile(
        name="gif", data=clip("gif", "gif", size=wide, pix_fmt="rgb8", frames=2, draw=black)
    )
    one = clip("mov", "png", size=(1920, 1080), pix_fmt="rgb24", frames=1, draw=black)
    yield Hostile(name="a thousand large pngs", data=repeated(one, 1000, chunks=1000))
    packed = zlib.compress(bytes(64 * 1024 * 1024), 9)
    for name, claimed in (("honest", 64 * 1024 * 1024), ("lying", 2**32 - 1), ("small", 16)):
        yield Hostile(name=f"compressed moov, {name}", data=compressed_moov(packed, claimed))
    depth = 20_000
    nested = b"".join(struct.pack(">I4s", 8 * (depth - level), b"moov") for level in range(depth))
    yield Hostile(name="nested boxes", data=ftyp() + nested)
    yield Hostile(name="a long name", data=ftyp() + Box(b"udta", b"A" * 1_000_000).to_bytes())


def odd_times() -> Iterator[Hostile]:
    """Time stamps that stand still, run backwards, or leave gaps of years."""
    mp4 = clips()["mp4"]
    runs: dict[str, list[tuple[int, int]]] = {
        "no duration": [(FRAMES, 0)],
        "gap of years": [(6, 512), (1, 2**31 - 1), (FRAMES - 7, 512)],
        "backwards": [(4, 512), (4, 2**32 - 100), (FRAMES - 8, 512)],
        "overflowing": [(FRAMES, 2**31 - 1)],
    }
    for name, run in runs.items():
        yield Hostile(name=name, data=with_boxes(mp4, time_to_sample(*run)), readable=True)
    lists = {
        "starts after years": (2, 2**31 - 1, -1, 0x10000, 1000, 0, 0x10000),
        "shows nothing": (1, 0, 0, 0x10000),
        "starts before zero": (1, 1000, -5000, 0x10000),
        "stands still": (1, 1000, 0, 0),
        "a thousand times": (1000, *([1, 0, 0x10000] * 1000)),
        "is longer than said": (2**31 - 1, 1000, 0, 0x10000),
    }
    for name, (count, *values) in lists.items():
        edits = full(b"elst", "I" + "iii" * (len(values) // 3), count, *values)
        yield Hostile(name=f"edit list {name}", data=with_boxes(mp4, edits))
    offsets = [n for i in range(FRAMES) for n in (1, -(2**30) if i % 2 else 2**30)]
    reorder = Box(b"ctts", b"\1\0\0\0" + struct.pack(">I" + "Ii" * FRAMES, FRAMES, *offsets))
    movie = split(mp4)
    for table in moov(movie).find(b"stbl"):
        table.boxes = [*(table.boxes or ()), reorder]
    yield Hostile(name="wild composition offsets", data=join(movie))
    yield Hostile(name="no rate", data=with_boxes(mp4, full(b"mdhd", "IIIIHH", 0, 0, 0, 0, 0, 0)))


def odd_streams() -> Iterator[Hostile]:
    """Streams that are allowed, and that hardly anybody makes."""
    fast = {"preset": "ultrafast"}
    small, large = clips()["ts"], clip("mpegts", "libx264", size=(320, 240), codec_options=fast)
    yield Hostile(name="size changes midway", data=small + large + small, readable=True)
    yield Hostile(
        name="size changes in mjpeg", data=mixed_jpegs((96, 64), (640, 16), (2, 2)), readable=True
    )
    yield Hostile(name="size grows beyond the limit", data=mixed_jpegs((96, 64), (5000, 4000)))
    keyless = remuxed(
        clips()["mp4"], "matroska", lambda all_: [p for p in all_ if not p.is_keyframe]
    )
    yield Hostile(name="no key frames", data=keyless)
    late = remuxed(clips()["mp4"], "matroska", lambda all_: all_[3:])
    yield Hostile(name="starts between key frames", data=late)
    yield Hostile(name="sound only", data=sound(), error=NoVideoStream)
    yield Hostile(name="sound with a cover", data=sound(cover=True), error=NoVideoStream)
    formats = {
        "ffv1": (
            "gray",
            "gray16le",
            "yuv420p10le",
            "yuv444p",
            "yuv422p12le",
            "yuva420p",
            "bgra",
            "rgb48le",
            "yuv411p",
        ),
        "png": ("rgba", "monob", "rgb48be", "ya8"),
    }
    for codec, names in formats.items():
        for pix_fmt in names:
            data = clip("matroska" if codec == "ffv1" else "mov", codec, pix_fmt=pix_fmt, frames=3)
            yield Hostile(name=f"{codec} {pix_fmt}", data=data, readable=True)


GROUPS: dict[str, Callable[[], Iterator[Hostile]]] = {
    maker.__name__: maker
    for maker in (
        intact, truncated, truncated_at_boxes, damaged, absurd_sizes, many_frames, playlists,
        disguises, bombs, odd_times, odd_streams,
    )
}  # fmt: skip
