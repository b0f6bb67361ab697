import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from media_factory import astronaut, quadrants

from unmask_shared.errors import UnreadableVideo, VideoTooDemanding
from unmask_shared.vision.picture_files import decode_picture, is_picture_name, read_header

PIXELS = astronaut().pixels[:90, :120]
LARGE = 10**6


def encoded(suffix: str, pixels: np.ndarray = PIXELS, *options: int) -> bytes:
    _, data = cv2.imencode(suffix, cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), options)
    return data.tobytes()


FORMATS = {
    "jpeg": encoded(".jpg", PIXELS, cv2.IMWRITE_JPEG_QUALITY, 98),
    "progressive jpeg": encoded(".jpg", PIXELS, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "png": encoded(".png"),
    "lossy webp": encoded(".webp", PIXELS, cv2.IMWRITE_WEBP_QUALITY, 90),
    "lossless webp": encoded(".webp", PIXELS, cv2.IMWRITE_WEBP_QUALITY, 101),
}


def turned_by_exif(data: bytes, orientation: int) -> bytes:
    """A JPEG with Exif data that tell how it was held."""
    tiff = b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 0x0112, 3, 1, orientation, 0, 0)
    body = b"Exif\0\0" + tiff
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body + data[2:]


@pytest.mark.parametrize("name", FORMATS)
def test_the_header_tells_format_and_size_and_the_pixels_are_rgb(name: str) -> None:
    header = read_header(FORMATS[name])

    assert header.format == name.rsplit(maxsplit=1)[-1]
    assert (header.width, header.height) == (120, 90)
    pixels = decode_picture(FORMATS[name], max_pixels=LARGE)
    assert np.abs(pixels.astype(int) - PIXELS).mean() < 4


def test_a_picture_with_an_extended_webp_header_has_the_size_of_its_canvas() -> None:
    chunk = b"VP8X" + struct.pack("<I", 10) + b"\0" * 4
    size = (299).to_bytes(3, "little") + (199).to_bytes(3, "little")
    header = read_header(b"RIFF" + struct.pack("<I", 22) + b"WEBP" + chunk + size)
    assert (header.format, header.width, header.height) == ("webp", 300, 200)


def test_pictures_are_turned_as_they_were_held() -> None:
    upright = quadrants(96, 64)
    stored = np.ascontiguousarray(np.rot90(upright))
    data = turned_by_exif(encoded(".jpg", stored), 6)

    pixels = decode_picture(data, max_pixels=LARGE)

    assert pixels.shape == upright.shape
    assert np.abs(pixels.astype(int) - upright).mean() < 8


def test_a_preview_in_the_header_gives_neither_the_size_nor_the_end() -> None:
    preview = encoded(".jpg", quadrants(32, 24))
    segment = b"\xff\xe1" + struct.pack(">H", len(preview) + 2) + preview
    data = FORMATS["jpeg"][:2] + segment + FORMATS["jpeg"][2:]

    assert read_header(data).width == 120
    with pytest.raises(UnreadableVideo, match="cut off"):
        decode_picture(data[: len(data) - 400], max_pixels=LARGE)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_a_picture_that_is_cut_off_is_refused_and_not_filled_up(name: str, share: float) -> None:
    data = FORMATS[name]
    with pytest.raises(UnreadableVideo):
        decode_picture(data[: int(share * len(data))], max_pixels=LARGE)


@pytest.mark.parametrize("data", [b"", b"GIF89a", b"\xff\xd8\xff", b"RIFF1234WEBPVP9 ", b"x" * 99])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(UnreadableVideo):
        read_header(data)


def test_a_damaged_picture_is_refused() -> None:
    data = bytearray(FORMATS["png"])
    data[60:160] = bytes(100)
    with pytest.raises(UnreadableVideo, match="cannot be decoded"):
        decode_picture(bytes(data), max_pixels=LARGE)


def test_a_picture_that_claims_to_be_huge_is_refused_before_it_is_decoded() -> None:
    data = bytearray(FORMATS["png"])
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    with pytest.raises(VideoTooDemanding, match="60000x60000"):
        decode_picture(bytes(data), max_pixels=LARGE)


def test_pictures_are_known_by_their_suffix() -> None:
    assert all(map(is_picture_name, map(Path, ("a.jpg", "b.JPEG", "c.png", "d.webp"))))
    assert not any(map(is_picture_name, map(Path, ("a.mp4", "b.gif", "jpg", "c.csv"))))
