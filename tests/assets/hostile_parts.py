"""What hostile files are put together from."""

import io
import struct
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.stream import Disposition
from hostile_clips import FRAMES, Size, picture, written
from mp4_boxes import Box, full, join, moov, split, time_to_sample
from PIL import Image


def patched(data: bytes, kind: bytes, at: int, new: bytes) -> bytes:
    boxes = split(data)
    for box in moov(boxes).find(kind):
        start = at % len(box.payload)
        box.payload = box.payload[:start] + new + box.payload[start + len(new) :]
    return join(boxes)


def with_boxes(data: bytes, *new: Box) -> bytes:
    boxes = split(data)
    for box in new:
        moov(boxes).replace(box.kind, box)
    return join(boxes)


def with_sps(data: bytes, sps: bytes) -> bytes:
    boxes = split(data)
    (stsd,) = moov(boxes).find(b"stsd")
    at = stsd.payload.index(b"avcC") - 4
    (size,) = struct.unpack_from(">I", stsd.payload, at)
    record = stsd.payload[at + 8 : at + size]
    (old,) = struct.unpack_from(">H", record, 6)
    changed = Box(b"avcC", record[:6] + struct.pack(">H", len(sps)) + sps + record[8 + old :])
    body = stsd.payload[12:at] + changed.to_bytes() + stsd.payload[at + size :]
    stsd.payload = stsd.payload[:8] + struct.pack(">I", 4 + len(body)) + body
    return join(boxes)


def repeated(mov: bytes, samples: int, *, chunks: int) -> bytes:
    """The first frame again and again: all chunks lie at the same place."""
    boxes = split(mov)
    movie = moov(boxes)
    (sizes,), (places,) = movie.find(b"stsz"), movie.find(b"stco")
    first_size = (
        struct.unpack_from(">I", sizes.payload, 4)[0]
        or struct.unpack_from(">I", sizes.payload, 12)[0]
    )
    place = places.payload[8:12]
    movie.replace(b"stsz", full(b"stsz", "II", first_size, samples))
    movie.replace(b"stco", Box(b"stco", bytes(4) + struct.pack(">I", chunks) + place * chunks))
    movie.replace(b"stsc", full(b"stsc", "IIII", 1, 1, samples // chunks, 1))
    movie.replace(b"stts", time_to_sample((samples, 512)))
    movie.replace(b"edts")
    return join(boxes)


def dotted_gif(frames: int) -> bytes:
    """A GIF of single dots, 23 bytes each."""
    head = b"GIF89a" + struct.pack("<HHBBB", 16, 16, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    control = b"\x21\xf9\x04\0\x04\0\0\0"
    dot = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x4c\x01\0"
    return head + (control + dot) * frames + b"\x3b"


def alias(path: bytes) -> bytes:
    """A Macintosh alias record with an absolute path, as far as players read it."""
    record = bytes(10) + bytes([8]) + b"x".ljust(27, b"\0") + bytes(12)
    record += bytes([6]) + b"passwd".ljust(63, b"\0") + bytes(16) + bytes(4) + bytes(16)
    return record + struct.pack(">HH", 2, len(path)) + path + b"\0" * (len(path) % 2) + b"\xff\xff"


def ftyp() -> bytes:
    return b"\0\0\0\x14ftypisom\0\0\2\0isom"


def compressed_moov(packed: bytes, claimed: int) -> bytes:
    parts = [Box(b"dcom", b"zlib"), Box(b"cmvd", struct.pack(">I", claimed) + packed)]
    return ftyp() + Box(b"moov", boxes=[Box(b"cmov", boxes=parts)]).to_bytes()


def still(kind: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture(0, (96, 64))).save(file, kind)
    return file.getvalue()


def mixed_jpegs(*sizes: Size) -> bytes:
    def write(output: Any) -> None:
        stream = output.add_stream("mjpeg", rate=25)
        stream.width, stream.height = sizes[0]
        stream.pix_fmt = "yuvj420p"
        for number in range(FRAMES):
            file = io.BytesIO()
            Image.fromarray(picture(number, sizes[number * len(sizes) // FRAMES])).save(
                file, "JPEG"
            )
            packet = av.Packet(file.getvalue())
            packet.stream, packet.pts, packet.dts = stream, number, number
            packet.time_base = Fraction(1, 25)
            packet.is_keyframe = True
            output.mux(packet)

    return written("matroska", write)


def sound(*, cover: bool = False) -> bytes:
    def write(output: Any) -> None:
        stream = output.add_stream("aac", rate=16000, layout="mono")
        art = output.add_stream("mjpeg") if cover else None
        if art is not None:
            art.width, art.height, art.pix_fmt = 96, 64, "yuvj420p"
            art.disposition = Disposition.attached_pic
            frame = av.VideoFrame.from_ndarray(picture(0, (96, 64)), format="rgb24")
            output.mux(art.encode(frame))
        silence = av.AudioFrame.from_ndarray(np.zeros((1, 4096), np.float32), "fltp", "mono")
        silence.rate = 16000
        output.mux(stream.encode(silence))
        output.mux(stream.encode(None))

    return written("mp4", write)
