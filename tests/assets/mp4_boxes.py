"""Taking MP4 and MOV files apart and putting them together again, right or wrong."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_NESTED = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"dinf", b"moof", b"traf", b"mvex"}


@dataclass
class Box:
    """A box with a payload, or with other boxes."""

    kind: bytes
    payload: bytes = b""
    boxes: Sequence["Box"] | None = None

    def to_bytes(self) -> bytes:
        body = self.payload if self.boxes is None else join(self.boxes)
        return struct.pack(">I4s", 8 + len(body), self.kind) + body

    def replace(self, kind: bytes, *new: "Box") -> None:
        """Put other boxes in the place of every one of this kind inside."""
        if self.boxes is None:
            return
        self.boxes = [part for box in self.boxes for part in (new if box.kind == kind else [box])]
        for box in self.boxes:
            if box not in new:
                box.replace(kind, *new)

    def find(self, kind: bytes) -> Iterator["Box"]:
        """All boxes of a kind, at any depth."""
        if self.kind == kind:
            yield self
        for box in self.boxes or ():
            yield from box.find(kind)


def split(data: bytes) -> list[Box]:
    """The boxes of a file that is in order."""
    boxes, at = [], 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        body = data[at + 8 : at + size]
        boxes.append(Box(kind, boxes=split(body)) if kind in _NESTED else Box(kind, body))
        at += size
    return boxes


def join(boxes: Sequence[Box]) -> bytes:
    return b"".join(box.to_bytes() for box in boxes)


def starts(data: bytes, base: int = 0) -> Iterator[tuple[str, int]]:
    """Name and offset of every box, with those inside of others."""
    at = 0
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        yield kind.decode("latin-1").strip(), base + at
        if kind in _NESTED:
            yield from starts(data[at + 8 : at + size], base + at + 8)
        at += size


def moov(boxes: Sequence[Box]) -> Box:
    return next(box for box in boxes if box.kind == b"moov")


def full(kind: bytes, form: str, *values: int) -> Box:
    """A box with version and flags of zero, then numbers."""
    return Box(kind, bytes(4) + struct.pack(">" + form, *values))


def time_to_sample(*runs: tuple[int, int]) -> Box:
    """`stts`: how many samples last how many ticks."""
    flat = [number for run in runs for number in run]
    return full(b"stts", f"I{len(flat)}I", len(runs), *flat)


def huge_sps() -> bytes:
    """A sequence parameter set of H.264 baseline for 65536x65536 pixels (H.264, 7.3.2.1.1)."""
    bits = ""
    for number in (0, 0, 2, 1):  # id, frame number bits, order count type, reference frames
        bits += _exp_golomb(number)
    bits += "0" + _exp_golomb(4095) + _exp_golomb(4095) + "1" + "0" + "0" + "0"
    bits += "1"
    bits += "0" * (-len(bits) % 8)
    return bytes([0x67, 66, 0, 51]) + int(bits, 2).to_bytes(len(bits) // 8, "big")


def _exp_golomb(number: int) -> str:
    code = f"{number + 1:b}"
    return "0" * (len(code) - 1) + code
