"""Which video container a file is, told from its first bytes.

The gateway refuses what is no video before it is stored, and decoding pins the demuxer to what is
found here. FFmpeg's own probing is never used on uploads: it also recognises playlists, which open
other files and addresses.
"""

from collections.abc import Callable
from typing import Final

SNIFF_BYTES: Final = 4096

_EBML_MAGIC: Final = b"\x1a\x45\xdf\xa3"
_ASF_GUID: Final = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_MPEG_PACK_START: Final = b"\x00\x00\x01\xba"
_OGG_PAGE_HEADER_BYTES: Final = 27

# ISO base media brands of still pictures (HEIF, AVIF), which share the layout of MP4.
_PICTURE_BRANDS: Final = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"}
    | {b"jpeg", b"jxl ", b"crx "}
)
# QuickTime files from before `ftyp` start with one of these atoms.
_QUICKTIME_ATOMS: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_LONGEST_FTYP: Final = 4096
_SHORTEST_ATOM: Final = 8
_MOST_BOXES: Final = 64


def sniff_container(head: bytes) -> str | None:
    """Name the video container that starts with these bytes.

    Args:
        head: The first bytes of the file; 4096 are enough, fewer may leave a container unnamed.

    Returns:
        One of `mp4` (also MOV and 3GP), `matroska` (also WebM), `avi`, `mpeg-ps`, `mpeg-ts`,
        `flv`, `asf` (WMV), `ogg`, `gif`; None for everything else.
    """
    for name, matches in _SIGNATURES.items():
        if matches(head):
            return name
    return None


def has_fragments(read_at: Callable[[int, int], bytes], file_bytes: int) -> bool:
    """Whether an MP4 keeps part of its sample tables in fragments (`moof` boxes).

    Args:
        read_at: Reads so many bytes from an offset; the arguments come in this order.
        file_bytes: Size of the file.
    """
    offset = 0
    for _ in range(_MOST_BOXES):
        header = read_at(offset, 16)
        if len(header) < 8:
            return False
        size, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if kind == b"moof":
            return True
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        offset += size
        if size < _SHORTEST_ATOM or offset >= file_bytes:
            return False
    return True  # nobody else writes so many boxes


def _is_mp4(head: bytes) -> bool:
    if len(head) < 12:
        return False
    size, kind = int.from_bytes(head[:4], "big"), head[4:8]
    if kind == b"ftyp":
        return _SHORTEST_ATOM < size <= _LONGEST_FTYP and head[8:12] not in _PICTURE_BRANDS
    # 0 says "to the end of the file", 1 says that a 64-bit size follows.
    return kind in _QUICKTIME_ATOMS and (size in (0, 1) or size >= _SHORTEST_ATOM)


def _is_matroska(head: bytes) -> bool:
    if not head.startswith(_EBML_MAGIC):
        return False
    return b"webm" in head[:SNIFF_BYTES] or b"matroska" in head[:SNIFF_BYTES]


def _is_avi(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:12] == b"AVI "


def _is_mpeg_program_stream(head: bytes) -> bool:
    # After the start code come the marker bits of MPEG-2 (01xx) or of MPEG-1 (0010).
    return head.startswith(_MPEG_PACK_START) and len(head) > 4 and head[4] >> 4 in (2, 4, 5, 6, 7)


def _is_mpeg_transport_stream(head: bytes) -> bool:
    plain = _has_sync_bytes(head, start=0, stride=188)
    timestamped = _has_sync_bytes(head, start=4, stride=192)
    return plain or timestamped


def _has_sync_bytes(head: bytes, *, start: int, stride: int, packets: int = 5) -> bool:
    if len(head) < start + stride * (packets - 1) + 1:
        return False
    return all(head[start + stride * packet] == 0x47 for packet in range(packets))


def _is_flv(head: bytes) -> bool:
    return head.startswith(b"FLV\x01")


def _is_asf(head: bytes) -> bool:
    return head.startswith(_ASF_GUID)


def _is_ogg(head: bytes) -> bool:
    return head.startswith(b"OggS\x00") and len(head) > _OGG_PAGE_HEADER_BYTES


def _is_gif(head: bytes) -> bool:
    return head.startswith((b"GIF87a", b"GIF89a"))


_SIGNATURES: Final[dict[str, Callable[[bytes], bool]]] = {
    "mp4": _is_mp4,
    "matroska": _is_matroska,
    "avi": _is_avi,
    "mpeg-ps": _is_mpeg_program_stream,
    "mpeg-ts": _is_mpeg_transport_stream,
    "flv": _is_flv,
    "asf": _is_asf,
    "ogg": _is_ogg,
    "gif": _is_gif,
}
