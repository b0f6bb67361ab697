import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unmask_shared.containers import SNIFF_BYTES, has_fragments, sniff_container


def _ftyp(brand: bytes) -> bytes:
    return struct.pack(">I4s4sI", 24, b"ftyp", brand, 512) + b"isommp42" + b"\0\0\0\x08free"


def _transport_stream(stride: int, offset: int) -> bytes:
    packet = b"\0" * offset + b"\x47" + bytes(stride - offset - 1)
    return packet * 12


KNOWN = {
    "mp4": _ftyp(b"isom"),
    "mov": _ftyp(b"qt  "),
    "3gp": _ftyp(b"3gp4"),
    "old quicktime": struct.pack(">I4s", 4096, b"moov") + b"\0\0\0\x6cmvhd",
    "quicktime, data first": struct.pack(">I4s", 1, b"mdat") + bytes(16),
    "webm": b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\x82\x84webm",
    "mkv": b"\x1a\x45\xdf\xa3\xa3B\x86\x81\x01B\x82\x88matroska",
    "avi": b"RIFF\x10\x20\0\0AVI LIST",
    "mpeg-2 program stream": b"\x00\x00\x01\xba\x44\x00\x04\x00\x04\x01",
    "mpeg-1 program stream": b"\x00\x00\x01\xba\x21\x00\x01\x00\x01\x80",
    "transport stream": _transport_stream(188, 0),
    "camcorder transport stream": _transport_stream(192, 4),
    "flv": b"FLV\x01\x05\0\0\0\x09",
    "wmv": bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c") + bytes(8),
    "ogv": b"OggS\x00\x02" + bytes(26),
    "gif": b"GIF89a\x40\x01\xf0\x00",
}
NAMES = {
    "mp4": "mp4",
    "mov": "mp4",
    "3gp": "mp4",
    "old quicktime": "mp4",
    "quicktime, data first": "mp4",
    "webm": "matroska",
    "mkv": "matroska",
    "avi": "avi",
    "mpeg-2 program stream": "mpeg-ps",
    "mpeg-1 program stream": "mpeg-ps",
    "transport stream": "mpeg-ts",
    "camcorder transport stream": "mpeg-ts",
    "flv": "flv",
    "wmv": "asf",
    "ogv": "ogg",
    "gif": "gif",
}
FOREIGN = {
    "nothing": b"",
    "text": b"Dear Sir or Madam,\n",
    "HLS playlist": b"#EXTM3U\n#EXT-X-VERSION:3\n#EXTINF:9,\nfile:///etc/passwd\n",
    "DASH manifest": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011">',
    "concat script": b"ffconcat version 1.0\nfile /etc/passwd\n",
    "JPEG": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
    "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "HEIC photograph": _ftyp(b"heic"),
    "AVIF picture": _ftyp(b"avif"),
    "WAV sound": b"RIFF\x10\x20\0\0WAVEfmt ",
    "WebP picture": b"RIFF\x10\x20\0\0WEBPVP8 ",
    "MP3 with tags": b"ID3\x04\0\0\0\0\x02\x01",
    "PDF": b"%PDF-1.7\n",
    "ZIP": b"PK\x03\x04\x14\0",
    "program": b"\x7fELF\x02\x01\x01",
    "EBML of another kind": b"\x1a\x45\xdf\xa3\x9fB\x82\x84mkvx",
    "ftyp with an impossible size": struct.pack(">I4s4s", 4, b"ftyp", b"isom"),
    "text that starts with G": b"G" + b"o" * 187 + b"G" + b"o" * 300,
}


@pytest.mark.parametrize("kind", KNOWN)
def test_names_each_video_container(kind: str) -> None:
    assert sniff_container(KNOWN[kind]) == NAMES[kind]


@pytest.mark.parametrize("kind", FOREIGN)
def test_refuses_what_is_no_video(kind: str) -> None:
    assert sniff_container(FOREIGN[kind]) is None


@pytest.mark.parametrize("kind", KNOWN)
def test_the_first_4096_bytes_decide(kind: str) -> None:
    head = (KNOWN[kind] + bytes(SNIFF_BYTES))[:SNIFF_BYTES]
    assert sniff_container(head + b"trailing" * 100) == sniff_container(head) == NAMES[kind]


@given(st.binary(max_size=1200))
def test_survives_any_bytes(head: bytes) -> None:
    assert sniff_container(head) in {None, *NAMES.values()}


box_sizes = st.sampled_from([0, 1, 7, 8, 9, 16, 2**31, 2**32 - 1]) | st.integers(0, 64)
boxes = st.tuples(box_sizes, st.sampled_from([b"moof", b"moov", b"free", b"\0\0\0\0"]), st.binary())


@given(st.lists(boxes, max_size=100) | st.binary(max_size=300).map(lambda raw: [(8, b"free", raw)]))
def test_boxes_of_any_size_are_walked_in_a_few_steps(
    content: list[tuple[int, bytes, bytes]],
) -> None:
    data = b"".join(struct.pack(">I", size) + kind + more for size, kind, more in content)
    reads = []

    def read_at(offset: int, length: int) -> bytes:
        reads.append(offset)
        return data[offset : offset + length]

    assert has_fragments(read_at, len(data)) in {True, False}
    assert len(reads) <= 64
    assert reads == sorted(set(reads))
